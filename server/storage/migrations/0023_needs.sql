-- Everything that waits for a person: also permissions that a CLI asks for, and what keeps an agent from going on.
-- SQLite cannot change a CHECK, so the table is written anew. What does not expire has no expires_at.
CREATE TABLE approval_new (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN (
    'state', 'action', 'spending', 'agent', 'question', 'tool', 'permission', 'failure', 'login', 'stall', 'limit',
    'terminal', 'guard', 'budget')),
  asker TEXT NOT NULL,  -- a member, or `system`
  summary TEXT NOT NULL,
  details TEXT NOT NULL,
  options TEXT NOT NULL,
  hash TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN (
    'pending', 'approved', 'rejected', 'answered', 'expired', 'cancelled', 'closed')),
  delegated_to TEXT REFERENCES member (name),
  snoozed_until INTEGER,
  decided_by TEXT,
  answer TEXT NOT NULL,
  comment TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  decided_at INTEGER,
  stale INTEGER NOT NULL DEFAULT 0,
  project TEXT,
  field TEXT,
  proposal TEXT,
  run_id TEXT,          -- the run of the agent whose CLI waits for the answer
  request TEXT,         -- JSON: tool, input, folder, pattern, questions
  risk TEXT NOT NULL DEFAULT 'normal' CHECK (risk IN ('low', 'normal', 'high')),
  scope TEXT CHECK (scope IN ('once', 'session', 'always')),
  changed_input TEXT,   -- JSON: what the tool is to run with instead
  origin TEXT           -- names the trouble it is about, so that one trouble is told once
);
INSERT INTO approval_new (id, kind, asker, summary, details, options, hash, status, delegated_to, snoozed_until,
  decided_by, answer, comment, created_at, expires_at, decided_at, stale, project, field, proposal)
SELECT id, kind, asker, summary, details, options, hash, status, delegated_to, snoozed_until,
  decided_by, answer, comment, created_at, expires_at, decided_at, stale, project, field, proposal FROM approval;
DROP TABLE approval;
ALTER TABLE approval_new RENAME TO approval;
CREATE INDEX approval_pending ON approval (expires_at) WHERE status = 'pending';
CREATE INDEX approval_by_asker ON approval (asker, id);
CREATE INDEX approval_by_field ON approval (project, field) WHERE status = 'pending' AND project IS NOT NULL;
CREATE INDEX approval_by_decision ON approval (decided_at) WHERE decided_at IS NOT NULL;
CREATE UNIQUE INDEX approval_by_origin ON approval (origin) WHERE origin IS NOT NULL;

-- A way to decide one request from elsewhere, once. Only the hash of its code is kept.
CREATE TABLE approval_link (
  hash BLOB PRIMARY KEY,
  approval_id INTEGER NOT NULL REFERENCES approval (id),
  member TEXT NOT NULL REFERENCES member (name),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;

ALTER TABLE agent ADD COLUMN reason_code TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN activity_reason_code TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN resets_at INTEGER;
ALTER TABLE agent ADD COLUMN permission_mode TEXT NOT NULL DEFAULT '';
