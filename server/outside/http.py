"""One request to the outside: http or https, to an address that was looked at, no redirect followed, bounded in all."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from server import __version__
from server.outside.address import resolve
from server.outside.errors import AddressRefused, NoAnswer, NotDelivered

WITHIN_S = 15.0
LONGEST_ANSWER_BYTES = 256 * 1024
_FINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class _Pinned(AbstractResolver):
    """Knows only the addresses that were looked at."""

    def __init__(self, addresses: list[tuple[socket.AddressFamily, str]]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            {"hostname": host, "host": address, "port": port, "family": kind, "proto": 0, "flags": 0}
            for kind, address in self._addresses
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def request(
    method: str,
    url: str,
    *,
    allow_private: bool,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    within_s: float = WITHIN_S,
) -> Answer:
    """Send one request and return the answer. Raises AddressRefused, NotDelivered."""
    address = address_of(url)
    assert address.host is not None
    pinned = await resolve(address.host, address.port or 0, allow_private=allow_private)
    connector = aiohttp.TCPConnector(resolver=_Pinned(pinned), limit=1, force_close=True, use_dns_cache=False)
    timeout, no_cookies = aiohttp.ClientTimeout(total=within_s), aiohttp.DummyCookieJar()
    sent = {"User-Agent": f"Bullpen/{__version__}", **(headers or {})}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=no_cookies) as session,
            session.request(method, address, data=body, headers=sent, allow_redirects=False) as response,
        ):
            return Answer(response.status, await _bounded(response), response.headers.copy())
    except TimeoutError:
        raise NoAnswer(f"no answer within {within_s:g} s") from None
    except aiohttp.ClientConnectorCertificateError:
        raise NotDelivered("its certificate is not valid") from None
    except (aiohttp.ClientConnectorError, ssl.SSLError, OSError) as error:
        reason = getattr(error, "strerror", None) or "no connection"
        raise NotDelivered(f"it cannot be reached: {reason}") from None
    except aiohttp.ClientError as error:
        raise NotDelivered(f"it does not speak HTTP as it should ({type(error).__name__})") from None


def address_of(url: str) -> URL:
    """Read an address. Raises AddressRefused, whose text never repeats it."""
    try:
        address = URL(url.strip())
    except ValueError:
        raise AddressRefused("its address is not one") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise AddressRefused("its address does not begin with https:// or http:// and a host")
    return address


def check(answer: Answer) -> None:
    """Raise NotDelivered unless an answer says that it was taken."""
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise NotDelivered(f"it answered {answer.status}: redirects are not followed", final=True)
    is_final = answer.status in _FINAL
    raise NotDelivered(f"it answered {answer.status}", final=is_final, retry_after_s=_retry_after(answer))


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 86_400.0) if text.isascii() and text.isdigit() and len(text) < 9 else None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer as far as it may go, and leave the rest."""
    taken = bytearray()
    async for piece in response.content.iter_chunked(16 * 1024):
        taken += piece
        if len(taken) >= LONGEST_ANSWER_BYTES:
            break
    return bytes(taken[:LONGEST_ANSWER_BYTES])
