"""One valid request for every command that has a route: what the tests over the whole registry send.

A command without an example fails them, so that a new one is covered from its first day.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema

from server.config import AgentConfig, Notifications, NotificationTarget, SecretReference
from server.core.operation import Operation, Registry
from server.features.catalogue import FEATURES
from tests.conftest import Door, OfficeUnderTest, open_office, until

REGISTRY = Registry(FEATURES)
NEED_A_TERMINAL = {"send_keys_to_agent"}
COMMANDS = [operation for operation in REGISTRY if operation.changes and operation.path is not None]


@dataclass
class Scene:
    """An office in which something has happened already."""

    office: OfficeUnderTest
    ada: Door
    bo: Door
    ids: dict[str, Any]


Request = tuple[str, Any]
"""Path and body."""

EXAMPLES: dict[str, Callable[[Scene], Request]] = {
    "create_channel": lambda scene: ("/api/channels", {"id": "topic:new", "type": "topic", "members": ["ada"]}),
    "add_channel_member": lambda scene: ("/api/channels/topic:plan/members", {"agent_name": "bo"}),
    "set_retention": lambda scene: ("/api/channels/general/retention", {"keep": "30d"}),
    "remove_channel_member": lambda scene: ("/api/channels/topic:plan/members/ada", None),
    "update_channel": lambda scene: ("/api/channels/topic:plan", {"name": "The plan", "description": "What and when"}),
    "archive_channel": lambda scene: ("/api/channels/topic:plan/archive", {}),
    "unarchive_channel": lambda scene: ("/api/channels/old/unarchive", {}),
    "join_channel": lambda scene: ("/api/channels/side/join", {}),
    "leave_channel": lambda scene: ("/api/channels/general/leave", {}),
    "set_channel_level": lambda scene: ("/api/channels/general/level", {"level": "mentions"}),
    "edit_message": lambda scene: (f"/api/messages/{scene.ids['own message']}", {"content": "@ada, or better @bo"}),
    "delete_message": lambda scene: (f"/api/messages/{scene.ids['message']}", None),
    "add_reaction": lambda scene: (f"/api/messages/{scene.ids['message']}/reactions", {"emoji": "🎉"}),
    "remove_reaction": lambda scene: (f"/api/messages/{scene.ids['own message']}/reactions/%F0%9F%91%8D", None),
    "pin_message": lambda scene: (f"/api/messages/{scene.ids['message']}/pin", {}),
    "unpin_message": lambda scene: (f"/api/messages/{scene.ids['own message']}/pin", None),
    "register": lambda scene: ("/api/register", {"name": "newcomer"}),
    "retire_member": lambda scene: ("/api/members/old", None),
    "create_token": lambda scene: ("/api/tokens", {"name": "ci", "kind": "bot"}),
    "revoke_token": lambda scene: (f"/api/tokens/{scene.ids['token']}", None),
    "rotate_token": lambda scene: (f"/api/tokens/{scene.ids['token']}/rotate", {}),
    "create_sign_in_link": lambda scene: ("/api/sign-in-links", {"name": "chairman"}),
    "end_session": lambda scene: ("/api/session", None),
    "start_agent": lambda scene: ("/api/agents/worker/start", {"reason": "test"}),
    "stop_agent": lambda scene: ("/api/agents/worker/stop", {}),
    "restart_agent": lambda scene: ("/api/agents/worker/restart", {}),
    "pause_agent": lambda scene: ("/api/agents/worker/pause", {"reason": "lunch"}),
    "resume_agent": lambda scene: ("/api/agents/resting/resume", {}),
    "report_usage": lambda scene: ("/api/usage", {"model": "m", "input_tokens": 10, "output_tokens": 5}),
    "set_budget": lambda scene: ("/api/budgets", {"agent": "worker", "per_day": "10usd"}),
    "send_keys_to_agent": lambda scene: ("/api/agents/typist/sendkeys", {"keys": '"hello" Enter'}),
    "send_message": lambda scene: ("/api/send", {"channel": "general", "content": "@ada and @bo, hello"}),
    "add_file": lambda scene: (
        "/api/files",
        {"name": "notes.txt", "content": "aGVsbG8=", "channel": "general"},
    ),
    "move_file": lambda scene: (f"/api/files/{scene.ids['file']}/move", {"folder_id": scene.ids["folder"]}),
    "delete_file": lambda scene: (f"/api/files/{scene.ids['file']}", None),
    "create_folder": lambda scene: ("/api/folders", {"name": "reports", "channel": "general"}),
    "rename_folder": lambda scene: (f"/api/folders/{scene.ids['folder']}", {"name": "plans"}),
    "delete_folder": lambda scene: (f"/api/folders/{scene.ids['folder']}", None),
    "create_task": lambda scene: ("/api/tasks", {"title": "Write it down", "assignee": "ada", "labels": ["docs"]}),
    "pin_task": lambda scene: (f"/api/messages/{scene.ids['message']}/task", {}),
    "claim_task": lambda scene: ("/api/tasks/claim", {"task_id": scene.ids["task"]}),
    "update_task": lambda scene: (f"/api/tasks/{scene.ids['task']}", {"progress": 40, "note": "half way"}),
    "done_task": lambda scene: (f"/api/tasks/{scene.ids['task']}/done", {"result": "it works"}),
    "delete_task": lambda scene: (f"/api/tasks/{scene.ids['task']}", None),
    "create_schedule": lambda scene: ("/api/schedules", {"every": "1h", "channel": "general", "content": "hello"}),
    "update_schedule": lambda scene: (f"/api/schedules/{scene.ids['schedule']}", {"paused": True}),
    "cancel_schedule": lambda scene: (f"/api/schedules/{scene.ids['schedule']}", None),
    "run_schedule": lambda scene: (f"/api/schedules/{scene.ids['schedule']}/run", {}),
    "set_state": lambda scene: ("/api/state", {"project_id": "shop", "field": "api/port", "value": {"port": 8080}}),
    "conclude": lambda scene: (
        "/api/state/conclude",
        {"project_id": "shop", "conclusions": [{"field": "a", "value": 1}, {"field": "b", "value": None}]},
    ),
    "restore_state": lambda scene: ("/api/state/restore", {"project_id": "shop", "field": "region", "version": 1}),
    "subscribe_state": lambda scene: ("/api/state/subscribe", {"project_id": "shop", "fields": ["api/*"]}),
    "acknowledge_knowledge_gaps": lambda scene: (
        "/api/state/knowledge-gaps/acknowledge",
        {"project_id": "shop", "fields": ["region@2"]},
    ),
    "set_state_gate": lambda scene: ("/api/state/gate", {"project_id": "shop", "on": True}),
    "post_knowledge": lambda scene: ("/api/knowledge", {"content": "The port is 8080.", "tags": ["net"]}),
    "retract_knowledge": lambda scene: (
        f"/api/knowledge/{scene.ids['finding']}/retract",
        {"reason": "it was the other one"},
    ),
    "reserve_files": lambda scene: ("/api/reservations", {"paths": ["src/api.py", "docs/**"]}),
    "release_files": lambda scene: ("/api/reservations/release", {}),
    "create_goal": lambda scene: ("/api/goals", {"title": "Ship it", "weight": 3, "task_ids": [scene.ids["task"]]}),
    "update_goal": lambda scene: (f"/api/goals/{scene.ids['goal']}", {"weight": 5}),
    "set_reminders": lambda scene: (
        "/api/reminders",
        {"steps": [{"on": "due", "after_s": 0, "to": ["assignee"]}], "quiet": {"start": "22:00", "end": "07:00"}},
    ),
    "generate_audit_report": lambda scene: ("/api/audit/reports", {"report_type": "compliance"}),
    "resolve_state_approval": lambda scene: (
        f"/api/state/approvals/{scene.ids['proposal']}/resolve",
        {"approved": True},
    ),
    "update_agent_profile": lambda scene: (
        "/api/state/agent-profile",
        {"skills": ["python"], "relevant_fields": ["shop/api/*"]},
    ),
    "request_approval": lambda scene: (
        "/api/approvals",
        {"kind": "action", "summary": "deploy", "details": "make deploy"},
    ),
    "ask_human": lambda scene: ("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]}),
    "resolve_approval": lambda scene: (f"/api/approvals/{scene.ids['approval']}/resolve", {"approved": True}),
    "cancel_approval": lambda scene: (f"/api/approvals/{scene.ids['own approval']}/cancel", {}),
    "snooze_approval": lambda scene: (f"/api/approvals/{scene.ids['approval']}/snooze", {"for_s": 600}),
    "delegate_approval": lambda scene: (f"/api/approvals/{scene.ids['approval']}/delegate", {"to": "bo"}),
    "send_test": lambda scene: ("/api/notifications/targets/hook/test", {}),
    "retry_notification": lambda scene: (f"/api/notifications/{scene.ids['notification']}/retry", {}),
    "resolve_guard": lambda scene: (f"/api/guards/{scene.ids['guard']}/resolve", {"decision": "continue"}),
    "extend_approval": lambda scene: (f"/api/approvals/{scene.ids['approval']}/extend", {"for_s": 600}),
    "dismiss_approval": lambda scene: (f"/api/approvals/{scene.ids['trouble']}/done", {}),
    "create_decision_link": lambda scene: (f"/api/approvals/{scene.ids['question']}/links", {}),
    "decide_by_link": lambda scene: ("/api/decisions", {"code": scene.ids["link"], "answer": "8080"}),
    "ack_inbox": lambda scene: ("/api/inbox/ack", {"items": [{"channel": "general", "ack_id": scene.ids["message"]}]}),
}


def request_of(operation: Operation, scene: Scene) -> tuple[str, str, Any]:
    """Return method, path and body of a command's example."""
    path, body = EXAMPLES[operation.name](scene)
    assert operation.method is not None
    return operation.method, path, body


