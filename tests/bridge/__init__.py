"""The bridge as a program of its own, between a scripted CLI (cli.py) and a scripted server (scripted_server.py)."""
