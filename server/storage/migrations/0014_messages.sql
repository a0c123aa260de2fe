-- Reactions and pins stand in the message's row, so that a page of history stays one query.
ALTER TABLE message ADD COLUMN reactions TEXT NOT NULL DEFAULT '[]';  -- JSON: [{emoji, members}]
ALTER TABLE message ADD COLUMN pinned_by TEXT;
ALTER TABLE message ADD COLUMN pinned_at INTEGER;
CREATE INDEX message_pinned ON message (channel, pinned_at) WHERE pinned_at IS NOT NULL;

-- What an edited message said before.
CREATE TABLE message_version (
  message_id INTEGER NOT NULL REFERENCES message (id),
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  written_at INTEGER NOT NULL,
  PRIMARY KEY (message_id, version)
) WITHOUT ROWID;

-- Events that carry a message, beside the one of its creation: a deletion withholds its text in all of them.
CREATE TABLE message_told (
  message_id INTEGER NOT NULL REFERENCES message (id),
  seq INTEGER NOT NULL,
  PRIMARY KEY (message_id, seq)
) WITHOUT ROWID;

-- What readers are given in place of an event's body. The row itself stays: the chain of hashes is over it.
CREATE TABLE event_withheld (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);

ALTER TABLE channel_member ADD COLUMN level TEXT NOT NULL DEFAULT 'all' CHECK (level IN ('all', 'mentions', 'none'));

-- pull: its recipient finds it at its next check-in, and is not woken by it.
ALTER TABLE delivery ADD COLUMN mode TEXT NOT NULL DEFAULT 'queue'
  CHECK (mode IN ('queue', 'next_step', 'interrupt', 'pull'));
ALTER TABLE delivery ADD COLUMN sender_told_at INTEGER;
UPDATE delivery SET sender_told_at = stored_at;
CREATE INDEX delivery_untold ON delivery (stored_at) WHERE state IN ('stored', 'pushed') AND sender_told_at IS NULL;

ALTER TABLE agent ADD COLUMN job TEXT NOT NULL DEFAULT '';