def check_answer(answer: Any, operation: Operation, status: int, document: dict[str, Any]) -> None:
    """Raise unless an answer keeps to what the OpenAPI document says of it."""
    assert operation.path is not None
    assert operation.method is not None
    responses = document["paths"][operation.path][operation.method.lower()]["responses"]
    schema = responses[str(status)]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer)


async def _runs(door: Door, agent: str) -> bool:
    return bool((await door.get(f"/api/agents/{agent}"))["state"] == "ready")


@asynccontextmanager
async def open_scene(data: Path, operation: Operation | None = None) -> AsyncIterator[Scene]:
    """Open an office with members, a topic, messages, a token and an agent that is stopped.

    For an operation that needs one, an agent that runs too.
    """
    worker = AgentConfig(
        name="worker", kind="custom", role="member", job="", workdir=data, command=("cat",), autostart=False
    )
    typist = replace(worker, name="typist", autostart=True)
    needs_typist = operation is not None and operation.name in NEED_A_TERMINAL
    hook = NotificationTarget("hook", "webhook", SecretReference("env", "NO_SUCH_HOOK"))
    broken = AgentConfig(
        name="broken", kind="custom", role="member", job="", workdir=data, command=("no-such-program",)
    )
    agents = [worker, broken, replace(worker, name="resting"), *([typist] if needs_typist else [])]
    async with open_office(data, agents=agents, notifications=Notifications((hook,))) as office:
        chairman = office.chairman
        await chairman.post("/api/agents/resting/pause")
        if needs_typist:
            await until(lambda: _runs(chairman, "typist"), 15)
        ada, bo = await office.member("ada"), await office.member("bo")
        await office.member("old", kind="bot")
        await chairman.post("/api/channels", {"id": "topic:plan", "type": "topic", "members": ["ada"]})
        message = await ada.send("general", "@chairman look")
        await ada.send("topic:plan", "a plan")
        own_message = await chairman.send("general", "@ada is asked")
        await chairman.post(f"/api/messages/{own_message['id']}/reactions", {"emoji": "👍"})
        await chairman.post(f"/api/messages/{own_message['id']}/pin")
        await ada.post("/api/channels", {"id": "side"})
        await ada.post("/api/channels", {"id": "old"})
        await ada.post("/api/channels/old/archive")
        await ada.send("dm:bo", "between us")
        token = await chairman.post("/api/tokens", {"name": "spare", "kind": "bot"})
        task = await ada.post("/api/tasks", {"title": "Look into it"})
        daily = {"cron_expr": "@daily", "channel": "general", "content": "a new day"}
        schedule = await chairman.post("/api/schedules", daily)
        for region in ("eu", "us"):
            await ada.post("/api/state", {"project_id": "shop", "field": "region", "value": region})
        proposed = await bo.post("/api/state", {"project_id": "shop", "field": "region", "value": "ap"})
        finding = await ada.post("/api/knowledge", {"content": "The host is db-1."})
        await chairman.post("/api/reservations", {"paths": ["Makefile"]})
        goal = await chairman.post("/api/goals", {"title": "Be ready"})
        asked = await ada.post("/api/approvals", {"kind": "action", "summary": "upgrade the database"})
        file = await ada.post("/api/files", {"name": "plan.txt", "content": "aGVsbG8=", "channel": "general"})
        folder = await ada.post("/api/folders", {"name": "drafts", "channel": "general"})
        question = await ada.post("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]})
        link = await chairman.post(f"/api/approvals/{question['id']}/links")
        failing = await until(partial(_trouble, chairman))
        own = await chairman.post("/api/approvals", {"kind": "spending", "summary": "a bigger model"})
        for _ in range(3):
            await ada.send("general", "@bo are you there?")
        (guard,) = (await chairman.get("/api/guards"))["guards"]
        ids = {
            "guard": guard["id"],
            "message": message["id"],
            "own message": own_message["id"],
            "token": token["id"],
            "task": task["id"],
            "schedule": schedule["id"],
            "goal": goal["id"],
            "file": file["id"],
            "folder": folder["id"],
        }
        ids["notification"] = (await chairman.post("/api/notifications/targets/hook/test"))["id"]
        ids |= {"question": question["id"], "link": link["code"], "trouble": failing}
        ids |= {"proposal": proposed["approval_id"], "finding": finding["finding"]["id"]}
        yield Scene(office, ada, bo, {**ids, "approval": asked["id"], "own approval": own["id"]})


async def _trouble(door: Door) -> str | None:
    """Return the item that tells of the agent that cannot be started."""
    pending = (await door.get("/api/approvals"))["approvals"]
    return next((row["id"] for row in pending if row["kind"] == "failure"), None)
