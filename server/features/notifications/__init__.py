"""Notifications: what is told to the outside. Sending itself is `server/outside`.

`model` is a notification and its row, `targets` who may be told, `quiet` when nothing is sent. `facts` reads one event
of the log as something worth telling, `following` turns the log into notifications, `queue` lists, retries and tests,
`sending` hands out what is due and notes what became of it, `digests` puts together what happened, `chat` takes in what
people write by a chat bridge.
"""
