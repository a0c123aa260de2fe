ALTER TABLE task ADD COLUMN checkin_interval TEXT;
ALTER TABLE task ADD COLUMN next_checkin_at INTEGER;
CREATE INDEX task_checkin ON task (next_checkin_at) WHERE next_checkin_at IS NOT NULL AND closed_at IS NULL;
CREATE INDEX task_doing ON task (updated_at) WHERE status = 'doing' AND deleted_at IS NULL;

-- What has been said of a task already. `anchor` is what the step counts from: another due date begins anew.
CREATE TABLE reminder (
  task INTEGER NOT NULL REFERENCES task (id),
  step TEXT NOT NULL,
  anchor INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (task, step, anchor)
) WITHOUT ROWID;
