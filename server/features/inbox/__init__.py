"""The inbox: what a member has not read, what is owed to it, and how it says that it has.

`model` is what the inbox shows, `unread` builds it, `summary` shortens a busy channel, `changes` says what happened
beside the messages, `acknowledging` moves marks forward, `checking_in` reports, reads and waits in one call, `views`
tells who one is and which channels there are.
"""
