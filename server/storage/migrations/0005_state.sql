CREATE TABLE state (
  project TEXT NOT NULL,
  field TEXT NOT NULL,
  seq INTEGER NOT NULL,
  version INTEGER NOT NULL,
  value TEXT NOT NULL,
  owner TEXT NOT NULL,
  approval_required INTEGER NOT NULL,
  approver TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  updated_by TEXT NOT NULL,
  PRIMARY KEY (project, field)
) WITHOUT ROWID;

-- Every value a field ever had.
CREATE TABLE state_version (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project TEXT NOT NULL,
  field TEXT NOT NULL,
  version INTEGER NOT NULL,
  value TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  source TEXT NOT NULL CHECK (source IN ('write', 'approval', 'restore', 'task')),
  at INTEGER NOT NULL,
  UNIQUE (project, field, version)
);
CREATE INDEX state_version_by_project ON state_version (project, id);

-- Whom a field concerns. `field` is a name, or a prefix that ends in `*`.
CREATE TABLE state_subscription (
  member TEXT NOT NULL REFERENCES member (name),
  project TEXT NOT NULL,
  field TEXT NOT NULL,
  is_critical INTEGER NOT NULL,
  notice INTEGER,
  PRIMARY KEY (project, member, field)
) WITHOUT ROWID;

CREATE TABLE state_seen (
  member TEXT NOT NULL REFERENCES member (name),
  project TEXT NOT NULL,
  field TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (member, project, field)
) WITHOUT ROWID;

-- Projects whose members must have seen what is critical to them before they write.
CREATE TABLE state_gate (
  project TEXT PRIMARY KEY
) WITHOUT ROWID;

ALTER TABLE approval ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approval ADD COLUMN project TEXT;
ALTER TABLE approval ADD COLUMN field TEXT;
ALTER TABLE approval ADD COLUMN proposal TEXT;
CREATE INDEX approval_by_field ON approval (project, field) WHERE status = 'pending' AND project IS NOT NULL;

ALTER TABLE task ADD COLUMN related_project TEXT;
ALTER TABLE task ADD COLUMN related_state TEXT;
ALTER TABLE task ADD COLUMN target_value TEXT;
