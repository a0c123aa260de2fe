-- A budget that was reached asks a person. SQLite cannot change a CHECK, so the table is written anew.
CREATE TABLE approval_whole (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('state', 'action', 'spending', 'agent', 'question', 'tool', 'guard', 'budget')),
  asker TEXT NOT NULL,  -- a member, or `system`
  summary TEXT NOT NULL,
  details TEXT NOT NULL,
  options TEXT NOT NULL,
  hash TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'answered', 'expired', 'cancelled')),
  delegated_to TEXT REFERENCES member (name),
  snoozed_until INTEGER,
  decided_by TEXT,
  answer TEXT NOT NULL,
  comment TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  decided_at INTEGER,
  stale INTEGER NOT NULL DEFAULT 0,
  project TEXT,
  field TEXT,
  proposal TEXT
);
INSERT INTO approval_whole (id, kind, asker, summary, details, options, hash, status, delegated_to, snoozed_until,
  decided_by, answer, comment, created_at, expires_at, decided_at, stale, project, field, proposal)
SELECT id, kind, asker, summary, details, options, hash, status, delegated_to, snoozed_until,
  decided_by, answer, comment, created_at, expires_at, decided_at, stale, project, field, proposal FROM approval;
DROP TABLE approval;
ALTER TABLE approval_whole RENAME TO approval;
CREATE INDEX approval_pending ON approval (expires_at) WHERE status = 'pending';
CREATE INDEX approval_by_asker ON approval (asker, id);
CREATE INDEX approval_by_field ON approval (project, field) WHERE status = 'pending' AND project IS NOT NULL;
CREATE INDEX approval_by_decision ON approval (decided_at) WHERE decided_at IS NOT NULL;
