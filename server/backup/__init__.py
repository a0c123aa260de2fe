"""Backups: one file each, made while the server runs, checked before it is trusted, restored whole or not at all.

`archive` is the file and its manifest, `making` takes a consistent copy, `checking` proves it, `restoring` puts it in
the place of what is there, `keeper` makes them one at a time and by the clock. Knows rows and the log, and no feature.
"""
