-- The paths of the project that a task is about.
ALTER TABLE task ADD COLUMN files TEXT NOT NULL DEFAULT '[]';
