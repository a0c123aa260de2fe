"""Retention: how long what was said and done is kept, and the taking away of what is older.

`policy` says how long, `removal` takes messages away with all that hangs on them, `sweeping` trims the log and forgets
what has expired.
"""
