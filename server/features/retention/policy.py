"""How long messages are kept: a channel's own rule, else the team's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import AfterValidator, BeforeValidator, Field

from server.config import Keep, parse_keep
from server.core.call import Call, Row, Transaction
from server.core.event import Event, event
from server.core.names import ChannelName
from server.core.operation import command, query
from server.core.permission import MANAGE_DATA, READ, SYSTEM
from server.features.channels import audience_of, find_channel, readable_channels, require_readable
from server.features.team import get_meta, put_meta


def _plain(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _checked(value: str) -> str:
    return str(parse_keep(value))


KeepText = Annotated[
    str,
    BeforeValidator(_plain, json_schema_input_type=str),
    AfterValidator(_checked),
    Field(description="`forever`, an age as `12h` or `30d`, or how many messages as `10000`.", max_length=20),
]


@dataclass(frozen=True, slots=True)
class ChannelRetention:
    """How long the messages of one channel are kept."""

    channel: str
    keep: str
    is_own: bool
    """It has a rule of its own; else it follows the team's."""
    source: str
    """team file | command"""
    set_by: str | None


@dataclass(frozen=True, slots=True)
class TeamRetention:
    messages: str
    audit: str
    channels: list[ChannelRetention]


@event("retention.changed", collection="retention", key="channel")
class RetentionChanged(Event):
    retention: ChannelRetention


@query("GET /api/retention", allow=READ)
def get_retention(call: Call) -> TeamRetention:
    """How long messages and the audit trail are kept, by channel for those that one may read."""
    team = team_rules(call.transaction)
    channels = [
        retention_of(call.transaction, channel.id) for channel in readable_channels(call.transaction, call.caller)
    ]
    return TeamRetention(str(team.messages), str(team.audit), channels)


@command("PUT /api/channels/{id}/retention", allow=MANAGE_DATA, emits=[RetentionChanged], repeatable=True)
def set_retention(call: Call, *, id: ChannelName, keep: KeepText | None) -> ChannelRetention:  # noqa: A002 (in the route)
    """Say how long a channel keeps its messages; null: as the team. What is older is deleted for good.

    Raises NotFound, BadArgument.
    """
    channel = require_readable(call, id)
    return _set(call, channel.id, None if keep is None else parse_keep(keep), "command")


@command(allow=SYSTEM, emits=[RetentionChanged])
def apply_retention(
    call: Call, *, messages: KeepText = "forever", audit: KeepText = "forever", channels: Mapping[str, KeepText] = {}
) -> None:
    """Take over what the team file says. A rule that it gives wins; one that it gave and gives no more ends."""
    rules = orjson.dumps({"messages": messages, "audit": audit}).decode()
    if get_meta(call.transaction, "retention") != rules:
        put_meta(call.transaction, "retention", rules)
    for channel, keep in channels.items():
        _set(call, channel, parse_keep(keep), "team file")
    for row in call.transaction.all("SELECT channel FROM retention WHERE source = 'team file'"):
        if row["channel"] not in channels:
            _set(call, row["channel"], None, "team file")


@dataclass(frozen=True, slots=True)
class TeamRules:
    messages: Keep
    audit: Keep


def team_rules(transaction: Transaction) -> TeamRules:
    """Return the rules of the team."""
    found = orjson.loads(get_meta(transaction, "retention") or "{}")
    return TeamRules(*(parse_keep(found.get(name, "forever")) for name in ("messages", "audit")))


def rules_by_channel(transaction: Transaction) -> dict[str, Keep]:
    """Return every channel whose messages are not kept for ever, and how long they are."""
    team = team_rules(transaction).messages
    own = {row["channel"]: _keep(row) for row in transaction.all("SELECT * FROM retention")}
    if team.is_forever:
        return {channel: keep for channel, keep in own.items() if not keep.is_forever}
    channels = [row["id"] for row in transaction.all("SELECT id FROM channel ORDER BY id")]
    rules = {channel: own.get(channel, team) for channel in channels}
    return {channel: keep for channel, keep in rules.items() if not keep.is_forever}


def retention_of(transaction: Transaction, channel: str) -> ChannelRetention:
    """Return how long a channel keeps its messages."""
    row = transaction.one("SELECT * FROM retention WHERE channel = :channel", {"channel": channel})
    if row is None:
        return ChannelRetention(channel, str(team_rules(transaction).messages), False, "team file", None)
    return ChannelRetention(channel, str(_keep(row)), True, row["source"], row["set_by"])


def _set(call: Call, channel_id: str, keep: Keep | None, source: str) -> ChannelRetention:
    transaction, before = call.transaction, retention_of(call.transaction, channel_id)
    if keep is None:
        transaction.run("DELETE FROM retention WHERE channel = :channel", {"channel": channel_id})
    elif not (before.is_own and before.keep == str(keep) and before.source == source):
        transaction.run(
            "INSERT INTO retention (channel, keep_for_ms, keep_count, source, set_by, set_at)"
            " VALUES (:channel, :for_ms, :count, :source, :by, :now) ON CONFLICT (channel) DO UPDATE SET"
            " keep_for_ms = excluded.keep_for_ms, keep_count = excluded.keep_count, source = excluded.source,"
            " set_by = excluded.set_by, set_at = excluded.set_at",
            {
                "channel": channel_id,
                "for_ms": keep.for_ms,
                "count": keep.count,
                "source": source,
                "by": call.caller.name,
                "now": call.now,
            },
        )
    after = retention_of(transaction, channel_id)
    channel = find_channel(transaction, channel_id)
    if after != before and channel is not None:
        call.emit(RetentionChanged(after), subject=channel_id, audience=audience_of(channel))
        call.wake_at(call.now)
    return after


def _keep(row: Row) -> Keep:
    return Keep(row["keep_for_ms"], row["keep_count"])
