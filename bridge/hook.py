"""Posts one hook call of an agent CLI, which comes on stdin, to the server, and prints the server's answer.

For CLIs whose hooks are commands. It never fails: a server that is away must not hold its agents up.
"""

from __future__ import annotations

import os
import sys

from bridge.endpoint import Endpoint, Refused
from bridge.http import Address, Cut, Limit, NothingSent
from bridge.token_file import TokenFile

PATIENCE_S = 4.0
_LONGEST_ANSWER = 64 * 1024


def main(arguments: list[str]) -> None:
    """Post stdin as the hook call of an agent: URL TOKEN_FILE AGENT RUN_ID."""
    url, token_file, agent, run_id = arguments
    call = sys.stdin.buffer.read()
    endpoint = Endpoint(Address(url), TokenFile(token_file), run_id)
    try:
        response = endpoint.send("POST", f"/api/agents/{agent}/hooks", {}, call, Limit(PATIENCE_S, PATIENCE_S))
        answer = response.body()
    except (NothingSent, Cut, Refused):
        return
    if response.status == 200 and len(answer) <= _LONGEST_ANSWER:
        os.write(1, answer)
