"""What Claude Code's hooks tell. It posts one JSON object per event and goes on when it is answered."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from server.supervision.kinds.kind import Activity, HookMeaning
from server.supervision.kinds.mcp_config import SERVER_NAME
from server.supervision.prompt_text import clean_text

REPORTED_EVENTS = (
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PermissionRequest",
    "Notification",
    "Stop",
    "StopFailure",
    "PreCompact",
    "SessionEnd",
)
"""SessionStart is missing: the CLI does not send it over HTTP. That it started is known by its records."""

_LIMITED = {
    "rate_limit": "the model service limits its rate",
    "overloaded": "the model service is overloaded",
    "server_error": "the model service does not answer as it should",
}
_NEEDS_SOMEONE = {
    "authentication_failed": "it is not signed in: type /login in its terminal, or give it a key",
    "billing_error": "its account has no credit left",
    "oauth_org_not_allowed": "its account may not be used by this organisation",
    "account_on_hold": "its account is on hold",
    "verification_required": "its account wants a verification",
    "model_not_found": "its model does not exist: correct model in agents.yaml",
}
_EDITING = {"Edit": "file_path", "MultiEdit": "file_path", "Write": "file_path", "NotebookEdit": "notebook_path"}
"""Tools that change a file, and the argument that names it."""
_TAKING_CONTEXT = ("UserPromptSubmit", "PostToolUse")
"""Hooks whose answer may put a text before the model: as the turn begins, and with the result of a tool."""
_LONGEST_DETAIL = 120
_OWN_TOOLS = f"mcp__{SERVER_NAME}__"
_CONSENT = {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}}


def meaning_of(payload: Mapping[str, object]) -> HookMeaning:
    """Interpret one hook call; an unknown one means nothing.

    Our own tools need no one's permission here: in plan mode the CLI asks although its settings allow them, and the
    server decides each call itself.
    """
    if payload.get("hook_event_name") == "PermissionRequest" and str(payload.get("tool_name")).startswith(_OWN_TOOLS):
        return HookMeaning(session_id=_session(payload), answer=_CONSENT)
    activity = _activity(payload)
    event = str(payload.get("hook_event_name"))
    prompt = payload.get("prompt") if event == "UserPromptSubmit" else None
    return HookMeaning(
        activity=Activity(*activity, source="hook") if activity else None,
        prompt=prompt if isinstance(prompt, str) else None,
        edited=_edited(payload),
        session_id=_session(payload),
        context=partial(context_of, event) if event in _TAKING_CONTEXT else None,
        begins_turn=event == "UserPromptSubmit",
    )


def context_of(event: str, text: str) -> Mapping[str, object]:
    """Return the answer to a hook that puts a text before the model, with the result of the tool or the prompt."""
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}


def _session(payload: Mapping[str, object]) -> str | None:
    session = payload.get("session_id")
    return session if isinstance(session, str) else None


def _edited(payload: Mapping[str, object]) -> str | None:
    given = payload.get("tool_input")
    if payload.get("hook_event_name") != "PostToolUse" or not isinstance(given, Mapping):
        return None
    path = given.get(_EDITING.get(str(payload.get("tool_name")), ""))
    return path if isinstance(path, str) and path else None


def _activity(payload: Mapping[str, object]) -> tuple[str, str] | None:
    match payload.get("hook_event_name"):
        case "UserPromptSubmit":
            return "working", "reading a prompt"
        case "PreToolUse":
            return "working", _tool(payload)
        case "PostToolUse" | "PostToolUseFailure":
            return "working", f"after {_tool(payload)}"
        case "PreCompact":
            return "working", "compacting its conversation"
        case "PermissionRequest" if payload.get("tool_name") == "AskUserQuestion":
            return "needs_you", f"asks: {_question(payload)}"
        case "PermissionRequest":
            return "needs_you", f"permission: {_tool(payload)}"
        case "Notification" if payload.get("notification_type") == "permission_prompt":
            return "needs_you", _short(payload.get("message")) or "permission"
        case "Notification" if payload.get("notification_type") == "idle_prompt":
            return "idle", "waits for a prompt"
        case "Stop":
            return "idle", "turn finished"
        case "StopFailure":
            return _failure(_short(payload.get("error")), _short(payload.get("last_assistant_message")))
        case _:
            return None


def _failure(error: str, detail: str) -> tuple[str, str]:
    if error in _NEEDS_SOMEONE:
        return "needs_you", _NEEDS_SOMEONE[error]
    if error in _LIMITED:
        return "limited", f"{_LIMITED[error]}: {detail}" if detail else _LIMITED[error]
    return "idle", f"its turn failed: {detail or error or 'no reason given'}"


def _tool(payload: Mapping[str, object]) -> str:
    """Name the tool with the argument that says most."""
    name = _short(payload.get("tool_name")).removeprefix(_OWN_TOOLS)
    arguments: Any = payload.get("tool_input")
    if not isinstance(arguments, dict):
        return name
    for key in ("command", "file_path", "pattern", "url", "query", "channel", "description"):
        if isinstance(arguments.get(key), str):
            return f"{name}: {_short(arguments[key])}"
    return name


def _question(payload: Mapping[str, object]) -> str:
    arguments: Any = payload.get("tool_input")
    try:
        return _short(arguments["questions"][0]["question"])
    except (KeyError, IndexError, TypeError):
        return "a question"


def _short(value: object) -> str:
    text = " ".join(clean_text(value[: 10 * _LONGEST_DETAIL]).split()) if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"
