"""The files that let Gemini CLI start to its prompt without a dialog, and that make it report to us."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.supervision.kinds.files import make_inner_folder, merged, read_json, write_private, write_private_json
from server.supervision.kinds.gemini.hooks import REPORTED_EVENTS
from server.supervision.kinds.mcp_config import SERVER_NAME

_HOOK_TIMEOUT_MS = 5000
_QUIET: Mapping[str, Any] = {
    "general": {
        "enableAutoUpdate": False,
        "enableAutoUpdateNotification": False,
        # It would forget conversations of a month ago by itself.
        "sessionRetention": {"enabled": False},
    },
    "ui": {"hideTips": True, "hideBanner": True, "useAlternateBuffer": False},
    "ide": {"enabled": False},
    "privacy": {"usageStatisticsEnabled": False},
}
_POLICY = f"""# Written by Bullpen: the team's own tools need no one's permission here; the server decides each call.
[[rule]]
mcpName = "{SERVER_NAME}"
toolName = "*"
decision = "allow"
priority = 999
modes = ["default", "autoEdit", "yolo", "plan"]
"""


def seed(configuration: Path, *, auth_type: str, server: Mapping[str, Any], hook: Sequence[str]) -> None:
    """Write settings.json and our policy. What the agent or a person set beside our settings stays."""
    file = configuration / "settings.json"
    handler = {"type": "command", "name": "bullpen", "command": shlex.join(hook), "timeout": _HOOK_TIMEOUT_MS}
    ours = {
        "security": {"auth": {"selectedType": auth_type}, "folderTrust": {"enabled": False}},
        "mcpServers": {SERVER_NAME: {**server, "trust": True}},
        "hooks": {event: [{"hooks": [handler]}] for event in REPORTED_EVENTS},
    }
    write_private_json(file, merged(merged(read_json(file), _QUIET), ours))
    policies = make_inner_folder(configuration / "policies")
    write_private(policies / "bullpen.toml", _POLICY)
