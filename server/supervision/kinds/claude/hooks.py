"""What Claude Code's hooks tell. It posts one JSON object per event and goes on when it is answered."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from server.supervision.kinds.claude.permissions import QUESTION_TOOL, asked_by
from server.supervision.kinds.kind import Activity, HookMeaning, ToolEnd
from server.supervision.kinds.mcp_config import SERVER_NAME
from server.supervision.kinds.telling import short, tool_in_words

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
    "SubagentStart",
    "SubagentStop",
    "SessionEnd",
)
"""SessionStart is missing: the CLI does not send it over HTTP. That it started is known by its records."""

_LIMITED = {
    "rate_limit": "the model service limits its rate",
    "overloaded": "the model service is overloaded",
    "server_error": "the model service does not answer as it should",
}
_NEEDS_SOMEONE = {
    "authentication_failed": ("login", "it is not signed in: type /login in its terminal, or give it a key"),
    "billing_error": ("billing", "its account has no credit left"),
    "oauth_org_not_allowed": ("account", "its account may not be used by this organisation"),
    "account_on_hold": ("account", "its account is on hold"),
    "verification_required": ("account", "its account wants a verification"),
    "model_not_found": ("model", "its model does not exist: correct model in agents.yaml"),
}
_CHILDREN = {"SubagentStart": 1, "SubagentStop": -1}
_EDITING = {"Edit": "file_path", "MultiEdit": "file_path", "Write": "file_path", "NotebookEdit": "notebook_path"}
"""Tools that change a file, and the argument that names it."""
_TAKING_CONTEXT = ("UserPromptSubmit", "PostToolUse")
"""Hooks whose answer may put a text before the model: as the turn begins, and with the result of a tool."""
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
        activity=Activity(activity[0], activity[1], "hook", activity[2]) if activity else None,
        prompt=prompt if isinstance(prompt, str) else None,
        edited=_edited(payload),
        session_id=_session(payload),
        context=partial(context_of, event) if event in _TAKING_CONTEXT else None,
        begins_turn=event == "UserPromptSubmit",
        asked=asked_by(payload) if event == "PermissionRequest" else None,
        ended=_ended(payload),
        children=_CHILDREN.get(event, 0),
    )


def context_of(event: str, text: str) -> Mapping[str, object]:
    """Return the answer to a hook that puts a text before the model, with the result of the tool or the prompt."""
    return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}


def _ended(payload: Mapping[str, object]) -> ToolEnd | None:
    match payload.get("hook_event_name"):
        case "PostToolUse" | "PostToolUseFailure":
            given = payload.get("tool_input")
            return ToolEnd(str(payload.get("tool_name")), given if isinstance(given, Mapping) else {})
        case "Stop" | "StopFailure" | "SessionEnd":
            return ToolEnd()
    return None


def _session(payload: Mapping[str, object]) -> str | None:
    session = payload.get("session_id")
    return session if isinstance(session, str) else None


def _edited(payload: Mapping[str, object]) -> str | None:
    given = payload.get("tool_input")
    if payload.get("hook_event_name") != "PostToolUse" or not isinstance(given, Mapping):
        return None
    path = given.get(_EDITING.get(str(payload.get("tool_name")), ""))
    return path if isinstance(path, str) and path else None


def _activity(payload: Mapping[str, object]) -> tuple[str, str, str] | None:
    match payload.get("hook_event_name"):
        case "UserPromptSubmit":
            return "working", "reading a prompt", "prompt"
        case "PreToolUse":
            return "working", tool_in_words(payload, _OWN_TOOLS), "tool"
        case "PostToolUse" | "PostToolUseFailure":
            return "working", f"after {tool_in_words(payload, _OWN_TOOLS)}", "turn"
        case "SubagentStart" | "SubagentStop":
            return "working", f"with a sub-agent {short(payload.get('agent_type'))}".strip(), "turn"
        case "PreCompact":
            return "working", "compacting its conversation", "compaction"
        case "PermissionRequest" if payload.get("tool_name") == QUESTION_TOOL:
            return "needs_you", f"asks: {_question(payload)}", "question"
        case "PermissionRequest":
            code = "plan" if payload.get("tool_name") == "ExitPlanMode" else "permission"
            return "needs_you", f"permission: {tool_in_words(payload, _OWN_TOOLS)}", code
        case "Notification" if payload.get("notification_type") == "permission_prompt":
            return "needs_you", short(payload.get("message")) or "permission", "permission"
        case "Notification" if payload.get("notification_type") == "idle_prompt":
            return "idle", "waits for a prompt", "prompt"
        case "Stop":
            return "idle", "turn finished", "turn"
        case "StopFailure":
            return _failure(short(payload.get("error")), short(payload.get("last_assistant_message")))
        case _:
            return None


def _failure(error: str, detail: str) -> tuple[str, str, str]:
    if error in _NEEDS_SOMEONE:
        code, reason = _NEEDS_SOMEONE[error]
        return "needs_you", reason, code
    if error in _LIMITED:
        return "limited", f"{_LIMITED[error]}: {detail}" if detail else _LIMITED[error], error
    return "idle", f"its turn failed: {detail or error or 'no reason given'}", "turn_failed"


def _question(payload: Mapping[str, object]) -> str:
    arguments: Any = payload.get("tool_input")
    try:
        return short(arguments["questions"][0]["question"])
    except (KeyError, IndexError, TypeError):
        return "a question"
