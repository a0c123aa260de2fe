"""The `bullpen` command: one file a noun, each a client of the HTTP API like any other; only `up` runs the office.

`main` is the entry, `options` and `connection` find the server, `client` talks to it, `output` prints, `failure` ends.
"""

from server.cli.main import main as main
