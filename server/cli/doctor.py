"""`bullpen doctor`: checks of this machine and this team, each with its cause and its remedy."""

import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

import server as program
from server.cli import data_folder, output
from server.cli.checks import Check, check_agents
from server.cli.client import Client
from server.cli.connection import meant, read_record
from server.cli.failure import ExitCode
from server.cli.leftovers import living_agents
from server.cli.options import ServerOptions, json_option, server_options
from server.config import ConfigError, Location, load_config, locate
from server.storage import migrate

_LEAST_DISK = 0.05


@click.command()
@json_option
@server_options
def doctor(server: ServerOptions, json_fields: str | None) -> None:
    """Check this machine and this team. Ends with 3 if something must be mended. Changes nothing."""
    checks = list(_all(server))
    if json_fields is not None:
        output.json_rows([asdict(check) for check in checks], json_fields)
    else:
        for check in checks:
            colour = {"ok": "green", "warn": "yellow", "fail": "red"}[check.state]
            mark = output.styled(check.state.ljust(4), colour, stream=sys.stdout)
            click.echo(f"{mark}  {check.name}: {output.plain(check.cause)}")
            if check.fix:
                output.data(f"      {check.fix}")
    if any(check.state == "fail" for check in checks):
        raise SystemExit(ExitCode.UNHEALTHY)


def _all(server: ServerOptions) -> Iterator[Check]:
    yield Check("program", "ok", f"Bullpen {program.__version__}, Python {sys.version.split()[0]}")
    yield _terminal()
    settings = meant(server.settings)
    try:
        location = locate(settings)
    except ConfigError as error:
        yield from _configuration(error)
        return
    for check in (_folder, _disk, _database, _serving, _leftovers):
        yield check(location)
    try:
        config = load_config(settings)
    except ConfigError as error:
        yield from _configuration(error)
        return
    yield Check(
        "agents.yaml",
        "ok",
        f"{len(config.agents)} agents" if config.source else "there is none here; bullpen init writes one",
    )
    yield from check_agents(config)


def _configuration(error: ConfigError) -> Iterator[Check]:
    for problem in error.problems:
        yield Check("agents.yaml", "fail", f"{problem.place}: {problem.message}", problem.hint)


def _terminal() -> Check:
    try:
        for descriptor in os.openpty():
            os.close(descriptor)
    except OSError as error:
        return Check("terminals", "fail", f"no pseudo-terminal can be opened: {error.strerror}", "Mount /dev/pts")
    return Check("terminals", "ok", "pseudo-terminals can be opened")


def _folder(location: Location) -> Check:
    wrong = data_folder.problem(location.data)
    if wrong is not None:
        return Check("data folder", "fail", wrong.message, wrong.hint)
    return Check(
        "data folder", "ok", f"{location.data}" if location.data.exists() else f"{location.data}, not made yet"
    )


def _disk(location: Location) -> Check:
    folder = next(folder for folder in (location.data, *location.data.parents) if folder.exists())
    usage = shutil.disk_usage(folder)
    share = usage.free / usage.total if usage.total else 1.0
    text = f"{usage.free / 2**30:.1f} GiB free ({share:.0%})"
    if share < _LEAST_DISK:
        return Check("disk", "warn", text, "Make room: a full disk stops every message.")
    return Check("disk", "ok", text)


def _database(location: Location) -> Check:
    file = location.data / "team.sqlite3"
    if not file.exists():
        return Check("database", "ok", "not made yet")
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
        try:
            version, newest = migrate.version_of(connection), len(migrate.migrations())
            (integrity,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except migrate.NotOurs as error:
        return Check("database", "fail", str(error), "Choose another data folder: --data DIR")
    except sqlite3.Error as error:
        return Check("database", "fail", f"cannot be read: {error}", f"Look at {file}")
    if version > newest:
        return Check(
            "database", "fail", f"schema {version}; this program knows up to {newest}", "Install the newer Bullpen."
        )
    if integrity != "ok":
        return Check(
            "database", "fail", f"damaged: {integrity}", "Stop the server and restore a copy of the data folder."
        )
    return Check("database", "ok", f"schema {version}, intact")


def _serving(location: Location) -> Check:
    record = read_record(location.data)
    if record is not None:
        health = Client(record.url, None).healthy()
        if health is None:
            return Check(
                "server", "fail", f"process {record.pid} does not answer at {record.url}", f"Stop it: kill {record.pid}"
            )
        if health.get("version") != program.__version__:
            return Check(
                "server",
                "warn",
                f"{health.get('version')} runs, {program.__version__} is installed",
                "Start it again: bullpen down, bullpen up",
            )
        return Check("server", "ok", f"runs at {record.url} (process {record.pid})")
    if location.port == 0 or _is_free(location.host, location.port):
        return Check("server", "ok", f"not running; port {location.port} is free")
    return Check("server", "warn", f"not running, and port {location.port} is taken by another program",
                 f"Choose another: bullpen up --port {location.port + 1}")  # fmt: skip


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def _leftovers(location: Location) -> Check:
    left = [] if read_record(location.data) else living_agents(location.data)
    if left:
        return Check("leftovers", "warn", f"running without a server: {', '.join(left)}",
                     "Take them over: bullpen up    Stop them: bullpen down")  # fmt: skip
    return Check("leftovers", "ok", "none")
