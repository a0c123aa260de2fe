"""What Claude Code is started from: its command line, its files, and who may read them."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from server.config import Provider, SecretReference
from server.supervision.kinds.claude.adapter import Claude
from server.supervision.kinds.files import read_json
from server.supervision.kinds.kind import CannotLaunch, Launch, Run
from tests.kinds.conftest import TOKEN, MakeRun

KEY = "sk-ant-0123456789-0123456789-abcdefghijkl"


@pytest.fixture(autouse=True)
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MY_KEY", KEY)


def _read(run: Run, name: str) -> Any:
    return json.loads((run.folder / name).read_text())


def _option(launch: Launch, name: str) -> str:
    return launch.argv[launch.argv.index(name) + 1]


def test_every_file_is_the_owners_alone_and_no_argument_or_variable_holds_the_token(make_run: MakeRun) -> None:
    run = make_run()

    launch = Claude().prepare(run)

    # The compiled bridge is the same public code for everybody.
    for path in (path for path in run.folder.rglob("*") if "compiled-" not in str(path)):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else mode & 0o700), path
    assert TOKEN not in " ".join(launch.argv)
    assert TOKEN not in " ".join(launch.environment.values())
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    with_token = sorted(path.name for path in files if TOKEN in path.read_text(errors="replace"))
    assert with_token == ["settings.json", "token"]


def test_the_seed_answers_every_dialog_beforehand_and_keeps_what_the_cli_wrote(make_run: MakeRun) -> None:
    run = make_run(provider=Provider("main", "api_key", "http://127.0.0.1:9/v1", SecretReference("env", "MY_KEY")))
    (run.folder / "claude").mkdir()
    state = {"numStartups": 7, "projects": {"/other": {"x": 1}}, "customApiKeyResponses": {"rejected": [KEY[-20:]]}}
    (run.folder / "claude" / ".claude.json").write_text(json.dumps(state))

    launch = Claude().prepare(run)

    seeded = _read(run, "claude/.claude.json")
    assert seeded["numStartups"] == 7
    assert seeded["hasCompletedOnboarding"] is True
    assert seeded["projects"] == {"/other": {"x": 1}, str(run.workdir.resolve()): {"hasTrustDialogAccepted": True}}
    assert seeded["customApiKeyResponses"] == {"approved": [KEY[-20:]], "rejected": []}
    assert launch.environment["ANTHROPIC_API_KEY"] == KEY
    assert launch.environment["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9/v1"


def test_the_key_stands_in_no_file(make_run: MakeRun) -> None:
    run = make_run(provider=Provider("main", "api_key", None, SecretReference("env", "MY_KEY")))

    Claude().prepare(run)

    assert not [path for path in run.folder.rglob("*") if path.is_file() and KEY in path.read_text(errors="replace")]


def test_hooks_report_to_the_agents_own_address_with_its_token(make_run: MakeRun) -> None:
    run = make_run(server_url="http://127.0.0.1:7777")

    Claude().prepare(run)

    settings = _read(run, "claude/settings.json")
    hooks = [hook for groups in settings["hooks"].values() for group in groups for hook in group["hooks"]]
    assert {"UserPromptSubmit", "PermissionRequest", "Stop", "StopFailure"} <= set(settings["hooks"])
    assert {hook["url"] for hook in hooks} == {"http://127.0.0.1:7777/api/agents/ada/hooks"}
    assert {hook["headers"]["Authorization"] for hook in hooks} == {f"Bearer {TOKEN}"}


def test_settings_that_the_agent_made_stay_and_preparing_again_adds_nothing(make_run: MakeRun) -> None:
    run = make_run()
    (run.folder / "claude").mkdir()
    own = {"model": "opus", "permissions": {"allow": ["Bash(git status)"]}, "hooks": {"Stop": ["old"]}}
    (run.folder / "claude" / "settings.json").write_text(json.dumps(own))

    Claude().prepare(run)
    once = _read(run, "claude/settings.json")
    Claude().prepare(run)

    assert _read(run, "claude/settings.json") == once
    assert once["model"] == "opus"
    assert once["permissions"]["allow"] == ["Bash(git status)", "mcp__team"]
    assert once["permissions"]["deny"] == ["ListAgents", "SendMessage"]
    assert "old" not in once["hooks"]["Stop"]
    assert once["crossSessionInbound"] == "accept"
    assert once["tui"] == "default"


@pytest.mark.parametrize(
    ("configured", "passed"),
    [("ask", "manual"), ("plan", "plan"), ("accept_edits", "acceptEdits"), ("auto", "bypassPermissions")],
)
def test_the_permission_mode_is_always_said(make_run: MakeRun, configured: str, passed: str) -> None:
    run = make_run(permission_mode=configured)

    launch = Claude().prepare(run)

    assert _option(launch, "--permission-mode") == passed
    bypasses = passed == "bypassPermissions"
    assert _read(run, "claude/settings.json")["skipDangerousModePermissionPrompt"] is bypasses
    assert ("IS_SANDBOX" in launch.environment) == (bypasses and os.geteuid() == 0)


def test_only_our_own_tools_server_is_configured_and_its_tools_are_never_deferred(make_run: MakeRun) -> None:
    run = make_run()

    launch = Claude().prepare(run)

    assert "--strict-mcp-config" in launch.argv
    servers = json.loads(Path(_option(launch, "--mcp-config")).read_text())["mcpServers"]
    assert list(servers) == ["team"]
    assert servers["team"]["alwaysLoad"] is True
    assert launch.environment["ENABLE_TOOL_SEARCH"] == "false"


def test_nothing_goes_outside_that_is_not_the_model(make_run: MakeRun) -> None:
    environment = Claude().prepare(make_run()).environment

    for name in (
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL",
        "DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER", "DISABLE_ERROR_REPORTING",
    ):  # fmt: skip
        assert environment[name] == "1"


def test_the_agent_is_told_who_it_is_and_what_its_job_is(make_run: MakeRun, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.md"
    prompt.write_text("Mind the $budget.")

    run = make_run(prompt=prompt, description="Keeps the API.", model="opus")
    launch = Claude().prepare(run)

    told = Path(_option(launch, "--append-system-prompt-file")).read_text()
    assert "Your name is ada." in told
    assert "Keeps the API." in told
    assert "send_message" in told
    assert told.endswith("Mind the $budget.\n")
    assert _option(launch, "--model") == "opus"


def test_without_a_prompt_file_the_job_has_its_own_text(make_run: MakeRun) -> None:
    launch = Claude().prepare(make_run(job="reviewer"))

    assert "# Your job: reviewer" in Path(_option(launch, "--append-system-prompt-file")).read_text()


def test_a_conversation_is_begun_once_and_then_resumed(make_run: MakeRun) -> None:
    run = make_run()
    kind = Claude()

    first = kind.prepare(run)
    transcript = run.folder / "claude/projects/-work" / f"{run.session_id}.jsonl"
    transcript.parent.mkdir(parents=True)
    transcript.write_text('{"type":"mode"}\n{"type":"user","message":{"role":"user","content":"hi"}}\n')
    second = kind.prepare(run)

    assert _option(first, "--session-id") == run.session_id
    assert _option(second, "--resume") == run.session_id
    assert "--session-id" not in second.argv


def test_a_transcript_in_which_nobody_spoke_is_cleared_away(make_run: MakeRun) -> None:
    run = make_run()
    transcript = run.folder / "claude/projects/-work" / f"{run.session_id}.jsonl"
    transcript.parent.mkdir(parents=True)
    transcript.write_text('{"type":"mode","mode":"normal"}\n{"type":"permission-mode"}\n{"type":"us')

    launch = Claude().prepare(run)

    assert _option(launch, "--session-id") == run.session_id
    assert not transcript.exists()


def test_the_socket_for_pushes_lies_in_a_folder_of_the_owner(make_run: MakeRun) -> None:
    launch = Claude().prepare(make_run())

    assert launch.messaging_socket is not None
    assert _option(launch, "--messaging-socket-path") == str(launch.messaging_socket)
    assert len(os.fsencode(launch.messaging_socket)) < 108
    assert stat.S_IMODE(launch.messaging_socket.parent.stat().st_mode) == 0o700


def test_a_persons_sign_in_is_shared_and_a_newer_one_of_the_agent_is_kept(make_run: MakeRun, tmp_path: Path) -> None:
    source = tmp_path / ".claude" / ".credentials.json"
    source.parent.mkdir()
    source.write_text('{"claudeAiOauth": {"accessToken": "persons"}}')
    run = make_run()
    copy = run.folder / "claude" / ".credentials.json"

    Claude().prepare(run)
    shared = (read_json(copy), stat.S_IMODE(copy.stat().st_mode))
    copy.write_text('{"claudeAiOauth": {"accessToken": "refreshed by the agent"}}')
    Claude().prepare(run)

    assert shared == ({"claudeAiOauth": {"accessToken": "persons"}}, 0o600)
    assert read_json(copy) == {"claudeAiOauth": {"accessToken": "refreshed by the agent"}}


def test_with_a_key_no_sign_in_is_shared(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / ".credentials.json").write_text("persons")
    run = make_run(provider=Provider("main", "api_key", None, SecretReference("env", "MY_KEY")))

    Claude().prepare(run)

    assert not (run.folder / "claude" / ".credentials.json").exists()


@pytest.mark.parametrize(
    "provider",
    [Provider("main", "api_key"), Provider("main", "api_key", None, SecretReference("env", "NOT_THERE"))],
)
def test_a_missing_key_stops_the_launch_and_names_the_provider(make_run: MakeRun, provider: Provider) -> None:
    with pytest.raises(CannotLaunch, match="main"):
        Claude().prepare(make_run(provider=provider))


def test_a_service_without_keys_gets_a_placeholder_that_needs_no_dialog(make_run: MakeRun) -> None:
    run = make_run(provider=Provider("local", "none", "http://127.0.0.1:3456"))

    launch = Claude().prepare(run)

    key = launch.environment["ANTHROPIC_API_KEY"]
    assert key[-20:] in _read(run, "claude/.claude.json")["customApiKeyResponses"]["approved"]


def test_a_missing_program_is_a_problem_with_its_remedy(make_run: MakeRun) -> None:
    agent = make_run(environment={"PATH": "/nowhere"}).agent

    assert "npm install -g @anthropic-ai/claude-code" in (Claude().problem(agent) or "")


def test_an_installed_program_is_no_problem(make_run: MakeRun) -> None:
    assert Claude().problem(make_run().agent) is None


def test_a_missing_work_directory_stops_the_launch(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(CannotLaunch, match="no folder"):
        Claude().prepare(make_run(workdir=tmp_path / "not-there"))
