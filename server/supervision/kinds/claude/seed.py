"""The files that let Claude Code start to its prompt without a dialog, and that make it report to us."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.supervision.kinds.claude.hooks import REPORTED_EVENTS
from server.supervision.kinds.claude.usage import STATUS_COMMAND
from server.supervision.kinds.files import read_json, write_private_json
from server.supervision.kinds.mcp_config import SERVER_NAME

_SEEDED = "bullpen-permissions.json"
"""Which rules came from agents.yaml, so that they go when they are taken out there."""
_KEY_TAIL = 20
"""The CLI remembers an approved key by its last characters."""
_HOOK_TIMEOUT_S = 5
"""The CLI waits for a hook's answer; a server that is not there costs nothing, one that hangs costs this."""
_DECISION_TIMEOUT_S = 7 * 86_400
"""A permission's answer comes from a person. Held until its own time is over, which the server decides."""
_BUILT_IN_TEAM_TOOLS = ("ListAgents", "SendMessage")
"""Its own tools for talking to its other sessions: messages there would pass Bullpen by."""


def seed_state(configuration: Path, workdir: Path, api_key: str | None) -> None:
    """Say that onboarding is done, that the workdir is trusted, and that the key may be used. All else is the CLI's.

    Each unanswered question is a dialog whose default is to exit or to refuse.
    """
    file = configuration / ".claude.json"
    state = read_json(file)
    state["hasCompletedOnboarding"] = True
    project = _child(_child(state, "projects"), str(workdir))
    project["hasTrustDialogAccepted"] = True
    if api_key:
        tail = api_key[-_KEY_TAIL:]
        answers = _child(state, "customApiKeyResponses")
        answers["approved"] = [*(known for known in answers.get("approved", []) if known != tail), tail]
        answers["rejected"] = [known for known in answers.get("rejected", []) if known != tail]
    write_private_json(file, state)


def seed_settings(
    configuration: Path,
    hook_url: str,
    token: str,
    permission_mode: str,
    *,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
) -> None:
    """Write what Bullpen decides into settings.json; what the agent or a person set beside it stays.

    What agents.yaml allowed or denied and does not any more is taken out again.
    """
    file = configuration / "settings.json"
    settings = read_json(file)
    permissions = _child(settings, "permissions")
    before = read_json(configuration / _SEEDED)
    seeded = {"allow": [*allow], "deny": [*deny]}
    for name, ours in (("allow", (f"mcp__{SERVER_NAME}", *allow)), ("deny", (*_BUILT_IN_TEAM_TOOLS, *deny))):
        gone = [rule for rule in before.get(name, []) if rule not in ours]
        permissions[name] = [rule for rule in _list(permissions, name) if rule not in gone]
        _add(permissions, name, ours)
    write_private_json(configuration / _SEEDED, seeded)
    hook = {
        "type": "http",
        "url": hook_url,
        "headers": {"Authorization": f"Bearer {token}"},
        "timeout": _HOOK_TIMEOUT_S,
    }
    # A person's own status line stays: then what the agent costs is not known.
    settings.setdefault("statusLine", {"type": "command", "command": STATUS_COMMAND})
    settings |= {
        "hooks": {
            event: [{"hooks": [{**hook, "timeout": _DECISION_TIMEOUT_S} if event == "PermissionRequest" else hook]}]
            for event in REPORTED_EVENTS
        },
        # Pushes come from our server, which knows each sender; without this they wait for a person in some modes.
        "crossSessionInbound": "accept",
        # Else the renderer depends on how the last run ended.
        "tui": "default",
        "skipDangerousModePermissionPrompt": permission_mode == "bypassPermissions",
    }
    write_private_json(file, settings)


def _child(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key; what is there and is no object is replaced."""
    child = parent.get(key)
    if not isinstance(child, dict):
        child = parent[key] = {}
    return child


def _list(parent: dict[str, Any], key: str) -> list[Any]:
    there = parent.get(key)
    return there if isinstance(there, list) else []


def _add(parent: dict[str, Any], key: str, items: tuple[str, ...]) -> None:
    known = _list(parent, key)
    parent[key] = [*known, *(item for item in items if item not in known)]
