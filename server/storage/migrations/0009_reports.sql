CREATE TABLE report (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  type TEXT NOT NULL CHECK (type IN ('compliance', 'efficiency', 'anomaly')),
  project TEXT,
  since INTEGER NOT NULL,
  content TEXT NOT NULL,
  visibility TEXT NOT NULL CHECK (visibility IN ('all', 'chairman_only')),
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX state_version_by_time ON state_version (at);
CREATE INDEX approval_by_decision ON approval (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX event_denied ON event (at) WHERE kind = 'access.denied';
