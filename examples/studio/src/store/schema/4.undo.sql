BEGIN;
ALTER TABLE destination DROP COLUMN backup_mode;

DELETE FROM migration WHERE version = 4;
PRAGMA user_version = 3;
COMMIT;
