-- Times are integer UTC milliseconds in *_at columns, states are words, JSON is text.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The one log: audit trail, stream and replay. seq order is commit order (there is one writer).
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  operation TEXT NOT NULL,
  door TEXT NOT NULL,
  call_id TEXT NOT NULL,
  audience TEXT NOT NULL,
  subject TEXT NOT NULL,
  body BLOB NOT NULL,
  hash BLOB NOT NULL  -- SHA-256 of the hash before and this row: a chain
);
CREATE INDEX event_by_subject ON event (subject, seq);

CREATE TABLE idempotency (
  caller TEXT NOT NULL,
  key TEXT NOT NULL,
  operation TEXT NOT NULL,
  arguments_hash BLOB NOT NULL,
  response BLOB,
  at INTEGER NOT NULL,
  PRIMARY KEY (caller, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (at);

CREATE TABLE member (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('human', 'agent', 'bot')),
  role TEXT NOT NULL CHECK (role IN ('chairman', 'operator', 'viewer', 'lead', 'member')),
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  retired_at INTEGER
) WITHOUT ROWID;

CREATE TABLE token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  member TEXT NOT NULL REFERENCES member (name),
  hash BLOB NOT NULL UNIQUE,
  label TEXT NOT NULL,
  run_id TEXT,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
);
CREATE INDEX token_by_member ON token (member);

CREATE TABLE sign_in_link (
  hash BLOB PRIMARY KEY,
  member TEXT NOT NULL REFERENCES member (name),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;

CREATE TABLE session (
  hash BLOB PRIMARY KEY,
  member TEXT NOT NULL REFERENCES member (name),
  csrf TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER
) WITHOUT ROWID;

CREATE TABLE channel (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL CHECK (type IN ('group', 'topic', 'dm')),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  archived_at INTEGER
) WITHOUT ROWID;

CREATE TABLE channel_member (
  channel TEXT NOT NULL REFERENCES channel (id),
  member TEXT NOT NULL REFERENCES member (name),
  joined_at INTEGER NOT NULL,
  PRIMARY KEY (channel, member)
) WITHOUT ROWID;
CREATE INDEX channel_member_by_member ON channel_member (member, channel);

CREATE TABLE message (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  seq INTEGER NOT NULL,
  channel TEXT NOT NULL REFERENCES channel (id),
  sender TEXT NOT NULL,
  sender_kind TEXT NOT NULL CHECK (sender_kind IN ('human', 'agent', 'bot', 'system')),
  content TEXT NOT NULL,
  mentions TEXT NOT NULL,
  reply_to INTEGER REFERENCES message (id),
  thread INTEGER REFERENCES message (id),
  priority TEXT NOT NULL CHECK (priority IN ('now', 'next', 'later')),
  metadata TEXT NOT NULL,
  client_id TEXT,
  created_at INTEGER NOT NULL,
  edited_at INTEGER,
  deleted_at INTEGER
);
CREATE INDEX message_by_channel ON message (channel, id);
CREATE INDEX message_by_thread ON message (thread, id) WHERE thread IS NOT NULL;

CREATE VIRTUAL TABLE message_text USING fts5 (content, content = 'message', content_rowid = 'id');

CREATE TABLE read_mark (
  member TEXT NOT NULL REFERENCES member (name),
  channel TEXT NOT NULL REFERENCES channel (id),
  last_read INTEGER NOT NULL,
  PRIMARY KEY (member, channel)
) WITHOUT ROWID;

-- What is owed to whom, and how far it has come. Never deleted by a push; only proof moves it on.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id INTEGER NOT NULL REFERENCES message (id),
  channel TEXT NOT NULL,
  recipient TEXT NOT NULL REFERENCES member (name),
  state TEXT NOT NULL CHECK (state IN ('stored', 'pushed', 'seen', 'handled')),
  way TEXT,
  push_id TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  stored_at INTEGER NOT NULL,
  pushed_at INTEGER,
  seen_at INTEGER,
  handled_at INTEGER,
  UNIQUE (message_id, recipient)
);
CREATE INDEX delivery_unseen ON delivery (recipient, id) WHERE state IN ('stored', 'pushed');
CREATE INDEX delivery_by_push ON delivery (recipient, push_id) WHERE push_id IS NOT NULL AND state <> 'handled';
CREATE INDEX delivery_unhandled ON delivery (recipient, channel) WHERE state <> 'handled';

CREATE TABLE agent (
  name TEXT PRIMARY KEY REFERENCES member (name),
  kind TEXT NOT NULL,
  description TEXT NOT NULL,
  command TEXT NOT NULL,
  wanted TEXT NOT NULL CHECK (wanted IN ('stopped', 'running')),
  state TEXT NOT NULL CHECK (state IN (
    'stopped', 'starting', 'ready', 'degraded', 'blocked', 'backoff', 'stopping', 'exited', 'fatal', 'unknown')),
  reason TEXT NOT NULL,
  since_at INTEGER NOT NULL,
  activity TEXT NOT NULL CHECK (activity IN ('working', 'idle', 'needs_you', 'limited', 'stalled', 'unknown')),
  activity_reason TEXT NOT NULL,
  activity_source TEXT NOT NULL,
  activity_since_at INTEGER NOT NULL,
  connected INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  run_id TEXT,
  generation INTEGER NOT NULL,
  pid INTEGER,
  started_at INTEGER,
  restarts INTEGER NOT NULL,
  next_start_at INTEGER,
  request INTEGER NOT NULL,
  lifecycle TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
  run_id TEXT PRIMARY KEY,
  agent TEXT NOT NULL REFERENCES agent (name),
  generation INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  code INTEGER,
  signal INTEGER,
  reason TEXT,
  tail TEXT,
  output_offset INTEGER NOT NULL DEFAULT 0,
  UNIQUE (agent, generation)
) WITHOUT ROWID;
