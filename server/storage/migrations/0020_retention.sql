-- How long the messages of a channel are kept, where that is not as the team's. Neither: for ever.
CREATE TABLE retention (
  channel TEXT PRIMARY KEY REFERENCES channel (id),
  keep_for_ms INTEGER,
  keep_count INTEGER,
  source TEXT NOT NULL CHECK (source IN ('team file', 'command')),
  set_by TEXT NOT NULL,
  set_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_by_expiry ON session (expires_at);
-- What refers to a message is looked for when it is removed.
CREATE INDEX message_by_reply ON message (reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX message_file_by_message ON message_file (message);
