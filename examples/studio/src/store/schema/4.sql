-- When the backup leg is pushed: 'standby' or 'hot'.
ALTER TABLE destination ADD COLUMN backup_mode TEXT NOT NULL DEFAULT 'standby';
