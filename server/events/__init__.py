"""What happened, in order: the log (append in the caller's transaction) and the feed (replay, then live)."""
