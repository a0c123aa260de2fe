-- Whom messages name: what one is mentioned in is counted without a look at the messages.
CREATE TABLE mention (
  member TEXT NOT NULL,
  channel TEXT NOT NULL,
  message_id INTEGER NOT NULL,  -- without a check that costs each mention a look: it is written with its message
  PRIMARY KEY (member, channel, message_id)
) WITHOUT ROWID;
INSERT INTO mention (member, channel, message_id)
  SELECT named.value, message.channel, message.id FROM message, json_each(message.mentions) AS named WHERE true
  ON CONFLICT DO NOTHING;

-- Unread messages are counted in the index alone.
DROP INDEX message_by_channel;
CREATE INDEX message_by_channel ON message (channel, id, sender, deleted_at);

-- Everything unread up to here was shown to the member, whole.
ALTER TABLE read_mark ADD COLUMN shown_up_to INTEGER NOT NULL DEFAULT 0;

-- How far each member was shown, and has acknowledged, what happened beside the messages: seqs of the log.
CREATE TABLE change_mark (
  member TEXT PRIMARY KEY REFERENCES member (name),
  shown_up_to INTEGER NOT NULL,
  acknowledged_up_to INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO change_mark (member, shown_up_to, acknowledged_up_to)
  SELECT name, (SELECT coalesce(max(seq), 0) FROM event), (SELECT coalesce(max(seq), 0) FROM event) FROM member;
CREATE INDEX event_of_change ON event (seq)
  WHERE kind IN ('approval.changed', 'state.changed', 'task.changed', 'task.created');
