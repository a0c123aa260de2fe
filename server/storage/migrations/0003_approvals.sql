CREATE TABLE approval (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('state', 'action', 'spending', 'agent', 'question', 'tool')),
  asker TEXT NOT NULL REFERENCES member (name),
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
  decided_at INTEGER
);
CREATE INDEX approval_pending ON approval (expires_at) WHERE status = 'pending';
CREATE INDEX approval_by_asker ON approval (asker, id);
