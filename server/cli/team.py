"""`bullpen team`: a team is a data folder with a database of its own; no query could see two of them."""

import asyncio
import os
from pathlib import Path

import click

from server.app import offline
from server.cli import data_folder, output
from server.cli.client import Json
from server.cli.connection import read_record
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import json_option
from server.config import Config, Settings, default_data_root, load_config


@click.group()
def team() -> None:
    """Make and list teams. Teams see nothing of each other."""


@team.command()
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder, if not in the usual place.")
def create(name: str, data: Path | None) -> None:
    """Make the team NAME. Prints its data folder."""
    config = load_config(Settings(team=name, data=data))
    if (config.data / "team.sqlite3").exists():
        hint = f"Start it: bullpen up --team {name}"
        raise CommandFailed(f"The team “{name}” exists already in {config.data}.", hint=hint, code=ExitCode.CONFLICT)
    data_folder.prepare(config.data)
    asyncio.run(_found(config))
    output.data(config.data)
    where = f"--data {config.data}" if data else f"--team {name}"
    output.say(f"Start it: bullpen up {where} --only-server    Or write `team: {name}` into its agents.yaml")


@team.command("list")
@json_option
def list_teams(json_fields: str | None) -> None:
    """List the teams in the usual place."""
    root = default_data_root(os.environ)
    rows = [_row(file.parent) for file in sorted(root.glob("*/team.sqlite3"))]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    if not rows:
        output.say(f"No teams in {root}. Make one: bullpen up    Or: bullpen team create NAME")
        return
    output.table(("TEAM", "STATE", "ADDRESS", "DATA"), [tuple(row.values()) for row in rows])


def _row(data: Path) -> Json:
    record = read_record(data)
    return {
        "name": data.name, "state": "running" if record else "stopped", "url": record.url if record else None,
        "data": str(data),
    }  # fmt: skip


async def _found(config: Config) -> None:
    """Opening a team that is not there makes it."""
    async with offline(config):
        pass
