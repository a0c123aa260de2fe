"""What Codex's hooks tell. It runs a command for each, with one JSON object on its stdin."""

from collections.abc import Mapping

from server.supervision.kinds.kind import Activity, HookMeaning
from server.supervision.kinds.mcp_config import SERVER_NAME
from server.supervision.kinds.telling import tool_in_words

REPORTED_EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PermissionRequest",
    "PreCompact",
    "Stop",
)
OWN_TOOLS = f"mcp__{SERVER_NAME}__"
_CONSENT = {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}}


def meaning_of(payload: Mapping[str, object]) -> HookMeaning:
    """Interpret one hook call; an unknown one means nothing. Our own tools need no one's permission here."""
    event, session = payload.get("hook_event_name"), payload.get("session_id")
    session_id = session if isinstance(session, str) else None
    if event == "PermissionRequest" and str(payload.get("tool_name")).startswith(OWN_TOOLS):
        return HookMeaning(session_id=session_id, answer=_CONSENT)
    prompt = payload.get("prompt") if event == "UserPromptSubmit" else None
    return HookMeaning(
        activity=_activity(payload), prompt=prompt if isinstance(prompt, str) else None, session_id=session_id
    )


def _activity(payload: Mapping[str, object]) -> Activity | None:
    match payload.get("hook_event_name"):
        case "UserPromptSubmit":
            return Activity("working", "reading a prompt", "hook", "prompt")
        case "PreToolUse":
            return Activity("working", tool_in_words(payload, OWN_TOOLS), "hook", "tool")
        case "PostToolUse":
            return Activity("working", f"after {tool_in_words(payload, OWN_TOOLS)}", "hook", "turn")
        case "PreCompact":
            return Activity("working", "compacting its conversation", "hook", "compaction")
        case "PermissionRequest":
            return Activity("needs_you", f"permission: {tool_in_words(payload, OWN_TOOLS)}", "hook", "permission")
        case "Stop":
            return Activity("idle", "turn finished", "hook", "turn")
        case _:
            return None
