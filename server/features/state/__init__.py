"""Shared state: what the team holds to be so, by project and field, with every value it ever had.

`model` is a field and its row, `changes` writes it and tells whom it concerns, `store` decides who may, `past` reads
what was of one project, `trail` of all, `routing` says beforehand which way a change would go, `gaps` tells each member
what they have not seen. Memory is this store too: a field that is everybody's, where the last writer wins and
`expected_version` compares and sets.
"""
