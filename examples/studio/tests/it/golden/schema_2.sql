-- The database as the last program of schema 2 wrote it, dumped; never changed.
-- Its key file is 32 bytes of 7. The samples are those of `lunora-testkit`.
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE claim (
    key           TEXT PRIMARY KEY,
    request       TEXT NOT NULL,
    destination   TEXT NOT NULL,
    at            TEXT NOT NULL,
    answer_status INTEGER,
    answer_body   TEXT
) STRICT;
INSERT INTO "claim" VALUES('request-1','ad72c96c77567ca9fe6414f7c82e76d5','dest-1','2026-01-02T03:04:05.000000000Z',201,'{"id":"dest-1"}');
INSERT INTO "claim" VALUES('request-2','8482d362f71bc706dee496e9c88aeef2','dest-2','2026-01-02T03:04:05.000000000Z',NULL,NULL);
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO "counter" VALUES('revision',5);
INSERT INTO "counter" VALUES('secret_version',6);
CREATE TABLE destination (
    id                   TEXT PRIMARY KEY,
    revision             INTEGER NOT NULL,
    name                 TEXT NOT NULL,
    platform             TEXT NOT NULL,
    preset_id            TEXT,
    enabled              INTEGER NOT NULL,
    wanted               TEXT NOT NULL,
    output_type          TEXT NOT NULL,
    primary_url          TEXT,
    primary_tail_version INTEGER,
    primary_tail_digest  TEXT,
    primary_key_version  INTEGER,
    primary_key_digest   TEXT,
    backup_url           TEXT,
    backup_tail_version  INTEGER,
    backup_tail_digest   TEXT,
    backup_key_version   INTEGER,
    backup_key_digest    TEXT,
    failover_enabled     INTEGER NOT NULL,
    active_leg           TEXT NOT NULL,
    generation           INTEGER NOT NULL,
    started_at           TEXT,
    created_at           TEXT NOT NULL,
    updated_at           TEXT NOT NULL
) STRICT;
INSERT INTO "destination" VALUES('dest-1',2,'destination 1','youtube','generic_1080p',1,'running','relay','rtmps://a.rtmps.youtube.com/live2',3,'96ec886b00f9dbdb9fc02db2fa1de4b6',2,'a84df85b1a15e75e8db8aaf54d1773da','rtmp://b.rtmp.youtube.com/live2',NULL,NULL,4,'87b94bf23ca41ac20aff2a3253d0f88a',1,'backup',7,'2026-01-02T03:04:05.000000000Z','2026-01-02T03:04:05.000000000Z','2026-01-02T03:04:05.000000000Z');
INSERT INTO "destination" VALUES('dest-2',3,'destination 2','custom',NULL,1,'running','relay','rtmp://127.0.0.1:9/app-2',NULL,NULL,1,'6ee7226b062c320274d8e47fcc28248d',NULL,NULL,NULL,NULL,NULL,0,'primary',1,NULL,'2026-01-02T03:04:05.000000000Z','2026-01-02T03:04:05.000000000Z');
INSERT INTO "destination" VALUES('dest-3',4,'destination 3','hls',NULL,0,'stopped','medialive',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,'primary',1,NULL,'2026-01-02T03:04:05.000000000Z','2026-01-02T03:04:05.000000000Z');
CREATE TABLE event (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    destination TEXT,
    kind        TEXT NOT NULL
) STRICT;
INSERT INTO "event" VALUES(1,'2026-01-02T03:04:05.000000000Z','dest-1','{"type":"destination_created","name":"destination 1"}');
INSERT INTO "event" VALUES(2,'2026-01-02T03:04:05.000000000Z','dest-1','{"type":"status_changed","from":null,"to":"reconnecting","severity":"self_healing","fault":{"code":"dns","class":"transient","text":"no such host","at":"2026-01-02T03:04:05Z","count":1},"last_fault":null}');
INSERT INTO "event" VALUES(3,'2026-01-02T03:04:05.000000000Z',NULL,'{"type":"program_changed","program":"encoder"}');
CREATE TABLE key_check (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    value    BLOB NOT NULL
) STRICT;
INSERT INTO "key_check" VALUES(1,X'6F26194FDA6FC68EFCAEC681AC4EE915C9720BC44D25257DE41185FCCF4B6775');
CREATE TABLE migration (
    version    INTEGER PRIMARY KEY,
    what       TEXT NOT NULL,
    undo       TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT;
INSERT INTO "migration" VALUES(1,'destinations, secrets, events, removals, pause and claims','BEGIN;
DROP TABLE claim;
DROP TABLE pause;
DROP TABLE removal;
DROP TABLE event;
DROP TABLE secret;
DROP TABLE destination;
DROP TABLE key_check;
DROP TABLE counter;
DROP TABLE migration;
PRAGMA user_version = 0;
COMMIT;
','2026-01-02T03:04:05.000000000Z');
INSERT INTO "migration" VALUES(2,'versions of a secret side by side, and the generation that a removal means','BEGIN;
ALTER TABLE secret RENAME TO new_secret;
CREATE TABLE secret (
    name       TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    nonce      BLOB NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;
-- There is room for one version of each name: that which a destination refers to, else the last one.
-- No two secrets have the same version, whatever their names.
INSERT INTO secret (name, version, nonce, ciphertext)
    SELECT name, version, nonce, ciphertext FROM (
        SELECT new_secret.*, row_number() OVER (
            PARTITION BY name
            ORDER BY EXISTS (
                SELECT * FROM destination WHERE version IN (
                    primary_key_version, primary_tail_version,
                    backup_key_version, backup_tail_version
                )
            ) DESC, version DESC
        ) AS place
        FROM new_secret
    ) WHERE place = 1;
DROP TABLE new_secret;

ALTER TABLE removal RENAME TO new_removal;
CREATE TABLE removal (
    destination TEXT PRIMARY KEY,
    cause       TEXT NOT NULL,
    recorded_at TEXT NOT NULL
) STRICT;
INSERT INTO removal (destination, cause, recorded_at)
    SELECT
        destination,
        CASE cause WHEN ''change_unfinished'' THEN ''create_unfinished'' ELSE cause END,
        recorded_at
    -- There is room for one of each destination: a deletion, if there is one.
    FROM new_removal AS one WHERE NOT EXISTS (
        SELECT * FROM new_removal AS other
        WHERE other.destination = one.destination AND other.cause = ''deleted'' AND one.cause <> ''deleted''
    );
DROP TABLE new_removal;

DELETE FROM migration WHERE version = 2;
PRAGMA user_version = 1;
COMMIT;
','2026-01-02T03:04:05.000000000Z');
CREATE TABLE pause (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    until    TEXT NOT NULL
) STRICT;
INSERT INTO "pause" VALUES(1,'2026-01-02T03:04:05.000000000Z');
CREATE TABLE removal (
    destination TEXT NOT NULL,
    cause       TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (destination, cause)
) STRICT;
INSERT INTO "removal" VALUES('dest-4','deleted',1,'2026-01-02T03:04:05.000000000Z');
INSERT INTO "removal" VALUES('dest-3','change_unfinished',1,'2026-01-02T03:04:05.000000000Z');
INSERT INTO "removal" VALUES('dest-4','change_unfinished',1,'2026-01-02T03:04:05.000000000Z');
CREATE TABLE secret (
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    nonce      BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;
INSERT INTO "secret" VALUES('destinations/dest-1/stream_key',2,X'54320E4E6DEFDFE78021A062E7B24900976023FA79587223',X'A1A0B13ECCC8B950CCBB9AF0AA2929AFC233A04ABA42BC57');
INSERT INTO "secret" VALUES('destinations/dest-1/url_tail',3,X'B56F3E11DC36297F7DA0E201B8FBF8545FDE067DF31D0DFA',X'3EB755C3D58B822B57C158E1A3CB0ABE57A6A4D9D6AA77C3');
INSERT INTO "secret" VALUES('destinations/dest-1/backup_stream_key',4,X'FFE44A271B05DFDCCFD7C41E6DE5A3D8ACD40DA6ED5AF0FA',X'8D4D5EE6D04682D0FE76B47180AB038A0EE26D81DDAE41B3');
INSERT INTO "secret" VALUES('destinations/dest-1/backup_stream_key',5,X'F133C1F8DDF67FCC5FD1741B39B93CDF3B7E3635CE714097',X'D226248AD569C9C290E535B4315BE4B7F517197013015AFA');
INSERT INTO "secret" VALUES('ingest/publish_key',6,X'56877CE725D5807D3CEBE54AE4141711D50056728F030012',X'39E03FCA259D47F6CC2FA69833A4CD8220B76A33F4E8D970');
CREATE INDEX claim_at ON claim (at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',3);
COMMIT;
