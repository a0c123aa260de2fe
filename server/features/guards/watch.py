"""Judges each message of an agent: whether it wakes those it is owed to, or is held, and by which guard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from server.config import Guards
from server.core.call import Call, Row
from server.features.channels import Channel
from server.features.deliveries import hold_waiting
from server.features.guards.chain import Chain, fingerprint_of, is_acknowledgement
from server.features.guards.model import trip_guard

MINUTE_MS = 60_000
_WINDOW_MS = 10 * MINUTE_MS
_SHORTEST = 30
_MOST_RECENT = 500
"""Messages that are looked at, at most: a higher limit counts no farther."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message that was just stored, as the guards look at it."""

    number: int
    place: Channel
    content: str
    chain: Chain
    has_files: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a message does not wake some of those it is owed to."""

    kind: str
    guard: int | None
    """None: nobody needs to decide."""
    recipients: frozenset[str]
    sentence: str
    """For who sent it."""


@dataclass(frozen=True, slots=True)
class _Finding:
    kind: str
    scope: str
    members: Sequence[str]
    """Whose messages to one another are held."""
    evidence: str


def judge(call: Call, said: Said, owed: Sequence[str], limits: Guards) -> Hold | None:
    """Return what holds the message back from the agents among those it is owed to, or None.

    A person's messages and the server's own are never held, and nothing is held back from a person.
    """
    if not owed or call.caller.kind not in ("agent", "bot"):
        return None
    agents = _agents_among(call, owed)
    if not agents:
        return None
    if limits.acknowledgements and not said.has_files and is_acknowledgement(said.content):
        return Hold("acknowledgement", None, frozenset(agents), "A bare acknowledgement wakes nobody: react instead.")
    scopes = _scopes(call, said, agents)
    known = _known(call, scopes)
    # A guard that holds all comes before one that holds a pair.
    for row in sorted(known.values(), key=lambda row: row["kind"] == "pair"):
        if row["state"] == "open" or (row["decision"] == "stop" and row["kind"] == "hops"):
            call.transaction.run(
                "UPDATE guard SET hop = max(hop, :hop) WHERE id = :id", {"hop": said.chain.hop, "id": row["id"]}
            )
            return _hold(row, _concerned(agents, orjson.loads(row["members"]), row["kind"]))
    for found in _findings(call, said, agents, limits, known):
        row = trip_guard(
            call, found.kind, found.scope, said.place.id, found.members,
            evidence=found.evidence, message=said.number, hop=said.chain.hop,
        )  # fmt: skip
        if found.kind in ("channel", "pair"):
            hold_waiting(call, said.place.id, row["id"], found.kind, found.members)
        return _hold(row, _concerned(agents, found.members, found.kind))
    return None


def _findings(
    call: Call, said: Said, agents: Sequence[str], limits: Guards, known: Mapping[str, Row]
) -> Iterator[_Finding]:
    me, place, chain = call.caller.name, said.place, said.chain
    root = f"root:{chain.root or said.number}"
    let_go = known[root]["hop"] if root in known else 0
    if limits.hops and chain.hop > let_go + limits.hops:
        evidence = f"{chain.hop} messages of agents that answer each other, without a person."
        yield _Finding("hops", root, sorted({me, *agents}), evidence)
    most = max(limits.agent_msgs_without_human, limits.pair_per_5_min, _SHORTEST)
    recent = _recent(call, place.id, most + 1)

    def since(scope: str, window_ms: int) -> Iterator[Row]:
        counted_to = known[scope]["counted_to"] if scope in known else 0
        for row in recent:
            if row["id"] <= counted_to or row["created_at"] < call.now - window_ms:
                return
            yield row

    scope, count, speakers = f"channel:{place.id}", 0, set[str]()
    for row in since(scope, _WINDOW_MS):
        if row["sender_kind"] == "human":
            break
        if row["sender_kind"] != "system":
            count += 1
            speakers.add(row["sender"])
    if limits.agent_msgs_without_human and count > limits.agent_msgs_without_human:
        yield _Finding(
            "channel", scope, sorted({*speakers, *agents}), f"{count} messages of agents in 10 min, without a person."
        )
    for other in agents:
        scope = _pair(me, other)
        for minutes, limit in ((1, limits.pair_per_min), (5, limits.pair_per_5_min)):
            count = _between(me, other, place, since(scope, minutes * MINUTE_MS))
            if limit and count > limit:
                evidence = f"{count} messages between {me} and {other} in {minutes} min, with nobody else."
                yield _Finding("pair", scope, sorted((me, other)), evidence)
    scope = _text(place, said.content)
    same = fingerprint_of(said.content)
    count = sum(row["fingerprint"] == same for row in since(scope, _WINDOW_MS))
    if limits.repeats and count >= limits.repeats:
        yield _Finding("repeats", scope, sorted({me, *agents}), f"The same text {count} times in 10 min.")


def _between(me: str, other: str, place: Channel, rows: Iterator[Row]) -> int:
    """Count messages between two since somebody else spoke."""
    count = 0
    for row in rows:
        if row["sender"] not in (me, other):
            if row["sender_kind"] == "system":
                continue
            break
        partner = other if row["sender"] == me else me
        count += place.type == "dm" or row["reply_to"] is not None or f'"{partner}"' in row["mentions"]
    return count


def _agents_among(call: Call, names: Sequence[str]) -> list[str]:
    rows = call.transaction.all(
        "SELECT name FROM member WHERE kind <> 'human' AND name IN (SELECT value FROM json_each(:names)) ORDER BY name",
        {"names": orjson.dumps(list(names)).decode()},
    )
    return [row["name"] for row in rows]


def _recent(call: Call, channel: str, most: int) -> Sequence[Row]:
    """Return the newest messages of a channel, the one just stored among them, newest first."""
    return call.transaction.all(
        "SELECT id, sender, sender_kind, mentions, reply_to, fingerprint, created_at FROM message"
        " WHERE channel = :channel ORDER BY id DESC LIMIT :most",
        {"channel": channel, "most": min(most, _MOST_RECENT)},
    )


def _scopes(call: Call, said: Said, agents: Sequence[str]) -> list[str]:
    return [
        f"root:{said.chain.root or said.number}",
        f"channel:{said.place.id}",
        _text(said.place, said.content),
        *(_pair(call.caller.name, other) for other in agents),
    ]


def _known(call: Call, scopes: Sequence[str]) -> dict[str, Row]:
    """Return the last guard that tripped for each scope."""
    rows = call.transaction.all(
        "SELECT * FROM guard WHERE scope IN (SELECT value FROM json_each(:scopes)) ORDER BY id",
        {"scopes": orjson.dumps(scopes).decode()},
    )
    return {row["scope"]: row for row in rows}


def _concerned(agents: Sequence[str], members: Sequence[str], kind: str) -> frozenset[str]:
    return frozenset(agents) & frozenset(members) if kind == "pair" else frozenset(agents)


def _hold(row: Row, recipients: frozenset[str]) -> Hold:
    sentence = f"Loop guard: {row['evidence']} Paused: {', '.join(sorted(recipients))} is not woken."
    return Hold(
        row["kind"], row["id"], recipients, f"{sentence} Wait for a person, or finish your own work: done_task."
    )


def _pair(one: str, other: str) -> str:
    first, second = sorted((one, other))
    return f"pair:{first}:{second}"


def _text(place: Channel, content: str) -> str:
    return f"text:{place.id}:{fingerprint_of(content)}"
