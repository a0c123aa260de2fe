"""`bullpen up`: the office in this process, or in one that goes on without the terminal."""

import asyncio
import errno
import gc
import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from server.app import ServerReady, serve
from server.cli import background, browser, data_folder, output
from server.cli.client import Client
from server.cli.connection import Record, read_record, sign_in_link
from server.cli.failure import CommandFailed, ExitCode, unwrapped
from server.cli.init import write_starter
from server.cli.logging_setup import set_up_logging
from server.config import DEMO_TEAM, Config, SecretUnavailable, Settings, load_config, team_file
from server.storage.migrate import NewerDatabase, NotOurs

_BROWSER_S = 5.0


@click.command()
@click.option(
    "--config", type=click.Path(path_type=Path), help="Team file.  [env: BULLPEN_CONFIG; default: agents.yaml here]"
)
@click.option("--data", type=click.Path(path_type=Path), help="Data folder.  [env: BULLPEN_DATA]")
@click.option("--team", metavar="NAME", help="A team without a file, or several beside each other.")
@click.option("--host", help="Address to listen on.  [env: BULLPEN_HOST; default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [env: BULLPEN_PORT; default: 7777]"
)
@click.option(
    "--demo", is_flag=True, help="Two scripted agents that need no account, instead of agents.yaml.  [env: DEMO=1]"
)
@click.option("--only-server", is_flag=True, help="Start the server and leave the agents as they are.")
@click.option("--open/--no-open", "open_browser", default=None, help="Open the dashboard in the browser.")
@click.option("-d", "--detach", is_flag=True, help="Go on in the background, and return when the server is ready.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=60.0, show_default=True, help="With -d: seconds to wait."
)
@click.option("-v", "--verbose", is_flag=True, help="Show more of the log.")
@click.option("--background", "in_background", is_flag=True, hidden=True)
def up(
    config: Path | None, data: Path | None, team: str | None, host: str | None, port: int | None, demo: bool,
    only_server: bool, open_browser: bool | None, detach: bool, timeout: float, verbose: bool, in_background: bool,
) -> None:  # fmt: skip
    """Start the office: the server, and the agents of agents.yaml.

    Ctrl-C stops the agents, then the server; a second one stops at once.
    """
    settings = Settings(config=config, data=data, team=team, host=host, port=port, demo=demo)
    settings = _with_team(settings, only_server=only_server)
    configured = load_config(settings)
    data_folder.prepare(configured.data)
    record = read_record(configured.data)
    if record is not None:
        _already_runs(configured, record, detach)
        return
    if detach:
        ready = background.start(_again(settings, only_server=only_server, verbose=verbose), configured, timeout)
        link = sign_in_link(Client(ready.url, ready.token()), public_url=configured.public_url)
        _tell(configured, ready.url, link, len(configured.agents), detached=True)
        if browser.is_wanted(open_browser):
            link = sign_in_link(Client(ready.url, ready.token()), public_url=configured.public_url)
            browser.open_link(link, configured.data / "run").join(_BROWSER_S)
        return
    set_up_logging(configured.data, verbose=verbose)
    raise SystemExit(_run(configured, only_server=only_server, open_browser=open_browser, in_background=in_background))


def _run(configured: Config, *, only_server: bool, open_browser: bool | None, in_background: bool) -> int:
    def announce(ready: ServerReady) -> None:
        # What is there by now stays until the end: collecting garbage need not walk through it again and again.
        gc.collect()
        gc.freeze()
        # The link signs the chairman in: it is for the person at the terminal and stays out of the log file.
        link = None if in_background else ready.sign_in_url
        _tell(configured, ready.url, link, len(ready.agents), detached=in_background)
        if link and browser.is_wanted(open_browser):
            browser.open_link(link, configured.data / "run")

    try:
        with unwrapped():
            code = asyncio.run(serve(configured, announce=announce, only_server=only_server))
        output.say("The server has stopped. Start it again: bullpen up")
        return code
    except NewerDatabase as error:
        raise CommandFailed(str(error), hint=f"The database is {configured.data / 'team.sqlite3'}.") from None
    except NotOurs as error:
        hint = f"The file is {configured.data / 'team.sqlite3'}. Choose another data folder: --data DIR"
        raise CommandFailed(str(error), hint=hint) from None
    except SecretUnavailable as error:
        raise CommandFailed(f"A secret cannot be read: {error}.", hint="Look: bullpen doctor") from None
    except OSError as error:
        raise _cannot_listen(configured, error) from error


