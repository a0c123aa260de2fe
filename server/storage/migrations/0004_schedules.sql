CREATE TABLE schedule (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  creator TEXT NOT NULL REFERENCES member (name),
  action TEXT NOT NULL CHECK (action IN ('message', 'task', 'start', 'prompt')),
  channel TEXT,
  content TEXT NOT NULL,
  title TEXT NOT NULL,
  agent TEXT,
  cron_expr TEXT,
  every TEXT,
  at TEXT,
  tz TEXT NOT NULL,
  overlap TEXT NOT NULL CHECK (overlap IN ('skip', 'queue', 'allow')),
  missed TEXT NOT NULL CHECK (missed IN ('run_once', 'skip')),
  jitter_s INTEGER NOT NULL,
  ends_at INTEGER,
  max_runs INTEGER,
  status TEXT NOT NULL CHECK (status IN ('active', 'paused', 'ended')),
  reason TEXT NOT NULL,
  runs INTEGER NOT NULL DEFAULT 0,
  planned_at INTEGER,
  due_at INTEGER,
  is_queued INTEGER NOT NULL DEFAULT 0,
  made TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
);
CREATE INDEX schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedule_by_creator ON schedule (creator, id) WHERE deleted_at IS NULL;

CREATE TABLE schedule_run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  schedule INTEGER NOT NULL REFERENCES schedule (id),
  planned_at INTEGER NOT NULL,
  ran_at INTEGER NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('done', 'skipped', 'queued', 'missed', 'failed')),
  reason TEXT NOT NULL,
  by TEXT NOT NULL,
  made TEXT
);
CREATE INDEX schedule_run_by_schedule ON schedule_run (schedule, id);
