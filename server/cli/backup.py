"""`bullpen backup`: made by the server where one runs, else on the data folder itself; restored without one only."""

import asyncio
import os
import shutil
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import click

from server.app import offline, only_one
from server.backup import archive, checking, making, restoring
from server.backup.archive import DATABASE, BackupFile, Manifest
from server.backup.keeper import Backups
from server.cli import data_folder, output
from server.cli.client import Json
from server.cli.connection import connect, meant, running
from server.cli.failure import CommandFailed, ExitCode
from server.cli.leftovers import living_agents
from server.cli.options import ServerOptions, json_option, server_options
from server.config import Config, load_config, locate
from server.dispatch import wall_clock

_LONGEST_S = 3600.0


@click.group()
def backup() -> None:
    """Make, list, check and restore backups."""


@backup.command()
@click.option("--with-agents", is_flag=True, help="Agents' homes too: conversations and settings, never credentials.")
@json_option
@server_options
def create(server: ServerOptions, with_agents: bool, json_fields: str | None) -> None:
    """Make a backup into DATA/backups, while the team is at work or not, and print its name."""
    if _is_served(server):
        made = connect(server).post("/api/backups", {"with_agents": with_agents}, timeout_s=_LONGEST_S)
    else:
        config = load_config(meant(server.settings))
        if not (config.data / DATABASE).exists():
            raise CommandFailed(f"There is no team in {config.data}.", hint="Choose another: --data DIR")
        made = asdict(asyncio.run(_made_offline(config, with_agents)))
    if json_fields is not None:
        output.json_rows([made], json_fields)
        return
    output.data(made["name"])
    output.say(f"{made['messages']} messages, {made['files']} files, {_size(made['bytes'])}.")


@backup.command("list")
@json_option
@server_options
def list_backups(server: ServerOptions, json_fields: str | None) -> None:
    """List backups, newest first."""
    rows: list[Json]
    if _is_served(server):
        rows = connect(server).get("/api/backups")["backups"]
    else:
        rows = [asdict(found) for found in archive.listed(_folder(server))]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    table = [
        (row["name"], row["made_at"][:19], row["purpose"], row["messages"], row["files"], _size(row["bytes"]))
        for row in rows
    ]
    output.table(("NAME", "MADE (UTC)", "WHY", "MESSAGES", "FILES", "SIZE"), table)


@backup.command()
@click.argument("file")
@server_options
def verify(server: ServerOptions, file: str) -> None:
    """Check the backup FILE (a path, or a name of the list): hashes, database, log, and whether it can be restored."""
    found = checking.check(_file(server, file))
    _require_whole(found)
    assert found.manifest is not None
    output.say(f"Whole: {_contents(found.manifest)}.")


@backup.command()
@click.argument("file")
@click.option("--plan", is_flag=True, help="Only tell what would be done.")
@server_options
def restore(server: ServerOptions, file: str, plan: bool) -> None:
    """Put the backup FILE in the place of the team's data. No server may run; what is there is backed up first."""
    path = _file(server, file)
    config = load_config(meant(server.settings))
    data_folder.prepare(config.data)
    if plan:
        found = checking.check(path)
        _require_whole(found)
        assert found.manifest is not None
        _require_same_team(config, found.manifest)
        _tell_plan(config, found.manifest)
        return
    _require_nobody(config.data)
    with only_one(config.data):
        staged = restoring.new_folder(config.data)
        try:
            found = checking.check_into(path, staged)
            _require_whole(found)
            assert found.manifest is not None
            _require_same_team(config, found.manifest)
            with_agents = any(part.name.startswith("agents/") for part in found.manifest.parts)
            safety = _safety_copy(config.data, with_agents)
            asyncio.run(_made_ready(replace(config, data=staged), path.name, found.manifest, safety))
            for name in ("files", *(("agents",) if with_agents else ())):
                (staged / name).mkdir(mode=0o700, exist_ok=True)
            is_unreadable = safety is None and (config.data / DATABASE).exists()
            restoring.commit(config.data, staged, keep_replaced=is_unreadable)
        finally:
            if not (config.data / "run" / "restore.json").exists():
                shutil.rmtree(staged, ignore_errors=True)
    output.say(f"The team is as it was at {found.manifest.made_at}: {_contents(found.manifest)}.")
    if safety is not None:
        output.say(f"What was there before is kept as {safety.name}.")
    elif is_unreadable:
        output.say("What was there before could not be read; its files are kept as they were in backups/replaced-….")
    output.say("Tokens that were revoked since then hold again: bullpen token list. Go on: bullpen up")


async def _made_offline(config: Config, with_agents: bool) -> BackupFile:
    async with offline(config) as store:
        return await Backups(config.data, wall_clock).make("manual", store.record_backup, with_agents=with_agents)


async def _made_ready(config: Config, name: str, manifest: Manifest, safety: BackupFile | None) -> None:
    """Bring what is to come to this program's schema, give it a new epoch, and have it say so."""
    async with offline(config) as store:
        copy = None if safety is None else safety.name
        await store.run("record_restore", backup=name, made_at=manifest.made_at, safety_copy=copy)


def _safety_copy(data: Path, with_agents: bool) -> BackupFile | None:
    """Back up what is there, if anything is and it can be read."""
    if not (data / DATABASE).exists():
        return None
    try:
        return making.make(data, purpose="before-restore", now=wall_clock(), with_agents=with_agents)
    except sqlite3.DatabaseError:
        return None


def _is_served(server: ServerOptions) -> bool:
    return bool(server.url or os.environ.get("BULLPEN_URL")) or running(server) is not None


def _folder(server: ServerOptions) -> Path:
    return locate(meant(server.settings)).data / "backups"


def _file(server: ServerOptions, name: str) -> Path:
    """Find a backup by its path, or by its name among the team's."""
    for path in (Path(name), _folder(server) / name):
        if path.is_file():
            return path.absolute()
    raise CommandFailed(f"There is no backup “{name}”.", hint="Look: bullpen backup list", code=ExitCode.NOT_FOUND)


def _require_whole(found: checking.Checked) -> None:
    if found.problems:
        raise CommandFailed("This backup cannot be relied on:\n  " + "\n  ".join(found.problems))


def _require_same_team(config: Config, manifest: Manifest) -> None:
    if manifest.team != config.team:
        raise CommandFailed(
            f"The backup is of the team “{manifest.team}”, and {config.data} is of “{config.team}”.",
            hint=f"Restore it there: --team {manifest.team}",
            code=ExitCode.CONFLICT,
        )


def _require_nobody(data: Path) -> None:
    """Raise if agents work on: the server that is restored knows nothing of them."""
    living = living_agents(data)
    if living:
        raise CommandFailed(
            f"Agents are at work: {', '.join(living)}.", hint="Stop them: bullpen down", code=ExitCode.CONFLICT
        )


def _tell_plan(config: Config, manifest: Manifest) -> None:
    output.data(f"would restore  {_contents(manifest)}, made {manifest.made_at} by Bullpen {manifest.version}")
    output.data(f"into           {config.data}")
    database = config.data / DATABASE
    if not database.exists():
        output.data("in place of    nothing")
        return
    with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as connection:
        facts = making.facts_of(connection)
    connection.close()
    output.data(f"in place of    {facts.rows.get('message', 0)} messages, {facts.seq} events; a copy is made first")


def _contents(manifest: Manifest) -> str:
    files = sum(part.name.startswith("files/") for part in manifest.parts)
    return f"{manifest.rows.get('message', 0)} messages, {manifest.seq} events, {files} files, schema {manifest.schema}"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"
