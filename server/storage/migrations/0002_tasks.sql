CREATE TABLE task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  seq INTEGER NOT NULL,
  version INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('task', 'milestone')),
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('todo', 'doing', 'blocked', 'review', 'done', 'failed', 'cancelled')),
  blocked_reason TEXT NOT NULL,
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
  weight INTEGER NOT NULL CHECK (weight >= 1),
  progress INTEGER CHECK (progress BETWEEN 0 AND 100),
  creator TEXT NOT NULL,
  assignee TEXT REFERENCES member (name),
  assigned_by TEXT,
  parent INTEGER REFERENCES task (id),
  source_message INTEGER REFERENCES message (id),
  channel TEXT REFERENCES channel (id),
  labels TEXT NOT NULL,
  requires TEXT NOT NULL,
  due_at INTEGER,
  result TEXT NOT NULL,
  unmet INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  lease_ttl_s INTEGER NOT NULL,
  claim INTEGER NOT NULL DEFAULT 0,
  holder_run TEXT,
  claimed_at INTEGER,
  lease_expires_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  closed_at INTEGER,
  deleted_at INTEGER
);
-- Best first: what claim-next takes, and the order of a list.
CREATE INDEX task_claimable ON task (priority DESC, id) WHERE status = 'todo' AND unmet = 0 AND deleted_at IS NULL;
CREATE INDEX task_by_rank ON task (priority DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX task_by_status ON task (status, priority DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX task_by_assignee ON task (assignee, status, priority DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX task_by_creator ON task (creator, priority DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX task_by_parent ON task (parent) WHERE parent IS NOT NULL;
CREATE INDEX task_by_source ON task (source_message) WHERE source_message IS NOT NULL;
CREATE INDEX task_by_seq ON task (seq);
CREATE INDEX task_lease ON task (lease_expires_at) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX task_open_due ON task (due_at) WHERE due_at IS NOT NULL AND closed_at IS NULL AND deleted_at IS NULL;

CREATE TABLE task_label (
  label TEXT NOT NULL,
  task INTEGER NOT NULL REFERENCES task (id),
  PRIMARY KEY (label, task)
) WITHOUT ROWID;

CREATE TABLE task_dependency (
  task INTEGER NOT NULL REFERENCES task (id),
  needs INTEGER NOT NULL REFERENCES task (id),
  PRIMARY KEY (task, needs)
) WITHOUT ROWID;
CREATE INDEX task_dependency_by_need ON task_dependency (needs);

-- What was done to a task, by whom: {field: [before, after]}.
CREATE TABLE task_change (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task INTEGER NOT NULL REFERENCES task (id),
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  changes TEXT NOT NULL,
  comment TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX task_change_by_task ON task_change (task, id);
