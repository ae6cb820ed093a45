BEGIN;
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
        CASE cause WHEN 'change_unfinished' THEN 'create_unfinished' ELSE cause END,
        recorded_at
    -- There is room for one of each destination: a deletion, if there is one.
    FROM new_removal AS one WHERE NOT EXISTS (
        SELECT * FROM new_removal AS other
        WHERE other.destination = one.destination AND other.cause = 'deleted' AND one.cause <> 'deleted'
    );
DROP TABLE new_removal;

DELETE FROM migration WHERE version = 2;
PRAGMA user_version = 1;
COMMIT;
