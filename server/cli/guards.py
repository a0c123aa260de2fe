"""`bullpen guards`: which agents are paused because they only talk to each other, and what becomes of them."""

import click

from server.cli import output
from server.cli.client import segment
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options


@click.group(invoke_without_command=True)
@click.option("--all", "show_all", is_flag=True, help="Those that were cleared too.")
@json_option
@server_options
@click.pass_context
def guards(context: click.Context, server: ServerOptions, json_fields: str | None, show_all: bool) -> None:
    """Show which agents are paused because they only talk to each other."""
    if context.invoked_subcommand is not None:
        return
    rows = connect(server).get("/api/guards", status="all" if show_all else "open")["guards"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    if not rows:
        output.say("No agent is paused by a guard.")
        return
    table = [
        (
            row["id"],
            ", ".join(row["members"]),
            row["channel"],
            output.span(row["tripped_at"]),
            f"{row['decision']} ({row['decided_by']})" if row["decision"] else "waits",
            row["evidence"],
        )
        for row in rows
    ]
    output.table(("ID", "WHO", "WHERE", "SINCE", "DECIDED", "WHY"), table)
    output.say("Decide: bullpen guards continue ID, keep ID, stop ID")


@guards.command("continue")
@click.argument("guard_id", metavar="ID")
@server_options
def let_continue(server: ServerOptions, guard_id: str) -> None:
    """Let the agents of ID continue: what was held reaches them now."""
    _decide(server, guard_id, "continue")


@guards.command()
@click.argument("guard_id", metavar="ID")
@server_options
def keep(server: ServerOptions, guard_id: str) -> None:
    """Keep the agents of ID paused, and ask nobody any more."""
    _decide(server, guard_id, "keep")


@guards.command()
@click.argument("guard_id", metavar="ID")
@server_options
def stop(server: ServerOptions, guard_id: str) -> None:
    """Tell the agents of ID to stop that exchange: what was held is not delivered."""
    _decide(server, guard_id, "stop")


def _decide(server: ServerOptions, guard_id: str, decision: str) -> None:
    row = connect(server).post(f"/api/guards/{segment(guard_id)}/resolve", {"decision": decision})
    done = {"continue": "go on", "keep": "stay paused", "stop": "are told to stop"}[decision]
    output.say(f"{row['id']}: {', '.join(row['members'])} {done}.")
