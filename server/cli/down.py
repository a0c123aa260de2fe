"""`bullpen down`: stop the agents, then the server, as Ctrl-C does."""

import os
import signal
import time
from dataclasses import replace

import click

from server.cli import background, output
from server.cli.agents import ask, wait_until_settled
from server.cli.connection import Record, connect, is_alive, meant, running
from server.cli.failure import CommandFailed, ExitCode
from server.cli.leftovers import living_agents
from server.cli.options import ServerOptions, server_options
from server.cli.status import list_agents
from server.config import DEFAULT_TEAM, DEMO_TEAM, load_config, locate

_LOOK_S = 0.1


@click.command()
@click.option("--agents-only", is_flag=True, help="Stop the agents; the server goes on.")
@click.option("--timeout", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds to wait.")
@server_options
def down(server: ServerOptions, agents_only: bool, timeout: float) -> None:
    """Stop the agents and every process they started, then the server."""
    if agents_only:
        client = connect(server)
        running_ones = [row for row in list_agents(client) if row["wanted"] == "running"]
        code = ask(client, "stop", [row["name"] for row in running_ones], "bullpen down")
        code = max(code, wait_until_settled(client, "stop", running_ones, timeout))
        if code != ExitCode.OK:
            raise SystemExit(code)
        return
    if server.url or os.environ.get("BULLPEN_URL"):
        raise CommandFailed(
            "A server is stopped on its own machine, not by its address.",
            hint="Leave --url and BULLPEN_URL out, or stop its agents alone: bullpen down --agents-only",
            code=ExitCode.USAGE,
        )
    record = running(server) or _server_for_leftovers(server, timeout)
    if record is None:
        return
    # The answer to our token proves that the process in the record is the server, and no later one with its number.
    connect(server).get("/api/me")
    os.kill(record.pid, signal.SIGINT)
    output.say(f"Stopping the agents and the server (process {record.pid}) …")
    deadline = time.monotonic() + timeout
    while is_alive(record.pid):
        if time.monotonic() > deadline:
            raise CommandFailed(
                f"The server has not ended after {timeout:g} s.", hint=f"Stop it at once: kill {record.pid}",
                code=ExitCode.TIMED_OUT,
            )  # fmt: skip
        time.sleep(_LOOK_S)
    output.say("Stopped. Start again: bullpen up")
    left = living_agents(record.data)
    if left:
        raise CommandFailed(f"These agents still run: {', '.join(left)}.", hint="Look: bullpen doctor")


def _server_for_leftovers(server: ServerOptions, timeout_s: float) -> Record | None:
    """Start a server for the agents that a stopped one has left, so that they can be stopped. None without any."""
    settings = meant(server.settings)
    location = locate(settings)
    left = living_agents(location.data)
    if not left:
        output.say(f"No server runs for the team “{location.team}”, and none of its agents.")
        return None
    output.say(f"No server runs, but {', '.join(left)}: starting one to stop them.")
    is_demo = location.source is None and location.team in (DEMO_TEAM, DEFAULT_TEAM)
    config = load_config(replace(settings, data=location.data, port=0, demo=is_demo))
    arguments = ["up", "--background", "--no-open", "--only-server", "--port", "0", "--data", str(location.data)]
    arguments += ["--demo"] if is_demo else ["--team", location.team]
    if location.source is not None:
        arguments += ["--config", str(location.source)]
    return background.start(arguments, config, timeout_s)
