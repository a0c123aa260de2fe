"""`bullpen init`: an agents.yaml to begin with. Never overwrites anything."""

import re
from pathlib import Path

import click

from server.cli import output
from server.cli.checks import problem_of
from server.cli.failure import CommandFailed, ExitCode
from server.config import Settings, load_config

_STARTERS = Path(__file__).parent / "starters"
FILE = Path("agents.yaml")
STARTERS = ("demo", "solo", "pair")


@click.command()
@click.option("--template", type=click.Choice(STARTERS), default="solo", show_default=True,
              help="demo: two scripted agents; solo: one Claude Code; pair: a builder and a reviewer.")  # fmt: skip
def init(template: str) -> None:
    """Write an agents.yaml, and the role files it names, into this folder."""
    for file in write_starter(template, Path.cwd()):
        output.say(f"Wrote {file}")
    for problem in sorted({problem_of(agent) or "" for agent in load_config(Settings(config=FILE)).agents} - {""}):
        output.say(problem)
    output.say("Look at it, then: bullpen up")


def write_starter(template: str, folder: Path) -> list[Path]:
    """Copy a starter's files and return them, relative to the folder. Raises CommandFailed if one is there already."""
    source = _STARTERS / template
    files = [file.relative_to(source) for file in sorted(source.rglob("*")) if file.is_file()]
    if (folder / FILE).exists():
        raise CommandFailed("There is an agents.yaml here already; it is left as it is.", hint="Start it: bullpen up",
                            code=ExitCode.CONFLICT)  # fmt: skip
    written = []
    for file in files:
        target = folder / file
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            (source / file).read_text(encoding="utf-8").replace("{team}", team_name(folder)), encoding="utf-8"
        )
        written.append(file)
    return written


def team_name(folder: Path) -> str:
    """Return a team's name made of a folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:32].strip("-")
    return name or "team"
