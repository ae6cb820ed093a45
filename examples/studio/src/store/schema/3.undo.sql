BEGIN;
-- There is room for one unfinished change of each destination: the last one, so that it is as young as they are.
DELETE FROM removal WHERE cause GLOB 'change_unfinished*' AND EXISTS (
    SELECT * FROM removal AS other
    WHERE other.destination = removal.destination AND other.cause GLOB 'change_unfinished*'
    AND (removal.recorded_at, removal.cause) < (other.recorded_at, other.cause)
);
UPDATE removal SET cause = 'change_unfinished' WHERE cause GLOB 'change_unfinished:*';
-- Nothing is lost with those that are not known there: an output without a row is found again.
DELETE FROM removal WHERE cause = 'absent';
ALTER TABLE removal DROP COLUMN leftovers;

ALTER TABLE event DROP COLUMN "by";
DROP TABLE lease;
DROP TABLE seeded;
DROP TABLE record;

DELETE FROM migration WHERE version = 3;
PRAGMA user_version = 2;
COMMIT;
