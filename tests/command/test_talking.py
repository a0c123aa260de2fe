"""Commands against a server that runs: status, send, read, tokens; and what they say when they may not or cannot."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from server.cli.client import Client
from server.cli.failure import CommandFailed
from tests.command.conftest import COMMAND, Desk


def test_status_shows_the_agents_and_json_the_fields_that_were_named(served: Desk) -> None:
    shown = served.bullpen("status")
    assert shown.stdout.splitlines()[0].split() == ["AGENT", "STATE", "WHY", "SINCE", "UP", "RST", "KIND"]
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:]] == ["ada-demo", "bo-demo"]
    rows = json.loads(served.bullpen("status", "bo-*", "--json", "name,kind").stdout)
    assert rows == [{"name": "bo-demo", "kind": "demo"}]


def test_a_field_that_does_not_exist_is_told_with_those_that_do(served: Desk) -> None:
    done = served.bullpen("status", "--json", "nome")
    assert done.returncode == 2
    assert "no field “nome”" in done.stderr
    assert "name" in done.stderr


def test_an_agent_that_does_not_exist_is_told_with_those_that_do(served: Desk) -> None:
    for command in ("status", "start", "stop"):
        done = served.bullpen(command, "nobody")
        assert done.returncode == 4
        assert "No agent “nobody”" in done.stderr
        assert "ada-demo" in done.stderr


@pytest.mark.parametrize("command", ["start", "stop", "restart"])
def test_an_agent_must_be_named_or_all_asked_for(served: Desk, command: str) -> None:
    assert served.bullpen(command).returncode == 2
    assert served.bullpen(command, "ada-demo", "--all").returncode == 2


def test_a_message_goes_in_and_comes_out(served: Desk) -> None:
    sent = served.bullpen("send", "#general", "one and only")
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.startswith("msg_")
    assert served.bullpen("read").stdout.splitlines()[-1].endswith("chairman: one and only")
    last = json.loads(served.bullpen("read", "#general", "-n", "1", "--json").stdout)
    assert (last["id"], last["content"]) == (sent.stdout.strip(), "one and only")


def test_a_direct_message_is_read_by_its_name_and_tells_who_gets_it(served: Desk) -> None:
    sent = served.bullpen("send", "@ada-demo", stdin="from a pipe\n")
    assert sent.returncode == 0, sent.stderr
    assert "ada-demo:" in sent.stderr
    assert "from a pipe" in served.bullpen("read", "@ada-demo").stdout


def test_a_channel_is_made_shown_left_joined_archived_and_opened_again(served: Desk) -> None:
    made = served.bullpen("channel", "create", "#cinema", "--description", "Films", "--member", "ada-demo")
    assert made.stdout == "cinema\n", made.stderr
    assert served.bullpen("channel", "create", "plot", "--closed", "--title", "The plot").stdout == "topic:plot\n"
    shown = served.bullpen("channel", "show", "cinema").stdout
    assert "Films" in shown
    assert "ada-demo, chairman" in shown
    rows = json.loads(served.bullpen("channel", "list", "--json", "id,type").stdout)
    assert {"id": "topic:plot", "type": "topic"} in rows
    for command, said in (
        (("leave", "cinema"), "cinema is left."),
        (("join", "cinema"), "cinema has you as a member."),
        (("archive", "cinema"), "cinema is archived."),
    ):
        assert served.bullpen("channel", *command).stderr.strip() == said
    assert "cinema" not in served.bullpen("channel", "list").stdout
    assert "cinema" in served.bullpen("channel", "list", "--archived").stdout
    assert served.bullpen("send", "#cinema", "hello").returncode != 0
    assert served.bullpen("channel", "archive", "cinema", "--undo").stderr.strip() == "cinema is open again."
    wrong = served.bullpen("channel", "show", "cinma")
    assert "cinema" in wrong.stderr


def test_the_same_key_sends_once(served: Desk) -> None:
    first = served.bullpen("send", "general", "only once", "--idempotency-key", "k1")
    second = served.bullpen("send", "general", "only once", "--idempotency-key", "k1")
    assert first.stdout == second.stdout != ""


def test_nothing_that_a_terminal_would_obey_reaches_it(served: Desk) -> None:
    served.bullpen("send", "#general", "before\x1b]0;owned\x07\x1b[2Jafter\r\x9b1m\u202e")
    shown = served.bullpen("read", "-n", "1").stdout
    assert "before" in shown
    assert not any(character in shown for character in "\x1b\x07\r\x9b\u202e")


@pytest.mark.parametrize("place", ["#general", "@bo-demo"])
def test_following_shows_what_comes_and_ctrl_c_ends_it(served: Desk, place: str) -> None:
    served.bullpen("send", place, "before")
    following = served.start("read", place, "-f", "-n", "1", "--json")
    try:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["content"] == "before"
        for text in ("the first", "the second"):
            served.bullpen("send", place, text)
            assert json.loads(following.stdout.readline())["content"] == text
        os.kill(following.pid, signal.SIGINT)
        following.communicate(timeout=5)
        assert following.returncode == 130
    finally:
        following.kill()
        following.communicate()


def test_a_token_is_all_that_is_printed_and_it_opens_the_door(served: Desk) -> None:
    done = served.bullpen("token", "create", "bot1", "--kind", "bot", "--label", "script", "--expires", "2h")
    assert done.returncode == 0, done.stderr
    (token,) = done.stdout.splitlines()
    me = Client(served.url(), token).get("/api/me")
    assert (me["name"], me["kind"], me["role"]) == ("bot1", "bot", "member")
    rows = json.loads(served.bullpen("token", "list", "--json", "id,member,label").stdout)
    (mine,) = [row for row in rows if row["member"] == "bot1"]
    assert mine["label"] == "script"
    rotated = served.bullpen("token", "rotate", mine["id"]).stdout.strip()
    assert Client(served.url(), rotated).get("/api/me")["name"] == "bot1"
    assert refused(served, token).returncode == 6


def test_a_link_signs_the_human_in_who_is_named_and_works_once(served: Desk) -> None:
    link = served.bullpen("token", "link").stdout.strip()
    url, _, code = link.partition("/#k=")
    assert url == served.url()

    session = Client(url, None).post("/api/session", {"link": code})

    assert session["member"]["name"] == "chairman"
    with pytest.raises(CommandFailed):
        Client(url, None).post("/api/session", {"link": code})
    unknown = served.bullpen("token", "link", "nobody")
    assert unknown.returncode != 0
    assert "nobody" in unknown.stderr


def refused(served: Desk, token: str) -> "subprocess.CompletedProcess[str]":
    return served.bullpen("status", BULLPEN_TOKEN=token)


def test_a_wrong_token_is_told_as_such(served: Desk) -> None:
    done = refused(served, "bp_demo_nonsense")
    assert done.returncode == 6
    assert "does not accept this token" in done.stderr
    assert "nonsense" not in done.stderr


def test_a_right_that_is_missing_is_told_as_such(served: Desk) -> None:
    token = served.bullpen("token", "create", "bot2", "--kind", "bot").stdout.strip()
    assert served.bullpen("stop", "ada-demo", BULLPEN_TOKEN=token).returncode == 6
    assert served.bullpen("status", BULLPEN_TOKEN=token).returncode in (0, 3)


def test_a_token_file_is_read_and_a_missing_one_told(served: Desk) -> None:
    token = served.bullpen("token", "create", "bot3", "--kind", "bot").stdout
    (served.folder / "token").write_text(token, encoding="utf-8")
    sent = served.bullpen("send", "#general", "from bot3", "--token-file", "token")
    assert sent.returncode == 0, sent.stderr
    assert "bot3: from bot3" in served.bullpen("read", "-n", "1").stdout
    assert served.bullpen("status", "--token-file", "nowhere").returncode == 2


def test_the_local_token_is_never_sent_to_an_address_that_was_given(served: Desk) -> None:
    other = served.url().replace("127.0.0.1", "localhost")
    assert served.bullpen("status", "--url", other).returncode == 6
    assert served.bullpen("status", "--url", served.url()).returncode in (0, 3)


def test_a_new_member_must_be_told_what_it_is(served: Desk) -> None:
    done = served.bullpen("token", "create", "stranger")
    assert done.returncode == 4
    assert "kind" in done.stderr
    assert done.stdout == ""


def test_the_log_of_the_server_can_be_read(served: Desk) -> None:
    done = served.bullpen("logs", "-n", "5")
    assert done.returncode == 0, done.stderr


def test_doctor_finds_nothing_to_mend_in_a_good_house(served: Desk) -> None:
    done = served.bullpen("doctor", "--json", "name,state,cause")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert checks["server"]["cause"].startswith(f"runs at {served.url()}")
    assert checks["database"]["cause"].endswith("intact")


def test_a_task_goes_from_the_shell_over_the_board_to_its_end(served: Desk) -> None:
    number = served.bullpen("task", "add", "Fix the port", "--priority", "high", "--label", "net").stdout.strip()
    assert number == "#1"
    assert "Fix the port" in served.bullpen("task", "list").stdout
    assert served.bullpen("task", "claim").stdout.strip() == number
    assert served.bullpen("task", "block", number, "no key").returncode == 0
    shown = served.bullpen("task", "show", number).stdout
    assert "blocked, 0%, high, chairman" in shown
    assert "no key" in shown
    assert served.bullpen("task", "done", number, "it is 8080").returncode == 0
    assert served.bullpen("task", "list").stdout.splitlines()[1:] == []
    rows = json.loads(served.bullpen("task", "list", "--status", "done", "--json", "id,result").stdout)
    assert rows == [{"id": "task_1", "result": "it is 8080"}]
    again = served.bullpen("task", "move", number, "nowhere")
    assert again.returncode == 2
    assert "'todo', 'doing'" in again.stderr


def test_the_audit_trail_is_shown_exported_and_checked(served: Desk) -> None:
    served.bullpen("task", "add", "=1+1", "--body", "a formula")
    shown = served.bullpen("audit", "--operation", "create_task").stdout
    assert shown.splitlines()[0].split() == ["SEQ", "AT", "WHO", "DOOR", "OPERATION", "ON"]
    assert "create_task" in shown
    lines = served.bullpen("audit", "--kind", "task.created", "--export", "jsonl").stdout.splitlines()
    titles = [json.loads(line)["body"]["task"]["title"] for line in lines]
    assert "=1+1" in titles
    table = served.bullpen("audit", "--export", "csv").stdout.splitlines()
    assert table[0].startswith("seq,at,actor,door,operation")
    assert len(table) > len(lines)
    checked = served.bullpen("audit", "verify")
    assert checked.returncode == 0, checked.stderr
    assert "all of them as they were written" in checked.stderr


def test_the_audit_trail_is_followed_by_filter(served: Desk) -> None:
    served.bullpen("task", "add", "seen already")
    following = served.start("audit", "--operation", "create_task", "-f", "-n", "1")
    try:
        assert following.stdout is not None
        assert "create_task" in following.stdout.readline()
        served.bullpen("send", "#general", "of another kind")
        number = served.bullpen("task", "add", "comes").stdout.strip()
        assert following.stdout.readline().split()[-2:] == ["create_task", f"task_{number.removeprefix('#')}"]
    finally:
        following.kill()
        following.communicate()


def test_what_waits_for_a_person_is_decided_from_the_shell(served: Desk) -> None:
    token = served.bullpen("token", "create", "asker", "--kind", "bot").stdout.strip()
    bot = Client(served.url(), token)
    asked = bot.post("/api/approvals", {"kind": "action", "summary": "deploy", "details": "make deploy"})
    question = bot.post("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]})
    shown = served.bullpen("needs").stdout
    assert "deploy" in shown
    assert "Which port?" in shown
    assert "make deploy" in served.bullpen("needs", asked["id"]).stdout
    assert served.bullpen("snooze", asked["id"], "soon").returncode == 2
    assert served.bullpen("snooze", asked["id"], "2h").returncode == 0

    assert served.bullpen("reject", asked["id"], "-m", "not today").returncode == 0
    assert served.bullpen("answer", question["id"], "8080").returncode == 0

    assert bot.get(f"/api/approvals/{asked['id']}")["comment"] == "not today"
    late = served.bullpen("approve", asked["id"])
    assert late.returncode != 0
    assert "rejected already, by chairman" in late.stderr
    assert json.loads(served.bullpen("needs", "--json").stdout) == []


def test_agents_that_a_guard_paused_are_shown_and_let_go_on_from_the_shell(served: Desk) -> None:
    assert "No agent is paused" in served.bullpen("guards").stderr
    served.bullpen("token", "create", "listener", "--kind", "bot")
    bot = Client(served.url(), served.bullpen("token", "create", "talker", "--kind", "bot").stdout.strip())
    for _ in range(3):
        bot.post("/api/send", {"to": "listener", "content": "are you there?"})
    shown = served.bullpen("guards").stdout
    assert "guard_1  listener, talker  dm:listener:talker" in shown
    assert "The same text 3 times in 10 min." in shown

    assert "stay paused" in served.bullpen("guards", "keep", "guard_1").stderr
    assert "keep (chairman)" in served.bullpen("guards").stdout
    assert "go on" in served.bullpen("guards", "continue", "1").stderr

    assert json.loads(served.bullpen("guards", "--json").stdout) == []
    (row,) = json.loads(served.bullpen("guards", "--all", "--json", "id,decision").stdout)
    assert row == {"id": "guard_1", "decision": "continue"}
    late = served.bullpen("guards", "stop", "guard_1")
    assert late.returncode != 0
    assert "cleared already, by chairman" in late.stderr


def test_a_schedule_is_tried_out_added_run_and_removed(served: Desk) -> None:
    shown = served.bullpen("schedule", "preview", "30 2 * * *", "--tz", "Europe/Berlin")
    assert shown.stdout.splitlines()[0] == "At 02:30 every day, Europe/Berlin"
    assert "does not exist" in shown.stderr
    added = served.bullpen("schedule", "add", "--every", "1d", "--say", "a new day", "--in", "general")
    number = added.stdout.splitlines()[0]
    assert number.startswith("sch_"), added.stderr
    assert "done msg_" in served.bullpen("schedule", "run", number).stderr
    assert "a new day" in served.bullpen("read", "general").stdout
    assert "done" in served.bullpen("schedule", "history", number).stdout
    assert "paused" in served.bullpen("schedule", "pause", number).stderr
    assert "active" in served.bullpen("schedule", "resume", number).stderr
    assert number in served.bullpen("schedule", "list").stdout
    assert served.bullpen("schedule", "rm", number).returncode == 0
    assert served.bullpen("schedule", "rm", number).returncode == 4
    wrong = served.bullpen("schedule", "add", "0 25 * * *", "--task", "never")
    assert wrong.returncode == 2, wrong.returncode
    assert "hour must be 0-23" in wrong.stderr


def test_state_is_written_read_and_remembered(served: Desk) -> None:
    for value in ('{"port": 8080}', "plain text"):
        assert served.bullpen("state", "set", "shop", "api/port", value, "-m", "because").returncode == 0
    assert served.bullpen("state", "get", "shop", "api/port").stdout.strip() == '"plain text"'
    assert "api/port" in served.bullpen("state", "list", "shop", "--prefix", "api/").stdout
    assert "shop" in served.bullpen("state", "list").stdout
    history = served.bullpen("state", "history", "shop", "api/port").stdout.splitlines()
    assert [line.split()[0] for line in history] == ["VERSION", "2", "1"]
    late = served.bullpen("state", "set", "shop", "api/port", "1", "--expect", "1")
    assert late.returncode == 5
    assert "version 2" in late.stderr


def test_a_commit_of_what_another_works_on_is_held_up_and_a_server_that_is_away_holds_up_nothing(
    served: Desk,
) -> None:
    token = served.bullpen("token", "create", "ada", "--kind", "agent").stdout.strip()
    (served.folder / "ada.token").write_text(token)
    repository = served.folder / "repository"
    repository.mkdir()
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    tokens = {"BULLPEN_URL": served.url(), "BULLPEN_TOKEN_FILE": str(served.folder / "ada.token")}
    agent = {**served.environment, **who, **tokens}

    def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=repository, env=agent | environment, text=True, capture_output=True, timeout=60, check=False
        )

    assert run("git", "init", "-q").returncode == 0
    assert run(*COMMAND, "lock", "guard").returncode == 0
    assert run(*COMMAND, "lock", "guard").returncode == 0, "again"
    for file in ("api.py", "docs.md"):
        (repository / file).write_text("x")
    operator = (served.teams / "demo" / "run" / "operator.token").read_text().strip()
    Client(served.url(), operator).post("/api/reservations", {"paths": ["api.*"], "reason": "new route"})
    run("git", "add", "docs.md")
    assert run("git", "commit", "-qm", "docs").returncode == 0
    run("git", "add", "api.py")
    refused = run("git", "commit", "-qm", "api")
    assert refused.returncode == 1
    assert "api.py is chairman's until" in refused.stdout + refused.stderr
    assert "new route" in refused.stdout + refused.stderr
    assert "api.*" in served.bullpen("lock", "list").stdout
    assert run("git", "commit", "-qm", "api", BULLPEN_URL="http://127.0.0.1:9").returncode == 0
    assert "1 released" in served.bullpen("lock", "release").stderr


def test_a_file_goes_in_is_listed_comes_out_and_is_removed(served: Desk, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_bytes(b"done\n" * 50_000)
    put = served.bullpen("file", "put", str(report), "--to", "#general")
    assert put.returncode == 0, put.stderr
    number = put.stdout.strip()
    listed = json.loads(served.bullpen("file", "list", "#general", "--json", "id,name,size").stdout)
    assert listed == [{"id": number, "name": "report.md", "size": 250_000}]
    back = tmp_path / "back.md"
    assert served.bullpen("file", "get", number, str(back)).stdout.strip() == str(back)
    assert back.read_bytes() == report.read_bytes()
    again = served.bullpen("file", "get", number, str(back))
    assert (again.returncode, "already" in again.stderr) == (5, True)
    assert served.bullpen("file", "put", str(tmp_path / "missing")).returncode == 2

    sent = served.bullpen("send", "#general", "the report", "--file", str(report))
    assert sent.returncode == 0, sent.stderr
    found = served.bullpen("search", "report", "has:file")
    assert found.stdout.splitlines()[0].startswith(sent.stdout.strip())
    assert "the report" in found.stdout
    assert "no date" in served.bullpen("search", "report", "after:soon").stderr

    assert served.bullpen("file", "rm", number).returncode == 0
    assert served.bullpen("file", "get", number, str(tmp_path / "x")).returncode == 4
    assert not (tmp_path / "x").exists()


def test_the_inbox_shows_what_is_unread_and_marks_it_only_when_told(served: Desk) -> None:
    token = served.bullpen("token", "create", "reader", "--kind", "human", "--role", "viewer").stdout.strip()
    served.bullpen("send", "@reader", "for your eyes")
    first = served.bullpen("inbox", BULLPEN_TOKEN=token)
    assert "for your eyes" in first.stdout, first.stderr
    answer = served.bullpen("inbox", "--ack", "--only", "all", "-n", "5", "--json", BULLPEN_TOKEN=token)
    found = json.loads(answer.stdout)
    assert [part["channel"] for part in found["channels"]] == ["dm:chairman:reader"]

    last = served.bullpen("inbox", BULLPEN_TOKEN=token)
    assert (last.stdout, "Nothing unread." in last.stderr) == ("", True)
