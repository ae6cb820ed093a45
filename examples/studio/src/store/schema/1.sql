-- Times are RFC 3339 in UTC with nine digits after the second, so that their text sorts as they do.

-- How this database became what it is, and how each step is undone.
CREATE TABLE migration (
    version    INTEGER PRIMARY KEY,
    what       TEXT NOT NULL,
    undo       TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT;

-- What counts up over the whole database, so that no number is used twice.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counter (name, value) VALUES ('revision', 0), ('secret_version', 0);

-- Tells whether a key file is the one that the secrets are encrypted under.
CREATE TABLE key_check (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    value    BLOB NOT NULL
) STRICT;

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

-- XChaCha20-Poly1305 under a key made from the key file; name and version are authenticated with it.
CREATE TABLE secret (
    name       TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    nonce      BLOB NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;

-- AUTOINCREMENT: a place is not given again after its event was dropped.
CREATE TABLE event (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    destination TEXT,
    kind        TEXT NOT NULL
) STRICT;

CREATE TABLE removal (
    destination TEXT PRIMARY KEY,
    cause       TEXT NOT NULL,
    recorded_at TEXT NOT NULL
) STRICT;

CREATE TABLE pause (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    until    TEXT NOT NULL
) STRICT;

CREATE TABLE claim (
    key           TEXT PRIMARY KEY,
    request       TEXT NOT NULL,
    destination   TEXT NOT NULL,
    at            TEXT NOT NULL,
    answer_status INTEGER,
    answer_body   TEXT
) STRICT;
CREATE INDEX claim_at ON claim (at);
