"""Words the whole server speaks: operations, calls, events, permissions, errors, names. Imports nothing of ours."""
