"""WeChat by the iLink bot protocol, as far as it is known: four requests, JSON both ways, text only."""

import base64
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from server import __version__
from server.outside.chat_bridge import Batch, Credentials, Incoming, Progress, SessionEnded, SignIn
from server.outside.errors import NoAnswer, NotDelivered
from server.outside.http import check, request

SERVICE = "https://ilinkai.weixin.qq.com"
POLL_WITHIN_S = 50.0
"""The service holds a request for up to 42 s."""
SIGN_IN_WITHIN_S = 45.0
_SESSION_ENDED = -14
_USER, _BOT, _FINISHED, _TEXT = 1, 2, 2, 1
_STATES: Mapping[str, Any] = {"wait": "waiting", "scaned": "scanned", "confirmed": "confirmed", "expired": "expired"}


class WeChat:
    """The iLink bot service at one address."""

    def __init__(self, base_url: str | None, random: Callable[[int], bytes], *, allow_private: bool) -> None:
        self._base_url = base_url or SERVICE
        self._random = random
        self._allow_private = allow_private

    async def begin_sign_in(self) -> SignIn:
        answer = await self._get("/ilink/bot/get_bot_qrcode?bot_type=3", 15.0)
        key, content = str(answer.get("qrcode") or ""), str(answer.get("qrcode_img_content") or "")
        if not key or not content:
            raise NotDelivered("the service gave no code to scan")
        return SignIn(key, content)

    async def look_at_sign_in(self, key: str) -> Progress:
        try:
            answer = await self._get(f"/ilink/bot/get_qrcode_status?qrcode={quote(key, safe='')}", SIGN_IN_WITHIN_S)
        except NoAnswer:
            return Progress("waiting")
        state = _STATES.get(str(answer.get("status")), "waiting")
        if state != "confirmed":
            return Progress(state)
        token = str(answer.get("bot_token") or "")
        if not token:
            raise NotDelivered("the service confirmed the sign-in without a token")
        base_url = str(answer.get("baseurl") or self._base_url).rstrip("/")
        if not (base_url.startswith("https://") or self._allow_private):
            raise NotDelivered("the service names an address at which the token would be sent in the clear")
        return Progress(
            "confirmed",
            Credentials(
                token,
                base_url,
                str(answer.get("ilink_bot_id") or ""),
                str(answer.get("ilink_user_id") or ""),
            ),
        )

    async def receive(self, credentials: Credentials, cursor: str) -> Batch:
        try:
            answer = await self._post(credentials, "getupdates", {"get_updates_buf": cursor}, POLL_WITHIN_S)
        except NoAnswer:  # it holds the request longer than it says it does
            return Batch(cursor, [])
        messages = answer.get("msgs")
        found = [_incoming(message) for message in messages if isinstance(message, dict)] if messages else []
        return Batch(str(answer.get("get_updates_buf") or cursor), [message for message in found if message])

    async def send(self, credentials: Credentials, to: str, text: str, context: str, delivery_id: str) -> None:
        message = {
            "from_user_id": "",
            "to_user_id": to,
            "client_id": delivery_id,
            "message_type": _BOT,
            "message_state": _FINISHED,
            "context_token": context,
            "item_list": [{"type": _TEXT, "text_item": {"text": text}}],
        }
        await self._post(credentials, "sendmessage", {"msg": message}, 15.0)

    async def _get(self, path: str, within_s: float) -> dict[str, Any]:
        headers = {"iLink-App-ClientVersion": "1"}
        answer = await request(
            "GET", self._base_url + path, headers=headers, within_s=within_s, allow_private=self._allow_private
        )
        check(answer)
        return _object(answer.body)

    async def _post(self, credentials: Credentials, name: str, body: dict[str, Any], within_s: float) -> dict[str, Any]:
        number = int.from_bytes(self._random(4), "big")
        answer = await request(
            "POST",
            f"{credentials.base_url}/ilink/bot/{name}",
            body=orjson.dumps({**body, "base_info": {"channel_version": f"bullpen-{__version__}"}}),
            headers={
                "Content-Type": "application/json",
                "AuthorizationType": "ilink_bot_token",
                "Authorization": f"Bearer {credentials.token}",
                "X-WECHAT-UIN": base64.b64encode(str(number).encode()).decode(),
            },
            within_s=within_s,
            allow_private=self._allow_private,
        )
        if answer.status == 401:
            raise SessionEnded("the service does not accept our sign-in any more")
        check(answer)
        found = _object(answer.body)
        for field in ("errcode", "ret"):
            if found.get(field) == _SESSION_ENDED:
                raise SessionEnded("the service ended the session")
            if found.get(field) not in (None, 0):
                raise NotDelivered(f"the service answered {field} {found[field]!s:.20}")
        return found


def _incoming(message: dict[str, Any]) -> Incoming | None:
    """Read one message of a person; what the bot itself wrote is none."""
    sender = str(message.get("from_user_id") or "")
    if message.get("message_type", _USER) != _USER or not sender:
        return None
    items = message.get("item_list")
    texts = [
        str(item["text_item"].get("text") or "")
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and item.get("type") == _TEXT and isinstance(item.get("text_item"), dict)
    ]
    number = message.get("message_id") or message.get("client_id") or message.get("create_time_ms") or ""
    return Incoming(f"{sender}:{number}"[:200], sender, "\n".join(texts), str(message.get("context_token") or ""))


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise NotDelivered("the service did not answer with JSON")
    return found
