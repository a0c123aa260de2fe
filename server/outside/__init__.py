"""Telling the outside: what is due is sent, each target by itself. Beside supervision; acts by operations alone.

`address` is the guard before every connection, `http` one bounded request, `envelope` the words. `webhook`, `ntfy` and
`smtp` each send to one type of target; `chat_bridge` is what a chat service is to us, `wechat` the first of them,
`chat_desk` signs in, polls and sends, `credentials` is its file. `follower` has the log turned into notifications,
`sender` is one lane a target.
"""
