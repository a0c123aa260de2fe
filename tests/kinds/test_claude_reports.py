"""What Claude Code's hooks and records tell us."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from server.supervision.kinds.claude.adapter import Claude
from server.supervision.kinds.kind import Activity
from tests.kinds.conftest import MakeRun


@pytest.mark.parametrize(
    ("payload", "activity", "reason", "code"),
    [
        ({"hook_event_name": "UserPromptSubmit", "prompt": "x"}, "working", "reading a prompt", "prompt"),
        ({"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "ls"}}, "working",
         "Bash: ls", "tool"),
        ({"hook_event_name": "PreToolUse", "tool_name": "mcp__team__whoami", "tool_input": {}}, "working", "whoami",
         "tool"),
        ({"hook_event_name": "PostToolUse", "tool_name": "Read", "tool_input": {"file_path": "/x"}}, "working",
         "after Read: /x", "turn"),
        ({"hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": {"command": "rm x"}}, "needs_you",
         "permission: Bash: rm x", "permission"),
        ({"hook_event_name": "PermissionRequest", "tool_name": "AskUserQuestion",
          "tool_input": {"questions": [{"question": "Which?"}]}}, "needs_you", "asks: Which?", "question"),
        ({"hook_event_name": "Notification", "notification_type": "permission_prompt", "message": "M"}, "needs_you",
         "M", "permission"),
        ({"hook_event_name": "Notification", "notification_type": "idle_prompt"}, "idle", "waits for a prompt",
         "prompt"),
        ({"hook_event_name": "Stop"}, "idle", "turn finished", "turn"),
        ({"hook_event_name": "StopFailure", "error": "rate_limit", "last_assistant_message": "429"}, "limited",
         "the model service limits its rate: 429", "rate_limit"),
        ({"hook_event_name": "StopFailure", "error": "server_error"}, "limited",
         "the model service does not answer as it should", "server_error"),
        ({"hook_event_name": "StopFailure", "error": "authentication_failed"}, "needs_you",
         "it is not signed in: type /login in its terminal, or give it a key", "login"),
        ({"hook_event_name": "StopFailure", "error": "invalid_request", "last_assistant_message": "too long"}, "idle",
         "its turn failed: too long", "turn_failed"),
    ],
)  # fmt: skip
def test_a_hook_tells_what_the_agent_does(payload: dict[str, Any], activity: str, reason: str, code: str) -> None:
    assert Claude().read_hook(payload).activity == Activity(activity, reason, "hook", code)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"hook_event_name": 7},
        {"hook_event_name": "SessionEnd", "reason": "other"},
        {"hook_event_name": "SomethingNew", "prompt": "not a prompt"},
        {"hook_event_name": "Notification", "notification_type": "auth_success"},
    ],
)
def test_a_hook_that_tells_nothing_means_nothing(payload: dict[str, Any]) -> None:
    meaning = Claude().read_hook(payload)

    assert (meaning.activity, meaning.prompt, dict(meaning.answer)) == (None, None, {})


def test_a_submitted_prompt_is_handed_on_with_the_conversation_it_entered() -> None:
    meaning = Claude().read_hook({"hook_event_name": "UserPromptSubmit", "prompt": "[bp-abcd] hi", "session_id": "s"})

    assert (meaning.prompt, meaning.session_id) == ("[bp-abcd] hi", "s")


def test_odd_types_in_a_hook_are_survived() -> None:
    odds: tuple[object, ...] = (None, 1, [], {}, [{}], "x" * 10_000)
    for event in ("UserPromptSubmit", "PreToolUse", "PermissionRequest", "Notification", "StopFailure"):
        for odd in odds:
            meaning = Claude().read_hook(
                {"hook_event_name": event, "prompt": odd, "tool_name": odd, "tool_input": odd, "error": odd,
                 "session_id": odd, "message": odd, "notification_type": "permission_prompt"}
            )  # fmt: skip
            assert meaning.activity is not None
            assert len(meaning.activity.reason) < 300


def test_our_own_tools_are_consented_to_and_others_are_not() -> None:
    ours = Claude().read_hook({"hook_event_name": "PermissionRequest", "tool_name": "mcp__team__send_message"})
    other = Claude().read_hook({"hook_event_name": "PermissionRequest", "tool_name": "mcp__teamwork__send_message"})

    assert ours.answer["hookSpecificOutput"]["decision"] == {"behavior": "allow"}  # type: ignore[index]
    assert ours.activity is None
    assert other.answer == {}


def _record(configuration: Path, pid: int, **fields: Any) -> None:
    started = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    sessions = configuration / "sessions"
    sessions.mkdir(parents=True, exist_ok=True)
    (sessions / f"{pid}.json").write_text(json.dumps({"pid": pid, "procStart": started, **fields}))


@pytest.mark.parametrize(
    ("fields", "activity"),
    [
        ({"status": "idle"}, Activity("idle", "waits for a prompt", "session file", "prompt")),
        ({"status": "busy"}, Activity("working", "in a turn", "session file", "turn")),
        ({"status": "waiting", "waitingFor": "permission prompt"},
         Activity("needs_you", "waits: permission prompt", "session file", "permission")),
        ({"status": "new word"}, None),
        ({}, None),
        ({"status": "idle", "procStart": "1"}, None),
    ],
)  # fmt: skip
def test_the_session_record_of_a_living_process_is_believed(
    make_run: MakeRun, fields: dict[str, Any], activity: Activity | None
) -> None:
    run = make_run()
    _record(run.folder / "claude", os.getpid(), **fields)

    assert Claude().observe(run, os.getpid()) == activity


def test_without_a_record_nothing_is_known(make_run: MakeRun) -> None:
    assert Claude().observe(make_run(), os.getpid()) is None


def test_only_pushes_that_stand_in_the_conversation_are_remembered(make_run: MakeRun) -> None:
    run = make_run()
    transcript = run.folder / "claude/projects/-work" / f"{run.session_id}.jsonl"
    transcript.parent.mkdir(parents=True)
    lines = [
        {"type": "queue-operation", "content": "[bp-aaaa] queued, and lost with the process"},
        {"type": "user", "message": {"role": "user", "content": "Another session sent: [bp-bbbb] one"}},
        {"type": "attachment", "attachment": {"type": "queued_command", "prompt": "[bp-cccc] in the middle of a turn"}},
    ]
    torn = '{"type":"user","message":{"content":"[bp-dddd] half'
    transcript.write_text("\n".join([*map(json.dumps, lines), torn]))

    assert Claude().remembered(run, ["aaaa", "bbbb", "cccc", "dddd", "eeee"]) == {"bbbb", "cccc"}
