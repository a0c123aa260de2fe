"""Tasks: what is to be done, by whom, and who holds it now.

`model` is a task and its row, `changes` stores a change with its history, `relations` says by what a task is found and
what it waits for, `board` creates and deletes, `reading` lists and shows, `claims` gives a task to exactly one and
takes it back from the silent, `reminders` says what is due, late or silent, `checkins` when a report is asked for.
"""
