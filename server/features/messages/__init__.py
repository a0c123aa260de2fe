"""Messages: what members say in channels, and to whom each is owed.

`model` is a message and its row, `addressing` says whom it names and to whom it is owed, `sending` stores and tells,
`history` reads, `text_index` keeps what full-text search looks in.
"""
