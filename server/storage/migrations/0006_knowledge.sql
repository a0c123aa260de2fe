-- What somebody found out, by the hash of its text: the same said twice is one finding with two contributors.
CREATE TABLE finding (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  hash TEXT NOT NULL UNIQUE,
  seq INTEGER NOT NULL,
  content TEXT NOT NULL,
  tags TEXT NOT NULL,
  source TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  retracted_at INTEGER,
  retracted_by TEXT,
  retracted_why TEXT NOT NULL DEFAULT ''
);
CREATE INDEX finding_by_seq ON finding (seq) WHERE retracted_at IS NULL;

CREATE TABLE finding_contributor (
  finding INTEGER NOT NULL REFERENCES finding (id),
  member TEXT NOT NULL REFERENCES member (name),
  at INTEGER NOT NULL,
  PRIMARY KEY (finding, member)
) WITHOUT ROWID;

CREATE VIRTUAL TABLE finding_text USING fts5 (content, tags, tokenize = "unicode61 remove_diacritics 2", prefix = '2 3');
