-- How far a message is from the last word of a person, and what was said before: computed by the server alone.
ALTER TABLE message ADD COLUMN root INTEGER;  -- the message that began its chain, kept or not; NULL: this one does
ALTER TABLE message ADD COLUMN hop INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN fingerprint INTEGER;  -- of the normalised text, of agents' messages

ALTER TABLE delivery ADD COLUMN held_by TEXT;  -- the kind of guard that withholds it, while it is stored
ALTER TABLE delivery ADD COLUMN guard INTEGER REFERENCES guard (id);
DROP INDEX delivery_unseen;
CREATE INDEX delivery_unseen ON delivery (recipient, id) WHERE state IN ('stored', 'pushed') AND held_by IS NULL;
CREATE INDEX delivery_by_sight ON delivery (recipient, seen_at) WHERE seen_at IS NOT NULL;
CREATE INDEX delivery_held ON delivery (guard) WHERE guard IS NOT NULL;

CREATE TABLE guard (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('hops', 'pair', 'channel', 'repeats')),
  scope TEXT NOT NULL,
  channel TEXT NOT NULL REFERENCES channel (id),
  members TEXT NOT NULL,
  evidence TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'cleared')),
  decision TEXT CHECK (decision IN ('continue', 'keep', 'stop')),
  decided_by TEXT,
  decided_at INTEGER,
  hop INTEGER NOT NULL,  -- the farthest it held: what may go on is counted from there
  message_id INTEGER NOT NULL REFERENCES message (id),
  counted_to INTEGER NOT NULL,  -- messages up to here do not count again
  approval INTEGER,
  notice INTEGER REFERENCES message (id),
  tripped_at INTEGER NOT NULL
);
CREATE INDEX guard_by_scope ON guard (scope, id);
CREATE INDEX guard_open ON guard (id) WHERE state = 'open';
CREATE INDEX guard_untold ON guard (id) WHERE notice IS NULL AND state = 'open';

CREATE TABLE guard_limit (
  member TEXT PRIMARY KEY,  -- '' are those of everybody without a row
  limits TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE send_allowance (
  member TEXT PRIMARY KEY REFERENCES member (name),
  next_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The server itself asks what is to become of agents that a guard has paused.
CREATE TABLE approval_new (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('state', 'action', 'spending', 'agent', 'question', 'tool', 'guard')),
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
INSERT INTO approval_new SELECT id, kind, asker, summary, details, options, hash, status, delegated_to, snoozed_until,
  decided_by, answer, comment, created_at, expires_at, decided_at, stale, project, field, proposal FROM approval;
DROP TABLE approval;
ALTER TABLE approval_new RENAME TO approval;
CREATE INDEX approval_pending ON approval (expires_at) WHERE status = 'pending';
CREATE INDEX approval_by_asker ON approval (asker, id);
CREATE INDEX approval_by_field ON approval (project, field) WHERE status = 'pending' AND project IS NOT NULL;
CREATE INDEX approval_by_decision ON approval (decided_at) WHERE decided_at IS NOT NULL;
