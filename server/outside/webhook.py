"""Webhooks: signed JSON by the Standard Webhooks scheme, or what Slack and those like it take."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

import orjson

from server.outside.envelope import Envelope
from server.outside.errors import NotDelivered
from server.outside.http import check, request


async def send_webhook(envelope: Envelope, url: str, secret: str | None, now: int) -> None:
    """Post one notification. Raises NotDelivered."""
    target, outgoing = envelope.target, envelope.outgoing
    body = orjson.dumps(_slack(envelope) if target.format == "slack" else _json(envelope))
    headers = {"Content-Type": "application/json", "webhook-id": outgoing.delivery_id}
    if secret is not None:
        headers |= signature(secret, outgoing.delivery_id, now // 1000, body)
    check(await request("POST", url, body=body, headers=headers, allow_private=target.allow_private))


def signature(secret: str, delivery_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that prove who sent a body, and when. Raises NotDelivered if the secret is none."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise NotDelivered("its secret begins with whsec_ and is not base64", final=True) from None
    digest = hmac.new(key, b"%b.%d.%b" % (delivery_id.encode(), at_s, body), hashlib.sha256).digest()
    return {"webhook-timestamp": str(at_s), "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def _json(envelope: Envelope) -> dict[str, object]:
    outgoing = envelope.outgoing
    return {
        "id": outgoing.delivery_id,
        "team": envelope.team,
        "type": outgoing.kind,
        "reason": outgoing.reason,
        "timestamp": envelope.first.at,
        "title": envelope.title,
        "text": envelope.text(),
        "link": envelope.link,
        "items": [
            {"title": said.title, "text": said.text, "link": envelope.base_url + said.path, "at": said.at, **said.facts}
            for said in outgoing.items
        ],
    }


def _slack(envelope: Envelope) -> dict[str, object]:
    text = envelope.text()
    lines = [f"*{_escaped(envelope.title)}*", *([_escaped(text)] if text else []), f"<{envelope.link}|Open in Bullpen>"]
    return {"text": "\n".join(lines)}


def _escaped(text: str) -> str:
    """Escape the three characters that Slack gives a meaning to: nobody is notified, no link is faked."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
