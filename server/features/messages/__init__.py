"""Messages: what members say in channels, and to whom each is owed.

`model` is a message and its row, `addressing` says whom it names and to whom it is owed, `sending` stores and tells,
`preview` tells what sending would do, `editing` changes and deletes, `reactions` and `pins` mark, `history` reads,
`unseen` tells senders what nobody saw, `text_index` keeps what full-text search looks in, `search_terms` reads what is
searched for, `search` finds it, and `excerpt` shows why.
"""
