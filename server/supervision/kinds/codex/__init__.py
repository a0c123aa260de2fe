"""Codex, as measured with 0.169.0; what is built on here is written down in docs/agent-clis.md.

`adapter` is the kind, `seed` the files it starts from, `account` its credentials, `hooks` what it tells us while it
works, `records` what it writes down by itself.
"""
