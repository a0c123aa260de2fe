"""`bullpen upgrade`: whether a newer version has been published."""

import re
import subprocess
import sys

import click

from server import __version__
from server.cli import output
from server.cli.failure import CommandFailed, ExitCode

_ASKS_S = 30
_NEWEST = re.compile(r"^bullpen \((?P<version>[^)]+)\)", re.MULTILINE)


@click.command()
@click.option("--check", is_flag=True, help="Look only. (Installing is your package manager's: it knows how.)")
def upgrade(check: bool) -> None:
    """Tell whether a newer version is published. Agents go on while the server is started anew with it."""
    if not check:
        raise click.UsageError(
            "Install it with what you installed Bullpen with: pipx upgrade bullpen, or uv tool upgrade bullpen; "
            "then: bullpen down --help. Look first: bullpen upgrade --check"
        )
    newest = _newest()
    output.data(newest)
    if newest == __version__:
        output.say(f"Bullpen {__version__} is the newest.")
    else:
        output.say(f"Bullpen {__version__} is installed, {newest} is published. Install: pipx upgrade bullpen")


def _newest() -> str:
    """Ask the package index that pip is set up for."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", "bullpen"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASKS_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(
            f"The package index did not answer within {_ASKS_S} s.", hint="Try again.", code=ExitCode.TIMED_OUT
        ) from None
    found = _NEWEST.search(done.stdout)
    if found is None:
        reason = (done.stderr.strip().splitlines() or ["it named no version"])[-1]
        raise CommandFailed(
            f"The package index could not be asked: {reason[:300]}",
            hint="Look where you installed Bullpen from.",
            code=ExitCode.UNREACHABLE,
        )
    return found["version"]
