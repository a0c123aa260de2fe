"""ntfy: a topic on a phone. Sent as JSON to the server's root, since headers cannot hold every letter."""

import orjson

from server.outside.envelope import Envelope
from server.outside.errors import AddressRefused
from server.outside.http import address_of, check, request

_PRIORITIES = {"needs_you": 4, "agent_failed": 4, "guard": 4, "digest": 2, "task_done": 2}
_TAGS = {
    "needs_you": "raised_hand",
    "agent_failed": "rotating_light",
    "guard": "octagonal_sign",
    "task_done": "white_check_mark",
}
_LONGEST = 3000
"""The service takes 4096 bytes; longer ones it would turn into an attachment."""


async def send_ntfy(envelope: Envelope, url: str, token: str | None) -> None:
    """Publish one notification. Raises NotDelivered."""
    address = address_of(url)
    topic = address.name
    if not topic:
        raise AddressRefused("its address names no topic, as https://ntfy.sh/TOPIC does")
    kind = envelope.outgoing.kind
    body = {
        "topic": topic,
        "title": envelope.title,
        "message": _bounded(envelope.text() or envelope.title),
        "priority": _PRIORITIES.get(kind, 3),
        "tags": [_TAGS[kind]] if kind in _TAGS else [],
        "click": envelope.link,
    }
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    root = str(address.with_path(address.path.removesuffix(topic), encoded=False))
    check(await request("POST", root, body=orjson.dumps(body), headers=headers,
                        allow_private=envelope.target.allow_private))  # fmt: skip


def _bounded(text: str) -> str:
    raw = text.encode()
    return text if len(raw) <= _LONGEST else raw[:_LONGEST].decode(errors="ignore") + "…"
