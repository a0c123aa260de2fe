"""What a kind passes on of a cloud's sign-in, and what it does not do for an agent in a sandbox."""

from pathlib import Path

import pytest

from server.config import Isolation, Provider
from server.supervision.kinds.catalogue import KINDS
from server.supervision.kinds.kind import CannotLaunch
from tests.kinds.conftest import MakeRun


@pytest.mark.parametrize(("kind", "cloud", "flag"), [("claude", "bedrock", "CLAUDE_CODE_USE_BEDROCK"),
                                                     ("claude", "vertex", "CLAUDE_CODE_USE_VERTEX"),
                                                     ("gemini", "vertex", "GOOGLE_GENAI_USE_VERTEXAI")])  # fmt: skip
def test_a_cloud_that_this_machine_is_signed_in_to_is_passed_on_and_no_other(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, cloud: str, flag: str
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_REGION", "GOOGLE_CLOUD_PROJECT", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, name)
    for variable in ("GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE"):
        (tmp_path / variable).write_text("made up")
        monkeypatch.setenv(variable, str(tmp_path / variable))
    launch = KINDS[kind].prepare(make_run(kind, command=("true",), provider=Provider("cloud", cloud)))

    theirs = {"bedrock": ("AWS_SECRET_ACCESS_KEY", "AWS_REGION"), "vertex": ("GOOGLE_CLOUD_PROJECT",)}[cloud]
    file = {"bedrock": "AWS_SHARED_CREDENTIALS_FILE", "vertex": "GOOGLE_APPLICATION_CREDENTIALS"}[cloud]
    passed = {name for name in launch.environment if name.startswith(("AWS_", "GOOGLE_CLOUD", "GITHUB"))}
    assert flag in launch.environment
    assert passed - {file} == {*theirs}
    assert launch.environment[file] == str(tmp_path / file)
    assert launch.reads == (tmp_path / file,), "a sandbox shows it this file"


@pytest.mark.parametrize(("kind", "cloud"), [("codex", "bedrock"), ("codex", "vertex"), ("gemini", "bedrock")])
def test_a_cloud_that_a_cli_cannot_use_is_refused(make_run: MakeRun, kind: str, cloud: str) -> None:
    with pytest.raises(CannotLaunch, match=f"cannot use {cloud}"):
        KINDS[kind].prepare(make_run(kind, command=("true",), provider=Provider("cloud", cloud)))


def test_nothing_is_queued_from_outside_of_a_sandbox_with_a_configuration_that_is_written_inside(
    make_run: MakeRun, tmp_path: Path
) -> None:
    program = tmp_path / "codex"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    program.chmod(0o700)
    run = make_run("codex", command=(str(program),), isolation=Isolation("bwrap"))

    assert not KINDS["codex"].queue(run, "hello")
    assert not (tmp_path / "ran").exists()


def test_a_link_in_the_place_of_a_folder_of_ours_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("gemini", command=("true",), provider=Provider("keyless", "none", "http://127.0.0.1:9"))
    (tmp_path / "theirs").mkdir()
    run.home.mkdir(parents=True)
    (run.home / ".gemini").symlink_to(tmp_path / "theirs")

    with pytest.raises(PermissionError, match="is a link"):
        KINDS["gemini"].prepare(run)

    assert not list((tmp_path / "theirs").iterdir())
