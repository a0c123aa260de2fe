-- Full text with content of its own: an edit or a deletion needs no word of what stood there before. A character of an
-- unspaced script is a word. Messages that were there before are indexed with the next batches.
DROP TABLE message_text;
CREATE VIRTUAL TABLE message_text USING fts5 (content, tokenize = "unicode61 remove_diacritics 2");
