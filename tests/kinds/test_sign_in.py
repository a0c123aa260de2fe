"""One sign-in is shared by a person and several agents, and whoever renews it does so for all."""

import time
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig
from server.supervision.kinds.catalogue import KINDS
from server.supervision.kinds.files import read_json, write_private_json
from server.supervision.kinds.sign_in import SignIn, share_sign_in
from tests.kinds.conftest import MakeRun

NOW = int(time.time() * 1000)
HOUR = 3_600_000
DAY = 24 * HOUR


def claude(at: int, **more: Any) -> dict[str, Any]:
    return {"claudeAiOauth": {"accessToken": f"made-up-{at}", "refreshToken": "made-up", "expiresAt": at, **more}}


@pytest.fixture
def shared(tmp_path: Path) -> list[SignIn]:
    """A person's sign-in and two agents' copies of it, as Claude Code keeps it."""
    (tmp_path / "person").mkdir()
    source = tmp_path / "person" / ".credentials.json"
    write_private_json(source, claude(NOW) | {"mcpOAuth": {"theirs": "made-up"}})
    pair = []
    for name in ("ada", "bo"):
        (tmp_path / name).mkdir()
        pair.append(SignIn(source, tmp_path / name / ".credentials.json", "expiresAt", "claudeAiOauth"))
        assert share_sign_in(pair[-1])
    return pair


def test_what_one_agent_renewed_reaches_the_person_and_the_other_agent(shared: list[SignIn]) -> None:
    ada, bo = shared
    write_private_json(ada.copy, claude(NOW + HOUR) | {"mcpOAuth": {"adas": "made-up"}})

    share_sign_in(bo)
    share_sign_in(ada)
    share_sign_in(bo)

    assert read_json(ada.source) == claude(NOW + HOUR) | {"mcpOAuth": {"theirs": "made-up"}}
    assert read_json(bo.copy) == claude(NOW + HOUR), "and of other services nothing"
    assert {file.stat().st_mode & 0o777 for file in (ada.source, ada.copy, bo.copy)} == {0o600}
    assert len({file.stat().st_ino for file in (ada.source, ada.copy, bo.copy)}) == 3
    assert ada.copy.stat().st_nlink == ada.source.stat().st_nlink == 1


def test_what_the_person_renewed_reaches_an_agent(shared: list[SignIn]) -> None:
    ada, _ = shared
    write_private_json(ada.source, claude(NOW + HOUR))

    share_sign_in(ada)

    assert read_json(ada.copy) == claude(NOW + HOUR)


@pytest.mark.parametrize(
    "written",
    [
        claude(NOW + 400 * DAY),
        {"claudeAiOauth": {"expiresAt": NOW + HOUR}},
        claude(NOW + HOUR, extra="x"),
        {},
        claude(1),
    ],
    ids=["good for ever", "without a token", "with more in it", "nothing", "older"],
)
def test_what_cannot_be_the_persons_sign_in_renewed_never_reaches_the_person(
    shared: list[SignIn], written: dict[str, Any]
) -> None:
    ada, _ = shared
    before = ada.source.read_text()
    write_private_json(ada.copy, written)

    share_sign_in(ada)

    assert ada.source.read_text() == before


def test_a_link_in_the_place_of_a_copy_is_not_followed(shared: list[SignIn], tmp_path: Path) -> None:
    ada, _ = shared
    other = tmp_path / "other.json"
    write_private_json(other, claude(NOW + HOUR))
    ada.copy.unlink()
    ada.copy.symlink_to(other)

    share_sign_in(ada)

    assert read_json(ada.source)["claudeAiOauth"]["expiresAt"] == NOW
    assert read_json(other) == claude(NOW + HOUR)
    assert not ada.copy.is_symlink()


def test_another_account_does_not_take_the_place_of_the_persons(tmp_path: Path) -> None:
    sign_in = SignIn(tmp_path / "auth.json", tmp_path / "copy.json", "last_refresh")
    write_private_json(sign_in.source, {"tokens": {"account_id": "one"}, "last_refresh": "2026-01-01T10:00:00Z"})
    write_private_json(sign_in.copy, {"tokens": {"account_id": "two"}, "last_refresh": "2026-01-01T11:00:00Z"})

    share_sign_in(sign_in)

    assert read_json(sign_in.source)["tokens"]["account_id"] == "one"


@pytest.mark.parametrize(
    ("kind", "source", "copy", "old", "new"),
    [
        ("claude", ".claude/.credentials.json", "claude/.credentials.json", claude(NOW), claude(NOW + HOUR)),
        ("codex", ".codex/auth.json", "codex/auth.json", {"last_refresh": "2026-01-01T10:00:00.123456789Z"},
         {"last_refresh": "2026-01-01T11:00:00.123456789Z"}),
        ("gemini", ".gemini/oauth_creds.json", "home/.gemini/oauth_creds.json", {"expiry_date": NOW},
         {"expiry_date": NOW + HOUR}),
    ],
)  # fmt: skip
def test_each_kind_gives_back_what_its_cli_renewed_while_it_runs(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, source: str, copy: str,
    old: dict[str, Any], new: dict[str, Any],
) -> None:  # fmt: skip
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    own = tmp_path / "person" / source
    own.parent.mkdir(parents=True)
    write_private_json(own, old)
    run = make_run(kind, command=("true",))
    KINDS[kind].prepare(run)
    write_private_json(run.folder / copy, new)

    KINDS[kind].share_sign_in(run)

    assert read_json(own) == new


def test_an_agent_with_a_key_of_its_own_shares_nothing(make_run: MakeRun) -> None:
    run = make_run("claude", command=("true",), environment={"ANTHROPIC_API_KEY": "made-up"})
    KINDS["claude"].share_sign_in(run)

    assert isinstance(run.agent, AgentConfig)
    assert not list(run.folder.rglob("*credentials*"))
