"""How an agent CLI finds the team's tools: an MCP configuration that starts our bridge over stdio."""

import sys
from pathlib import Path

from bridge.command import bridge_command, compile_bridge
from server.supervision.kinds.files import make_folder, write_private_json
from server.supervision.kinds.kind import Run

SERVER_NAME = "team"
"""A CLI puts it before the name of every tool, in each call; so it is short."""


def write_mcp_config(run: Run) -> Path:
    """Write bridge/mcp.json and compile the bridge beside it; return the path of the file. It holds no secret."""
    folder = make_folder(run.folder / "bridge")
    command = bridge_command(
        python=sys.executable,
        compiled=compile_bridge(folder),
        url=run.server_url,
        token_file=run.token_file,
        agent=run.agent.name,
        run_id=run.run_id,
        state_folder=folder,
    )
    server = {"type": "stdio", **command, "env": {}, "alwaysLoad": True}
    file = folder / "mcp.json"
    write_private_json(file, {"mcpServers": {SERVER_NAME: server}})
    return file
