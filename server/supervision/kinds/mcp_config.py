"""How an agent CLI finds the team's tools and tells us of itself: commands that start our bridge and post hooks."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge.command import bridge_command, compile_bridge, hook_command
from server.supervision.kinds.files import make_folder, write_private_json
from server.supervision.kinds.kind import Run

SERVER_NAME = "team"
"""A CLI puts it before the name of every tool, in each call; so it is short."""


def write_mcp_config(run: Run) -> Path:
    """Write bridge/mcp.json and compile the bridge beside it; return the path of the file. It holds no secret."""
    server = {"type": "stdio", **bridge_server(run), "env": {}, "alwaysLoad": True}
    file = _folder(run) / "mcp.json"
    write_private_json(file, {"mcpServers": {SERVER_NAME: server}})
    return file


def bridge_server(run: Run) -> dict[str, Any]:
    """Compile the bridge and return `command` and `args` that start it over stdio. They hold no secret."""
    folder = _folder(run)
    command = bridge_command(
        python=sys.executable,
        compiled=compile_bridge(folder),
        url=run.server_url,
        token_file=run.token_file,
        agent=run.agent.name,
        run_id=run.run_id,
        state_folder=folder,
    )
    return dict(command)


def hook_words(run: Run) -> Sequence[str]:
    """Return the command that posts a hook call from its stdin, for CLIs whose hooks are commands."""
    return hook_command(
        python=sys.executable,
        compiled=compile_bridge(_folder(run)),
        url=run.server_url,
        token_file=run.token_file,
        agent=run.agent.name,
        run_id=run.run_id,
    )


def _folder(run: Run) -> Path:
    return make_folder(run.folder / "bridge")
