"""The stdio bridge: carries an agent CLI's MCP lines to the server, and pushes back. Knows no feature, no tool.

Standard library only, and little of it: it starts with every agent, and `typing` or `dataclasses` alone would cost as
much as the interpreter's own start.

    __main__      arguments                       command        compiles the bridge, and how a CLI starts it
    relay         lines of stdin, both eras       request        one request: era, headers, key, cancellation
    service       asks until there is an answer   exchange       asks once: what each kind of answer means
    session       the handshake era's session     endpoint       the server, under a token that may change
    cache         the last good menu              http           HTTP/1.1 over raw sockets
    journal       survives a kill                 stdin          written down before it is gone
    event_stream  pushes and list changes         notifications  what the bridge itself tells the CLI
    token_file    the token                       hook           posts one hook call of a CLI
"""

VERSION = "1"
