-- Sources, presets, sessions, tokens and histories of failover: a row each, with the value as JSON.
CREATE TABLE record (
    kind     TEXT NOT NULL,
    id       TEXT NOT NULL,
    revision INTEGER NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;

-- What the database was given once, so that what somebody deleted of it does not come back.
CREATE TABLE seeded (
    what TEXT PRIMARY KEY,
    at   TEXT NOT NULL
) STRICT;

CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    at     TEXT NOT NULL,
    until  TEXT NOT NULL
) STRICT;

-- Who did it; null if it happened by itself, or nobody is known.
ALTER TABLE event ADD COLUMN "by" TEXT;

-- A removal of an unfinished change names the change from now on, in its cause:
-- 'change_unfinished:<32 hexadecimal digits>'. Those that are there name none, and stay as they are.
-- A removal whose cause is 'absent' is new.

-- What a change may leave of secrets, as JSON: their names, and the keyed hashes of their texts.
ALTER TABLE removal ADD COLUMN leftovers TEXT NOT NULL DEFAULT '[]';
