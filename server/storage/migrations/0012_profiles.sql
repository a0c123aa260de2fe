CREATE TABLE profile (
  member TEXT PRIMARY KEY REFERENCES member (name),
  description TEXT NOT NULL,
  skills TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;
