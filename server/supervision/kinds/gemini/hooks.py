"""What Gemini CLI's hooks tell. It runs a command for each, with one JSON object on its stdin."""

from collections.abc import Mapping

from server.supervision.kinds.kind import Activity, HookMeaning
from server.supervision.kinds.mcp_config import SERVER_NAME
from server.supervision.kinds.telling import short, tool_in_words

REPORTED_EVENTS = ("SessionStart", "BeforeAgent", "BeforeTool", "AfterTool", "Notification", "AfterAgent")
OWN_TOOLS = f"mcp_{SERVER_NAME}_"
_EDITING = ("replace", "write_file")


def meaning_of(payload: Mapping[str, object]) -> HookMeaning:
    """Interpret one hook call; an unknown one means nothing."""
    session = payload.get("session_id")
    prompt = payload.get("prompt") if payload.get("hook_event_name") == "BeforeAgent" else None
    return HookMeaning(
        activity=_activity(payload),
        prompt=prompt if isinstance(prompt, str) else None,
        edited=_edited(payload),
        session_id=session if isinstance(session, str) else None,
    )


def _activity(payload: Mapping[str, object]) -> Activity | None:
    match payload.get("hook_event_name"):
        case "BeforeAgent":
            return Activity("working", "reading a prompt", "hook", "prompt")
        case "BeforeTool":
            return Activity("working", tool_in_words(payload, OWN_TOOLS), "hook", "tool")
        case "AfterTool":
            return Activity("working", f"after {tool_in_words(payload, OWN_TOOLS)}", "hook", "turn")
        case "Notification" if payload.get("notification_type") == "ToolPermission":
            return Activity("needs_you", f"permission: {_asked(payload)}", "hook", "permission")
        case "AfterAgent":
            return Activity("idle", "turn finished", "hook", "turn")
        case _:
            return None


def _asked(payload: Mapping[str, object]) -> str:
    details = payload.get("details")
    command = details.get("command") if isinstance(details, Mapping) else None
    return short(command) or short(payload.get("message"))


def _edited(payload: Mapping[str, object]) -> str | None:
    given = payload.get("tool_input")
    if payload.get("hook_event_name") != "AfterTool" or payload.get("tool_name") not in _EDITING:
        return None
    path = given.get("file_path") if isinstance(given, Mapping) else None
    return path if isinstance(path, str) and path else None
