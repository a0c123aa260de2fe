"""An agent of the tests: reads what it is owed by real tools through the real bridge, and prints without end.

Each message it is given becomes one line, so that its terminal tells what reached it, how often, in which order.
What it writes to its terminal it also writes to a file, so that the two can be compared byte by byte.
"""

import os
import sys
import threading
import time
from pathlib import Path

from server.supervision.kinds.demo_agent import Refused, Team, read_messages

LINES_A_SECOND = 200


def main() -> None:
    """Read and print until killed."""
    record = Path(sys.argv[1]).open("ab", buffering=0)  # noqa: SIM115 (as long as the process lives)
    writing = threading.Lock()

    def say(text: str) -> None:
        line = f"{text}\n".encode()
        with writing:
            record.write(line)
            os.write(1, line)

    def count() -> None:
        number = 0
        while True:
            say(f"line {number}")
            number += 1
            time.sleep(1 / LINES_A_SECOND)

    threading.Thread(target=count, daemon=True).start()
    team = Team(Path(os.environ["BULLPEN_MCP_CONFIG"]))
    team.connect()
    say("CONNECTED")
    while True:
        try:
            for message in read_messages(team.call("check_in", wait_s=20, limit=50)):
                say(f"READ {message.id} {message.content}")
        except Refused as refusal:
            say(f"REFUSED {refusal}")


if __name__ == "__main__":
    main()
