"""An agent of the tests that does not think: fetches what it is owed through the real bridge, and answers it.

`python answerer.py`: it finds the team by its environment, as any program of the kind `custom` does.
"""

import os
from pathlib import Path

from server.supervision.kinds.demo_agent import Refused, Team, read_messages


def main() -> None:
    """Answer until killed."""
    team = Team(Path(os.environ["BULLPEN_MCP_CONFIG"]))
    team.connect()
    while True:
        try:
            for message in read_messages(team.call("check_in", wait_s=20, limit=50)):
                team.call("send_message", channel=message.channel, content=f"Heard: {message.content}")
        except Refused:
            continue


if __name__ == "__main__":
    main()
