"""What a newcomer reads is true: the example loads, links lead somewhere, commands exist."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from server.cli.checks import AGENT_CLIS
from server.cli.failure import ExitCode
from server.cli.main import cli
from server.config import Settings, load_config
from server.supervision.kinds.catalogue import KINDS
from tests.peers.agent_clis import VERSIONS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_example_of_a_team_file_loads_and_shows_every_kind() -> None:
    config = load_config(Settings(config=ROOT / "agents.example.yaml"), {})
    assert {agent.kind for agent in config.agents} == set(KINDS)
    assert [agent.name for agent in config.agents if agent.role == "lead"] == ["pm"]
    assert next(agent for agent in config.agents if agent.name == "api-2").channels == ("general", "dev")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_index_of_the_documentation_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in index} == set()


def test_every_command_and_option_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert name in text, name
        children = command.commands.values() if isinstance(command, click.Group) else [command]
        for parameter in (parameter for child in children for parameter in child.params):
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert any(option in text for option in parameter.opts), f"{name} {parameter.opts}"


def test_every_exit_code_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == {int(code) for code in ExitCode}


@pytest.mark.parametrize("target", ["up", "test", "soak", "bench", "lint", "fmt", "clean", "test-deps"])
def test_make_has_the_target(target: str) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_make_passes_arguments_and_environment_on() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "up", "ARGS=--port 8000"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "bullpen up --port 8000" in done.stdout


@pytest.mark.parametrize("kind", sorted(AGENT_CLIS))
def test_the_version_of_an_agent_cli_that_is_tested_is_the_same_everywhere(kind: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installed = re.search(rf"^{kind.upper()}_VERSION := (\S+)$", makefile, re.MULTILINE)
    assert installed is not None
    assert installed[1] == AGENT_CLIS[kind].tested == VERSIONS[kind]
    documented = (ROOT / "docs" / "agent-clis.md").read_text(encoding="utf-8")
    assert f"{AGENT_CLIS[kind].title} {VERSIONS[kind]}" in documented
