"""The kinds of which little is known: any program, and one that somebody else runs; and the list of all."""

from pathlib import Path

import pytest

from server.config import AgentConfig, keys
from server.supervision.kinds.catalogue import KINDS
from server.supervision.kinds.custom import Custom
from server.supervision.kinds.external import External
from server.supervision.kinds.instructions import compose_instructions
from server.supervision.kinds.kind import CannotLaunch
from tests.kinds.conftest import TOKEN, MakeRun
from tests.peers.terminal import Terminal


def test_every_kind_that_a_team_file_may_name_is_there() -> None:
    assert set(KINDS) == set(keys.KINDS)
    assert all(name == kind.name for name, kind in KINDS.items())


async def test_a_custom_program_finds_the_team_by_its_environment_alone(make_run: MakeRun) -> None:
    script = 'echo "$BULLPEN_AGENT $BULLPEN_URL"; cat "$BULLPEN_TOKEN_FILE"; test -r "$BULLPEN_MCP_CONFIG" && echo yes'
    run = make_run("custom", command=("sh", "-c", script))

    launch = Custom().prepare(run)
    async with Terminal(launch.argv, launch.environment, launch.working_directory) as terminal:
        await terminal.wait_until_ended()

    assert launch.argv[0].endswith("/sh")
    assert terminal.text.split("\n") == ["ada http://127.0.0.1:9", TOKEN, "yes"]


def test_words_of_a_command_are_never_read_by_a_shell(make_run: MakeRun) -> None:
    run = make_run("custom", command=("echo", "$(touch /tmp/x)", "-n", "a b"))

    assert Custom().prepare(run).argv[1:] == ("$(touch /tmp/x)", "-n", "a b")


@pytest.mark.parametrize(("command", "said"), [((), "no command"), (("not-a-program",), "no program not-a-program")])
def test_a_custom_agent_that_cannot_start_says_why(make_run: MakeRun, command: tuple[str, ...], said: str) -> None:
    run = make_run("custom", command=command)

    assert said in (Custom().problem(run.agent) or "")
    with pytest.raises(CannotLaunch, match=said):
        Custom().prepare(run)


def test_a_program_in_the_work_directory_is_named_by_its_relative_path(make_run: MakeRun, tmp_path: Path) -> None:
    program = tmp_path / "bot.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    run = make_run("custom", command=("./bot.sh",), workdir=tmp_path)

    assert Path(Custom().prepare(run).argv[0]) == program


def test_an_external_agent_is_never_started(make_run: MakeRun) -> None:
    run = make_run("external")

    assert External.has_process is False
    assert External().problem(run.agent) is None
    with pytest.raises(CannotLaunch):
        External().prepare(run)


@pytest.mark.parametrize("job", ["lead", "developer", "reviewer", "demo"])
def test_every_job_that_we_ship_has_its_text(job: str) -> None:
    told = compose_instructions(AgentConfig("ada", "claude", "member", job, Path()))

    assert f"# Your job: {job}" in told
    assert "$" not in told


def test_a_job_of_the_teams_own_without_a_text_gets_the_common_one() -> None:
    told = compose_instructions(AgentConfig("ada", "claude", "member", "../secret", Path()))

    assert told.startswith("# You are a member of a team")
    assert "# Your job" not in told


def test_a_prompt_file_that_cannot_be_read_stops_the_launch(tmp_path: Path) -> None:
    agent = AgentConfig("ada", "claude", "member", "", Path(), prompt=tmp_path / "gone.md")

    with pytest.raises(CannotLaunch, match=r"gone\.md"):
        compose_instructions(agent)
