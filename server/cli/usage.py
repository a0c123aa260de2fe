"""`bullpen usage` and `bullpen budget`: what agents use, and what they may cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from server.cli import output
from server.cli.client import Client, Json
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options
from server.config.section import duration_s
from server.core.amount import parse_amount, write_amount

_PERIODS = {"day": "per_day", "month": "per_month", "task": "per_task"}
_PAID = {"api": "API", "plan": "plan", "unknown": "unknown"}


@click.command()
@click.option("--by", default="agent", show_default=True, help="Group by any of agent, task, model, day, hour.")
@click.option("--since", metavar="WHEN", help="From a day or time on, or so long ago, as 24h or 7d.  [default: 7d]")
@json_option
@server_options
def usage(server: ServerOptions, by: str, since: str | None, json_fields: str | None) -> None:
    """Show tokens, cost and working time of agents. What a plan pays is never added to what an account pays."""
    client = connect(server)
    found = client.get("/api/usage", by=by, since=_moment(since))
    if json_fields is not None:
        output.json_rows([_flat(row) for row in found["rows"]], json_fields)
        return
    if not found["rows"]:
        output.say("Nothing was used.")
        return
    words = [word.strip() for word in by.split(",")]
    output.table(
        [*(word.upper() for word in words), "PAID BY", "TOKENS", "COST", "REQUESTS", "WORKED"],
        [[*(_shown(row, word) for word in words), *_amounts(row["used"])] for row in found["rows"]],
    )
    for total in found["totals"]:
        output.say("total  " + "  ".join(_amounts(total)))
    for model in found["unpriced"]:
        output.say(f"The price of {model['model']} is not known: {model['tokens']} tokens are not in the cost.")


@click.group()
def budget() -> None:
    """Set and show what agents may cost."""


@budget.command("set")
@click.argument("agent")
@click.argument("amounts", nargs=-1, required=True, metavar="AMOUNT/PERIOD…")
@click.option("--warn-at", type=click.IntRange(1, 100), help="Warn at so much of it, in percent.")
@click.option("--on-exceed", type=click.Choice(["notify", "pause_and_ask", "stop"]), help="What happens then.")
@server_options
def set_budget(
    server: ServerOptions, agent: str, amounts: tuple[str, ...], warn_at: int | None, on_exceed: str | None
) -> None:
    """Set what AGENT may cost: money or time by day, month or task, as 10usd/day 2h/task. `none/day` takes it away.

    What is not named stays. It holds until agents.yaml says something new.
    """
    client = connect(server)
    fields = _budget_of(client, agent)
    for amount in amounts:
        fields |= _amount(amount)
    chosen = {"warn_at": warn_at, "on_exceed": on_exceed}
    row = client.put("/api/budgets", fields | {key: value for key, value in chosen.items() if value})
    output.say(f"{agent}: {_limits(row)}; warned at {row['warn_at']} %, then {row['on_exceed'].replace('_', ' ')}.")


@budget.command("list")
@json_option
@server_options
def list_budgets(server: ServerOptions, json_fields: str | None) -> None:
    """Show each agent's budget and how much of it is used."""
    client = connect(server)
    rows = client.get("/api/usage/agents")["agents"]
    standings = [(row["agent"], standing) for row in rows for standing in row["budgets"]]
    if json_fields is not None:
        output.json_rows([{"agent": name, **standing} for name, standing in standings], json_fields)
        return
    if not standings:
        output.say("No agent has a budget. Set one: bullpen budget set AGENT 10usd/day")
        return
    output.table(
        ("AGENT", "PERIOD", "USED", "OF", "PERCENT"),
        [(name, found["of"], _amount_of(found, "spent"), _amount_of(found, "limit"), f"{found['percent']:g} %")
         for name, found in standings],
    )  # fmt: skip


def _budget_of(client: Client, agent: str) -> Json:
    for row in client.get("/api/budgets", limit=200)["budgets"]:
        if row["agent"] == agent:
            return {key: row[key] for key in ("agent", *_PERIODS.values(), "warn_at", "on_exceed")}
    return {"agent": agent}


def _amount(text: str) -> Json:
    amount, slash, period = text.partition("/")
    if not slash or period not in _PERIODS:
        raise click.UsageError(f"“{text}” is no budget: write it as 10usd/day, 50usd/month or 2h/task.")
    if amount == "none":
        return {_PERIODS[period]: None}
    try:
        return {_PERIODS[period]: write_amount(parse_amount(amount))}
    except ValueError as error:
        raise click.UsageError(f"“{amount}”: {error}.") from None


def _limits(row: Json) -> str:
    found = [f"{row[key]} a {period}" for period, key in _PERIODS.items() if row[key]]
    return ", ".join(found) or "no budget"


def _amount_of(standing: Json, key: str) -> str:
    value = standing[key]
    return f"${value / 1e6:.2f}" if standing["unit"] == "usd" else f"{value / 3.6e6:.1f} h"


def _amounts(used: Json) -> list[str]:
    cost = "?" if used["cost_usd"] is None else f"${used['cost_usd']:.2f}"
    if used["cost_usd"] is not None and used["unpriced_tokens"]:
        cost += " + ?"
    worked = f"{used['working_s'] // 3600}h{used['working_s'] % 3600 // 60:02}"
    return [_PAID[used["billing"]], f"{used['tokens']:,}".replace(",", " "), cost, str(used["requests"]), worked]


def _shown(row: Json, word: str) -> str:
    return row["time" if word in ("day", "hour") else word] or "-"


def _flat(row: Json) -> dict[str, Any]:
    return {**{key: value for key, value in row.items() if key != "used"}, **row["used"]}


def _moment(since: str | None) -> str | None:
    seconds = None if since is None else duration_s(since)
    return since if seconds is None else (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
