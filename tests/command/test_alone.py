"""Commands where no server runs: what they do by themselves, and how they say what is missing."""

import json

import pytest

import server
from server.cli.client import Client
from server.cli.init import STARTERS
from server.config import Settings, load_config
from server.supervision.workplace import provide
from tests.command.conftest import Desk
from tests.supervision.test_workplaces import git


def test_version_is_printed_alone(desk: Desk) -> None:
    assert desk.bullpen("version").stdout == f"bullpen {server.__version__}\n"
    assert json.loads(desk.bullpen("version", "--json").stdout)["version"] == server.__version__


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("status",), 3), (("send", "#general", "x"), 7), (("read",), 7), (("start", "--all"), 7), (("attach", "a"), 7)],
)
def test_without_a_server_a_command_says_how_to_start_one(desk: Desk, arguments: tuple[str, ...], code: int) -> None:
    done = desk.bullpen(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert "No server runs" in done.stderr
    assert "bullpen up" in done.stderr


def test_an_address_where_nobody_answers_is_told(desk: Desk) -> None:
    done = desk.bullpen("status", "--url", "http://127.0.0.1:9", BULLPEN_TOKEN="x")
    assert done.returncode == 3
    assert "No server answers at http://127.0.0.1:9" in done.stderr
    assert desk.bullpen("send", "#general", "x", "--url", "nonsense").returncode == 2


def test_a_token_made_without_a_server_opens_the_door_of_one_started_later(desk: Desk) -> None:
    done = desk.bullpen("token", "create", "ci", "--kind", "bot", "--data", "data")
    assert done.returncode == 0, done.stderr
    (token,) = done.stdout.splitlines()
    started = desk.bullpen("up", "--detach", "--only-server", "--data", "data")
    try:
        assert started.returncode == 0, started.stderr
        url = started.stdout.partition("/#k=")[0]
        assert Client(url, token).get("/api/me")["name"] == "ci"
    finally:
        desk.bullpen("down", "--data", "data")


def test_a_command_means_the_only_server_that_runs_and_asks_which_of_several(desk: Desk) -> None:
    desk.bullpen("up", "--detach", "--only-server", "--team", "shop")
    assert desk.bullpen("status", "--json").returncode == 0
    desk.bullpen("up", "--detach", "--only-server", "--team", "lab")
    done = desk.bullpen("status")
    assert done.returncode == 2
    assert "lab, shop" in done.stderr
    assert "--team NAME" in done.stderr


def test_two_teams_with_the_same_names_see_nothing_of_each_other(desk: Desk) -> None:
    for team in ("shop", "lab"):
        assert desk.bullpen("team", "create", team).stdout.strip() == str(desk.teams / team)
        desk.bullpen("up", "--detach", "--only-server", "--team", team)
    token = desk.bullpen("token", "create", "ada", "--kind", "bot", "--team", "shop").stdout.strip()
    desk.bullpen("token", "create", "ada", "--kind", "bot", "--team", "lab")
    desk.bullpen("send", "#general", "secret of the shop", "--team", "shop")
    assert "secret" in desk.bullpen("read", "--team", "shop").stdout
    assert desk.bullpen("read", "--team", "lab").stdout == ""
    assert desk.bullpen("read", "--team", "lab", BULLPEN_TOKEN=token).returncode == 6
    rows = json.loads(desk.bullpen("team", "list", "--json", "name,state").stdout)
    assert rows == [{"name": "lab", "state": "running"}, {"name": "shop", "state": "running"}]
    assert desk.bullpen("team", "create", "shop").returncode == 5


@pytest.mark.parametrize("template", STARTERS)
def test_every_starter_is_a_good_team_file_and_overwrites_nothing(desk: Desk, template: str) -> None:
    assert desk.bullpen("init", "--template", template).returncode == 0
    config = load_config(Settings(config=desk.folder / "agents.yaml"), {})
    assert config.agents
    assert config.team == "work"
    before = (desk.folder / "agents.yaml").read_text(encoding="utf-8")
    again = desk.bullpen("init", "--template", "demo")
    assert again.returncode == 5
    assert (desk.folder / "agents.yaml").read_text(encoding="utf-8") == before


def test_doctor_says_how_to_install_a_missing_cli(desk: Desk) -> None:
    desk.bullpen("init", "--template", "solo")
    done = desk.bullpen("doctor", PATH="/nowhere")
    assert done.returncode == 3
    assert "Claude Code is not installed" in done.stdout
    assert "npm install -g @anthropic-ai/claude-code" in done.stdout


def test_doctor_looks_for_program_version_and_sign_in_of_each_cli(desk: Desk) -> None:
    program = desk.folder / "codex"
    program.write_text("#!/bin/sh\necho codex-cli 0.1.0\n", encoding="utf-8")
    program.chmod(0o755)
    agents = "agents:\n  a: { kind: codex, command: [./codex], workdir: . }\n  b: { kind: gemini }\n"
    (desk.folder / "agents.yaml").write_text(agents, encoding="utf-8")
    done = desk.bullpen("doctor", PATH="/nowhere")
    assert done.returncode == 3
    assert "Codex: 0.1.0" in done.stdout
    assert "npm install -g @openai/codex@" in done.stdout
    assert "Gemini CLI is not installed" in done.stdout
    assert "codex login" in done.stdout


def test_doctor_names_a_secret_that_cannot_be_read_and_a_folder_that_is_not_there(desk: Desk) -> None:
    (desk.folder / "agents.yaml").write_text(
        "providers: { main: { auth: api_key, token: env:NOT_SET } }\n"
        "agents: { a: { model: { name: x, provider: main }, workdir: nowhere } }\n",
        encoding="utf-8",
    )
    done = desk.bullpen("doctor")
    assert done.returncode == 3
    assert "env:NOT_SET is empty or not set" in done.stdout
    assert "mkdir -p" in done.stdout


def test_doctor_says_which_agents_share_the_account_and_names_worktrees_that_nobody_uses(desk: Desk) -> None:
    repo = desk.folder / "shop"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "commit", "-q", "--allow-empty", "-m", "first")
    worktree = "{ mode: worktree, repo: shop, path: places/ada }"
    file = desk.folder / "agents.yaml"
    file.write_text(f"agents: {{ ada: {{ kind: custom, command: [cat], workdir: {worktree} }} }}\n", encoding="utf-8")
    config = load_config(Settings(config=file, data=desk.teams / "default"))
    provide(config.agents[0], config.data / "agents/ada")
    (desk.folder / "places/ada/draft").write_text("x", encoding="utf-8")
    used = desk.bullpen("doctor").stdout
    file.write_text("agents: { ada: { kind: custom, command: [cat] } }\n", encoding="utf-8")
    left = desk.bullpen("doctor").stdout

    assert "shares your account" in used
    assert "not used any more" not in used
    assert "not used any more, with 1 uncommitted changes" in left
    assert f"git -C {repo} worktree remove" in left
    assert (desk.folder / "places/ada/draft").exists()


def test_doctor_names_a_mistake_in_the_team_file_with_its_place(desk: Desk) -> None:
    (desk.folder / "agents.yaml").write_text("agents: { a: { kind: cluade } }\n", encoding="utf-8")
    done = desk.bullpen("doctor")
    assert done.returncode == 3
    assert "agents.yaml:1:22" in done.stdout


def test_an_unknown_command_is_a_matter_of_usage(desk: Desk) -> None:
    assert desk.bullpen("upp").returncode == 2
    assert desk.bullpen("--help").returncode == 0
