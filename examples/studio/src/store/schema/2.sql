-- Each write of a secret is a row of its own, so that a destination goes on to refer to the one that it knows.
ALTER TABLE secret RENAME TO old_secret;
-- XChaCha20-Poly1305 under a key made from the key file; name and version are authenticated with it.
CREATE TABLE secret (
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    nonce      BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;
INSERT INTO secret (name, version, nonce, ciphertext)
    SELECT name, version, nonce, ciphertext FROM old_secret;
DROP TABLE old_secret;

-- A removal says which generation of its destination it means: so far, the one that is there.
ALTER TABLE removal RENAME TO old_removal;
CREATE TABLE removal (
    destination TEXT NOT NULL,
    cause       TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    recorded_at TEXT NOT NULL,
    PRIMARY KEY (destination, cause)
) STRICT;
INSERT INTO removal (destination, cause, generation, recorded_at)
    SELECT
        old_removal.destination,
        CASE cause WHEN 'create_unfinished' THEN 'change_unfinished' ELSE cause END,
        coalesce(destination.generation, 0),
        recorded_at
    FROM old_removal LEFT JOIN destination ON destination.id = old_removal.destination;
DROP TABLE old_removal;
