"""`bullpen lock`: who works on which files; and a guard for git that asks before a commit."""

import stat
import subprocess
import sys
from pathlib import Path

import click

from server.cli import output
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, json_option, server_options

_GUARD = """#!/bin/sh
# Ask Bullpen whether somebody else works on what is being committed. `git commit --no-verify` skips it.
"""
_CHECK = f'"{sys.executable}" -m server.cli lock check --staged'


@click.group()
def lock() -> None:
    """Show, check and release file reservations."""


@lock.command("list")
@click.argument("path", required=False)
@json_option
@server_options
def list_locks(server: ServerOptions, path: str | None, json_fields: str | None) -> None:
    """List what is reserved, or what can mean the same files as PATH."""
    rows = connect(server).get("/api/reservations", path=path)["reservations"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    shown = [(row["path"], row["member"], row["mode"], row["expires_at"][11:16], row["reason"]) for row in rows]
    output.table(("PATH", "WHO", "MODE", "UNTIL (UTC)", "WHY"), shown)


@lock.command()
@click.argument("paths", nargs=-1)
@click.option("--of", "member", metavar="NAME", help="Whose; yours without.")
@server_options
def release(server: ServerOptions, paths: tuple[str, ...], member: str | None) -> None:
    """Release reservations: PATHS, or all."""
    given = {"paths": list(paths) or None, "member": member}
    body = {name: value for name, value in given.items() if value}
    found = connect(server).post("/api/reservations/release", body)["reservations"]
    output.say(f"{len(found)} released.")


@lock.command()
@click.argument("paths", nargs=-1)
@click.option("--staged", is_flag=True, help="What git is about to commit here.")
@server_options
def check(server: ServerOptions, paths: tuple[str, ...], staged: bool) -> None:
    """Tell whether somebody else works on PATHS. Exit code 5 if so. Changes nothing."""
    asked = _staged() if staged else list(paths)
    if not asked:
        return
    conflicts = connect(server).post("/api/reservations/check", {"paths": asked})["conflicts"]
    for conflict in conflicts:
        held = conflict["held"]
        why = f": {held['reason']}" if held["reason"] else ""
        output.data(f"{conflict['path']} is {held['member']}'s until {held['expires_at'][11:16]} UTC{why}")
    if conflicts:
        raise CommandFailed("Somebody else works on these.", hint="Agree with them first.", code=ExitCode.CONFLICT)


@lock.command()
def guard() -> None:
    """Have git ask before each commit in this repository. A server that is away holds nothing up."""
    folder = Path(_git("rev-parse", "--git-path", "hooks"))
    hook = folder / "pre-commit"
    if hook.exists() and not hook.read_text(encoding="utf-8").startswith(_GUARD):
        raise CommandFailed(f"{hook} is there already.", hint=f"Add this line to it: {_CHECK}", code=ExitCode.CONFLICT)
    folder.mkdir(parents=True, exist_ok=True)
    hook.write_text(f"{_GUARD}{_CHECK}\n[ $? -ne {int(ExitCode.CONFLICT)} ]\n", encoding="utf-8")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    output.say(f"{hook} asks before each commit. To do without: remove it.")


def _staged() -> list[str]:
    return [path for path in _git("diff", "--cached", "--name-only", "-z").split("\0") if path]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed("This is no git repository.", hint=done.stderr.strip()[:200])
    return done.stdout.removesuffix("\n")
