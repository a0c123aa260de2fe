"""Schedules: what happens by the clock, in the name of who made it.

`cron` reads and explains the five fields, `timing` says when, `model` is a schedule and its row, `calendar` creates and
lists, `firing` does what is due.
"""
