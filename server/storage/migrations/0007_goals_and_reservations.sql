CREATE TABLE goal (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  weight INTEGER NOT NULL CHECK (weight >= 1),
  status TEXT NOT NULL CHECK (status IN ('open', 'done', 'dropped')),
  creator TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE TABLE goal_task (
  goal INTEGER NOT NULL REFERENCES goal (id),
  task INTEGER NOT NULL REFERENCES task (id),
  PRIMARY KEY (goal, task)
) WITHOUT ROWID;
CREATE INDEX goal_by_task ON goal_task (task);

-- Who is working on which paths. A path is relative to the project, and may hold * ? and **.
CREATE TABLE reservation (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  member TEXT NOT NULL REFERENCES member (name),
  path TEXT NOT NULL,
  is_exclusive INTEGER NOT NULL,
  reason TEXT NOT NULL,
  task INTEGER REFERENCES task (id),
  run_id TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  released_at INTEGER
);
CREATE UNIQUE INDEX reservation_held ON reservation (member, path) WHERE released_at IS NULL;
CREATE INDEX reservation_expiry ON reservation (expires_at) WHERE released_at IS NULL;

-- The last time that each member was seen to edit a file, as its CLI reports it.
CREATE TABLE file_edit (
  path TEXT NOT NULL,
  member TEXT NOT NULL REFERENCES member (name),
  at INTEGER NOT NULL,
  told_at INTEGER,
  PRIMARY KEY (path, member)
) WITHOUT ROWID;
