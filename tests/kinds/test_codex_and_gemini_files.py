"""What Codex and Gemini CLI are started with: their files, their credentials, and why they are not started."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.config import Provider, SecretReference
from server.supervision.kinds.codex.adapter import Codex
from server.supervision.kinds.gemini.adapter import Gemini
from server.supervision.kinds.kind import CannotLaunch, Kind
from server.supervision.kinds.toml_text import toml_text
from tests.kinds.conftest import TOKEN, MakeRun

KEY = "sk-test-0123456789"
KINDS: dict[str, Kind] = {"codex": Codex(), "gemini": Gemini()}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))


def _provider(**fields: Any) -> Provider:
    return replace(Provider("p", "api_key", "http://127.0.0.1:9/v1", SecretReference("env", "TEST_KEY")), **fields)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_key_nor_token_stands_in_a_file_or_on_the_command_line(make_run: MakeRun, kind: str) -> None:
    run = make_run(kind, command=("true",), provider=_provider())

    launch = KINDS[kind].prepare(run)

    assert KEY in launch.environment.values()
    assert not any(KEY in word or TOKEN in word for word in launch.argv)
    files = [file for file in run.folder.rglob("*") if file.is_file() and file != run.token_file]
    assert files
    for file in files:
        content = file.read_bytes()
        assert KEY.encode() not in content, file
        assert TOKEN.encode() not in content, file
    for folder in {file.parent for file in files if file.parent.name in ("codex", ".gemini")}:
        assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("kind", "folder", "name"), [("codex", "~/.codex", "auth.json"),
                                                      ("gemini", "~/.gemini", "oauth_creds.json")])  # fmt: skip
def test_a_persons_own_sign_in_is_copied_and_without_one_the_launch_says_so(
    make_run: MakeRun, kind: str, folder: str, name: str
) -> None:
    run = make_run(kind, command=("true",))
    with pytest.raises(CannotLaunch, match="not signed in"):
        KINDS[kind].prepare(run)

    own = Path(folder).expanduser() / name
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    KINDS[kind].prepare(run)

    (copy,) = [file for file in run.folder.rglob(name) if file.is_file()]
    assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("kind", "name"), [("codex", ".codex/config.toml"), ("codex", ".codex/hooks.json"),
                                            ("gemini", ".gemini/settings.json")])  # fmt: skip
def test_a_project_that_brings_settings_for_its_cli_is_refused_until_that_is_allowed(
    make_run: MakeRun, tmp_path: Path, kind: str, name: str
) -> None:
    repository = tmp_path / "shop"
    inside = repository / "api"
    inside.mkdir(parents=True)
    (repository / ".git").mkdir()
    (repository / name).parent.mkdir()
    (repository / name).write_text("")
    run = make_run(kind, command=("true",), provider=_provider(), workdir=inside)

    with pytest.raises(CannotLaunch, match="trust_project"):
        KINDS[kind].prepare(run)
    allowed = replace(run, agent=replace(run.agent, options={"trust_project": True}))
    assert KINDS[kind].prepare(allowed).working_directory == inside.resolve()


def test_what_a_person_set_beside_our_settings_stays(make_run: MakeRun) -> None:
    run = make_run("codex", command=("true",), provider=_provider())
    file = run.folder / "codex" / "config.toml"
    file.parent.mkdir(mode=0o700)
    file.write_text('approval_policy = "never"\n[mcp_servers.mine]\ncommand = "x \\"y\\""\nargs = ["ü", 3, true]\n')

    Codex().prepare(run)
    written = tomllib.loads(file.read_text())
    Codex().prepare(run)

    assert tomllib.loads(file.read_text()) == written
    assert written["mcp_servers"]["mine"] == {"command": 'x "y"', "args": ["ü", 3, True]}
    assert written["approval_policy"] == "on-request"
    gemini = make_run_like(run, "gemini")
    Gemini().prepare(gemini)
    settings = json.loads((gemini.home / ".gemini" / "settings.json").read_text())
    assert settings["mcpServers"]["team"]["trust"] is True


def make_run_like(run: Any, kind: str) -> Any:
    return replace(run, agent=replace(run.agent, kind=kind))


def test_toml_that_is_written_is_read_as_the_same() -> None:
    content = {"a": 1, "b": {"c d": ["x\n\x7f", False, {"e": 1.5}], "f": {}}, "g": {"h": {"i": "\U0001f600"}}}

    assert tomllib.loads(toml_text(content)) == content
