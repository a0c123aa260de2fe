-- Who held a task, from when to when, and what ended it.
CREATE TABLE task_run (
  task INTEGER NOT NULL REFERENCES task (id),
  claim INTEGER NOT NULL,
  member TEXT NOT NULL,
  run_id TEXT,
  began_at INTEGER NOT NULL,
  ended_at INTEGER,
  outcome TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (task, claim)
) WITHOUT ROWID;
