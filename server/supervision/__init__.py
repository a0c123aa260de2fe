"""Keeps agents as they are wanted, and sees to it that what is owed to them reaches their models.

`lifecycle` and `backoff` decide, `desk` acts for one agent, `supervisor` for all; `launch` furnishes a run; `courier`
delivers; `kinds` knows what differs between agent CLIs; `prompt_text` cleans what enters a prompt.
"""
