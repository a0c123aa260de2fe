"""The files that let Codex start to its prompt without a dialog, and that make it report to us."""

import hashlib
import json
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from server.supervision.kinds.codex.hooks import REPORTED_EVENTS
from server.supervision.kinds.files import merged, write_private, write_private_json
from server.supervision.kinds.mcp_config import SERVER_NAME
from server.supervision.kinds.toml_text import toml_text

_HOOK_TIMEOUT_S = 5
"""Codex waits for a hook; a server that is not there costs nothing, one that hangs costs this."""
PERMISSION_MODES: Mapping[str, tuple[str, str]] = {
    "ask": ("on-request", "read-only"),
    "plan": ("never", "read-only"),
    "accept_edits": ("on-request", "workspace-write"),
    "auto": ("never", "danger-full-access"),
}
"""approval_policy and sandbox_mode of each mode."""
_QUIET: Mapping[str, Any] = {
    "check_for_update_on_startup": False,
    # What is typed at once is no paste in which an Enter is a line.
    "disable_paste_burst": True,
    "analytics": {"enabled": False},
    "feedback": {"enabled": False},
    # Else it waits for a network without end, and is only seen to work.
    "features": {"unbounded_connection_retries": False},
    "tui": {"show_tooltips": False},
}


def seed(
    configuration: Path,
    workdir: Path,
    *,
    settings: Mapping[str, Any],
    server: Mapping[str, Any],
    hook: Sequence[str],
    permission_mode: str,
) -> None:
    """Write config.toml and hooks.json. What the agent or a person set beside our settings stays."""
    approval, sandbox = PERMISSION_MODES[permission_mode]
    hooks = configuration / "hooks.json"
    command = shlex.join(hook)
    handler = {"type": "command", "command": command, "timeout": _HOOK_TIMEOUT_S}
    write_private_json(hooks, {"hooks": {event: [{"hooks": [handler]}] for event in REPORTED_EVENTS}})
    file = configuration / "config.toml"
    ours = {
        "approval_policy": approval,
        "sandbox_mode": sandbox,
        **settings,
        "mcp_servers": {SERVER_NAME: {**server, "default_tools_approval_mode": "approve"}},
        "projects": {str(workdir): {"trust_level": "trusted"}},
        "hooks": {"state": {_key(hooks, event): {"trusted_hash": _hash(event, command)} for event in REPORTED_EVENTS}},
    }
    write_private(file, toml_text(merged(merged(_read(file), _QUIET), ours)))


def _key(file: Path, event: str) -> str:
    return f"{file}:{_snake(event)}:0:0"


def _hash(event: str, command: str) -> str:
    """Return the hash under which Codex takes a hook for reviewed; one that is wrong is shown as a question."""
    handler = {"type": "command", "command": command, "timeout": _HOOK_TIMEOUT_S, "async": False}
    identity = {"event_name": _snake(event), "hooks": [handler]}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _snake(event: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event).lstrip("_")


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
