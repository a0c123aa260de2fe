"""`bullpen start`, `stop` and `restart`: ask the server, and wait if that is wanted."""

import time
from collections.abc import Sequence

import click

from server.cli import output
from server.cli.client import Client, Json, Refused, segment
from server.cli.connection import connect
from server.cli.failure import ExitCode
from server.cli.options import ServerOptions, json_option, server_options
from server.cli.status import list_agents, matching

_LOOK_S = 0.2
_GIVEN_UP = ("fatal", "blocked")
_DONE = {"start": "Asked to start", "stop": "Asked to stop", "restart": "Asked to restart"}


def _verb(name: str, description: str) -> click.Command:
    @click.command(name, help=description)
    @click.argument("agents", nargs=-1, metavar="[AGENT]…")
    @click.option("--all", "everybody", is_flag=True, help="Every agent of the team.")
    @click.option("--reason", default="", help="Why; it is kept in the agent's history.")
    @click.option("--wait", is_flag=True, help="Wait until it is done.")
    @click.option("--timeout", type=click.FloatRange(min=0), default=120.0, show_default=True, help="Seconds to wait.")
    @json_option
    @server_options
    def run(
        server: ServerOptions, agents: tuple[str, ...], everybody: bool, reason: str, wait: bool, timeout: float,
        json_fields: str | None,
    ) -> None:  # fmt: skip
        if bool(agents) == everybody:
            raise click.UsageError(f"Name agents (patterns as api-* too), or all: bullpen {name} --all")
        client = connect(server)
        before = matching(list_agents(client), agents)
        chosen = [row["name"] for row in before]
        code = ask(client, name, chosen, reason)
        if wait:
            waited = wait_until_settled(client, name, before, timeout)
            code = waited if waited != ExitCode.OK else code
        if json_fields is not None:
            output.json_rows([row for row in list_agents(client) if row["name"] in chosen], json_fields)
        elif not wait and code == ExitCode.OK:
            output.say("Watch: bullpen status -w")
        if code != ExitCode.OK:
            raise SystemExit(code)

    return run


def ask(client: Client, verb: str, names: Sequence[str], reason: str) -> ExitCode:
    """Ask the server to do it to each agent; say which ones it refused."""
    refused: list[Refused] = []
    for name in names:
        try:
            client.post(f"/api/agents/{segment(name)}/{verb}", {"reason": reason} if reason else {})
        except Refused as refusal:
            output.say(f"{name}: {refusal.message} {refusal.hint}".rstrip())
            refused.append(refusal)
    done = len(names) - len(refused)
    if done:
        output.say(f"{_DONE[verb]}: {done} agent{'' if done == 1 else 's'}.")
    if not refused:
        return ExitCode.OK
    return ExitCode.PARTLY if done else refused[0].code


def wait_until_settled(client: Client, verb: str, before: Sequence[Json], timeout_s: float) -> ExitCode:
    """Wait until each agent, given as it was before, is where it was asked to be; say where the others are."""
    deadline = time.monotonic() + timeout_s
    waiting = {row["name"]: row for row in before}
    failed: list[Json] = []
    while True:
        for row in list_agents(client):
            name = row["name"]
            if name in waiting and _has_given_up(verb, waiting[name], row):
                failed.append(row)
                del waiting[name]
            elif name in waiting and _is_there(verb, waiting[name], row):
                del waiting[name]
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(_LOOK_S)
    for row in failed:
        output.say(f"{row['name']} is {row['state']}: {row['reason']}. Look: bullpen logs {row['name']}")
    if waiting:
        output.say(f"Not there after {timeout_s:g} s: {', '.join(waiting)}. Look: bullpen status")
        return ExitCode.TIMED_OUT
    return ExitCode.FAILED if failed else ExitCode.OK


def _is_there(verb: str, before: Json, row: Json) -> bool:
    if verb == "stop":
        return row["state"] in ("stopped", "exited", *_GIVEN_UP)
    # The run it had before is not the one that was asked for.
    again = verb == "restart" and row["run_id"] == before["run_id"]
    return row["state"] in ("ready", "degraded") and not again


def _has_given_up(verb: str, before: Json, row: Json) -> bool:
    return verb != "stop" and row["state"] in _GIVEN_UP and row["since"] != before["since"]


start = _verb("start", "Start agents. Names may be patterns, as api-*.")
stop = _verb("stop", "Stop agents and every process they started. They stay stopped until started again.")
restart = _verb("restart", "Stop agents and start them again with their conversation.")