def _with_team(settings: Settings, *, only_server: bool) -> Settings:
    """Choose what to start where there is no team file: asked at a terminal, else the demo team."""
    if settings.demo or only_server or team_file(settings, os.environ) is not None:
        return settings
    if os.environ.get("DEMO", "") not in ("", "0"):
        return replace(settings, demo=True)
    if settings.team is not None:
        # A team of that name was made on purpose; two scripted strangers would not be welcome in it.
        return replace(settings, demo=settings.team == DEMO_TEAM)
    if not sys.stdin.isatty():
        return replace(settings, demo=True)
    output.say(
        "There is no agents.yaml here. What shall be started?\n"
        "  1  the demo team: two scripted agents that need no account\n"
        "  2  an agents.yaml for one real agent, written here for you to look at\n"
        "  3  only the server"
    )
    answer = click.prompt("Choice", type=click.Choice(["1", "2", "3"]), default="1", err=True)
    if answer == "1":
        return replace(settings, demo=True)
    if answer == "2":
        write_starter("solo", Path.cwd())
        output.say("Look at it, then: bullpen up")
        raise SystemExit(ExitCode.OK)
    return settings


def _already_runs(configured: Config, record: Record, detach: bool) -> None:
    output.say(f"The team “{configured.team}” runs already at {record.url} (process {record.pid}).")
    output.say("Look: bullpen status    Stop it: bullpen down")
    if not detach:
        raise SystemExit(ExitCode.CONFLICT)


def _cannot_listen(configured: Config, error: OSError) -> CommandFailed:
    if error.errno == errno.EADDRINUSE:
        health = Client(_address(configured), None).healthy()
        by = "another Bullpen" if health and "agents" in health else "another program"
        return CommandFailed(
            f"Port {configured.port} of {configured.host} is taken by {by}.",
            hint=f"Choose another: bullpen up --port {configured.port + 1}    Or any free one: --port 0",
        )
    if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES):
        return CommandFailed(
            f"Cannot listen on {configured.host}:{configured.port}: {error.strerror}.",
            hint="Choose another address or port: --host 127.0.0.1 --port 7777",
        )
    return CommandFailed(f"The server cannot start: {error}.", hint="Look for the reason: bullpen doctor")


def _address(configured: Config) -> str:
    host = f"[{configured.host}]" if ":" in configured.host else configured.host
    return f"http://{host}:{configured.port}"


def _tell(configured: Config, url: str, link: str | None, agents: int, *, detached: bool) -> None:
    output.say(f"Bullpen is ready at {url}: team “{configured.team}”, {agents} agent{'' if agents == 1 else 's'}.")
    if link:
        output.say("Sign in as chairman with this link; it works once:")
        output.data(link)
    output.say("Watch: bullpen status -w    " + ("Stop: bullpen down" if detached else "Stop: Ctrl-C"))


def _again(settings: Settings, *, only_server: bool, verbose: bool) -> list[str]:
    """Return this command's own arguments for the process in the background."""
    arguments = ["up", "--background", "--no-open"]
    for name, value in (
        ("--config", settings.config), ("--data", settings.data), ("--team", settings.team),
        ("--host", settings.host), ("--port", settings.port),
    ):  # fmt: skip
        if value is not None:
            arguments += [name, str(value)]
    flags = {"--demo": settings.demo, "--only-server": only_server, "--verbose": verbose}
    return [*arguments, *(name for name, wanted in flags.items() if wanted)]
