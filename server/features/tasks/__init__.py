"""Tasks: what is to be done, by whom, and who holds it now.

`model` is a task and its row, `changes` stores a change with its history, `board` creates, lists and edits, `claims`
gives a task to exactly one and takes it back from the silent.
"""
