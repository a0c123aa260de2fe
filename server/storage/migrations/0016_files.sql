-- Bytes lie beside the database, by their hash: what is here says whose they are and who may have them.
CREATE TABLE folder (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  seq INTEGER NOT NULL,
  channel TEXT NOT NULL REFERENCES channel (id),
  parent INTEGER REFERENCES folder (id),
  depth INTEGER NOT NULL,
  name TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX folder_by_name ON folder (channel, coalesce(parent, 0), name);

CREATE TABLE file (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  channel TEXT REFERENCES channel (id),
  folder INTEGER REFERENCES folder (id),
  task INTEGER REFERENCES task (id),
  uploaded_by TEXT NOT NULL REFERENCES member (name),
  created_at INTEGER NOT NULL,
  deleted_at INTEGER
);
CREATE INDEX file_by_channel ON file (channel, id) WHERE deleted_at IS NULL;
CREATE INDEX file_by_task ON file (task, id) WHERE task IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX file_by_folder ON file (folder) WHERE folder IS NOT NULL;
CREATE INDEX file_by_hash ON file (sha256) WHERE deleted_at IS NULL;
CREATE INDEX file_by_uploader ON file (uploaded_by, size) WHERE deleted_at IS NULL;

CREATE TABLE message_file (
  file INTEGER NOT NULL REFERENCES file (id),
  message INTEGER NOT NULL REFERENCES message (id),
  PRIMARY KEY (file, message)
) WITHOUT ROWID;

-- What is shown with a message: [{id, name, size, media_type}].
ALTER TABLE message ADD COLUMN files TEXT NOT NULL DEFAULT '[]';
CREATE INDEX message_with_files ON message (id) WHERE files <> '[]';
