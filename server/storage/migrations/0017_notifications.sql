-- Who outside is told of what (as configured), what each was or is to be told, and what came in by a chat bridge.
CREATE TABLE notification_target (
  name TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  address TEXT NOT NULL,
  events TEXT NOT NULL,
  member TEXT REFERENCES member (name),
  people TEXT NOT NULL,
  removed_at INTEGER
);
CREATE TABLE notification (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL REFERENCES notification_target (name),
  member TEXT NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  subject TEXT NOT NULL,
  item TEXT NOT NULL,
  payload TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
  note TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt_at INTEGER,
  held INTEGER NOT NULL,
  sending INTEGER NOT NULL,
  merged_into INTEGER REFERENCES notification (id),
  created_at INTEGER NOT NULL,
  delivered_at INTEGER,
  failed_at INTEGER,
  error TEXT NOT NULL,
  UNIQUE (target, member, item)
);
CREATE INDEX notification_due ON notification (target, next_attempt_at)
  WHERE status = 'pending' AND merged_into IS NULL;
CREATE INDEX notification_merged ON notification (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX notification_ended ON notification (coalesce(delivered_at, failed_at)) WHERE status <> 'pending';
CREATE TABLE chat_message (
  bridge TEXT NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (bridge, id)
);
CREATE TABLE chat_peer (
  bridge TEXT NOT NULL,
  member TEXT NOT NULL,
  wrote_at INTEGER NOT NULL,
  PRIMARY KEY (bridge, member)
);
