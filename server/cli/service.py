"""`bullpen service`: have the system start the office at sign-in, and again when it fails (systemd, launchd)."""

import os
import plistlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from server.cli import output
from server.cli.connection import meant
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, server_options
from server.config import Location, locate

_UNIT = """[Unit]
Description=Bullpen, team {team}
Documentation=man:systemd.kill(5)

[Service]
Type=notify
ExecStart={command}
WorkingDirectory={folder}
UMask=0077
# The server alone is ended: agents live on in their holders, and the next start finds them.
KillMode=process
# Each agent gets a control group of its own below this one, beside the server's (systemd 254 or newer).
Delegate=memory pids cpu
DelegateSubgroup=office
Restart=on-failure
RestartSec=2
# A server whose event loop hangs misses its beats and is started anew.
WatchdogSec=60
TimeoutStartSec=120
TimeoutStopSec=30

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True)
class _Manager:
    """The service manager of this system, and where it looks for what it starts."""

    name: str
    program: str
    file: Path
    text: bytes
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    state: tuple[str, ...]


@click.group()
def service() -> None:
    """Have the system start the office, and start it again when it fails."""


@service.command()
@click.option("--start/--no-start", default=True, show_default=True, help="Start it at once.")
@server_options
def install(server: ServerOptions, start: bool) -> None:
    """Install a service for this team, for your user alone. Agents live on when it is stopped or started anew."""
    location = locate(meant(server.settings))
    manager = _manager(location)
    if start and shutil.which(manager.program) is None:
        raise CommandFailed(
            f"There is no {manager.program} here, so nothing could start the service.",
            hint="Start the office yourself: bullpen up -d    Or write the file alone: --no-start",
            code=ExitCode.NOT_FOUND,
        )
    manager.file.parent.mkdir(parents=True, exist_ok=True)
    manager.file.write_bytes(manager.text)
    output.data(manager.file)
    for command in manager.start if start else ():
        _run(command)
    if start:
        output.say(f"Started. Look: bullpen service status    Stop the server alone: {' '.join(manager.stop[0])}")
    if manager.name == "systemd":
        output.say("To have it run while you are not signed in: loginctl enable-linger")


@service.command()
@server_options
def status(server: ServerOptions) -> None:
    """Show what the service manager says of it. Exit code 3 if it does not run, 4 if it is not installed."""
    manager = _manager(locate(meant(server.settings)))
    if not manager.file.exists():
        raise CommandFailed(
            "No service is installed for this team.",
            hint="Install it: bullpen service install",
            code=ExitCode.NOT_FOUND,
        )
    output.data(manager.file)
    done = subprocess.run(manager.state, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    output.say((done.stdout or done.stderr).strip()[:2000])
    if done.returncode != 0:
        raise SystemExit(ExitCode.UNHEALTHY)


@service.command()
@server_options
def uninstall(server: ServerOptions) -> None:
    """Stop the server and remove the service. Agents go on; `bullpen down` stops them too."""
    manager = _manager(locate(meant(server.settings)))
    if not manager.file.exists():
        output.say("No service is installed for this team.")
        return
    for command in manager.stop:
        _run(command)
    manager.file.unlink()
    output.say(f"Removed {manager.file}.")


def _manager(location: Location) -> _Manager:
    name = f"bullpen-{location.team}"
    folder = Path.cwd() if location.source is None else location.source.parent
    arguments = [
        sys.executable,
        "-P",
        "-m",
        "server.cli",
        "up",
        "--background",
        "--no-open",
        "--data",
        str(location.data),
    ]
    arguments += ["--team", location.team] if location.source is None else ["--config", str(location.source)]
    if sys.platform == "darwin":
        label = f"bullpen.{location.team}"
        file = Path.home() / "Library" / "LaunchAgents" / f"{label}.plist"
        place = f"gui/{os.getuid()}"
        return _Manager(
            "launchd", "launchctl", file, _property_list(label, arguments, folder, location.data),
            start=(("launchctl", "bootstrap", place, str(file)),),
            stop=(("launchctl", "bootout", f"{place}/{label}"),),
            state=("launchctl", "print", f"{place}/{label}"),
        )  # fmt: skip
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    command = " ".join(_quoted(argument) for argument in arguments)
    unit = _UNIT.format(team=location.team, command=command, folder=str(folder).replace("%", "%%"))
    control = ("systemctl", "--user")
    return _Manager(
        "systemd", "systemctl", home / "systemd" / "user" / f"{name}.service", unit.encode(),
        start=((*control, "daemon-reload"), (*control, "enable", "--now", name)),
        stop=((*control, "disable", "--now", name), (*control, "daemon-reload")),
        state=(*control, "status", "--no-pager", name),
    )  # fmt: skip


def _property_list(label: str, arguments: list[str], folder: Path, data: Path) -> bytes:
    return plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": arguments,
            "WorkingDirectory": str(folder),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            # Agents are in groups of their own; without this launchd would end them with the server.
            "AbandonProcessGroup": True,
            "Umask": 0o077,
            "StandardErrorPath": str(data / "log" / "service.log"),
        }
    )


def _quoted(word: str) -> str:
    """Return a word as systemd reads it: quoted, with its own signs doubled (systemd.service(5))."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _run(command: tuple[str, ...]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(
            f"{' '.join(command)} failed: {done.stderr.strip()[:500] or f'exit {done.returncode}'}",
            hint="Is there a session of that service manager? Else start the office yourself: bullpen up -d",
        )
