"""Pseudo-terminals: knows bytes and processes, not agents or teams.

`holder` is a program of its own that holds one agent; `launch` starts it, `attachment` is the server's end of it,
`adoption` tells what is left of a run. `spool` and `record` read what it left on disk; `identity` and `orphans` deal
with processes, `screen` and `plain_text` turn bytes into text.
"""
