"""The guard before every connection to the outside: a name is resolved once, looked at, and that address is used.

Loopback, private, link-local, metadata and every other address that is not of the public Internet is refused, in every
way of writing it, unless the target says `allow_private`.
"""

import asyncio
import ipaddress
import socket

from server.outside.errors import AddressRefused, NotDelivered

RESOLVE_WITHIN_S = 10.0
CONNECT_WITHIN_S = 15.0
_NEVER = (
    ipaddress.ip_network("192.0.0.0/24"),  # for protocols; a metadata service among them
    ipaddress.ip_network("168.63.129.16/32"),  # the host of an Azure machine
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


async def resolve(host: str, port: int, *, allow_private: bool) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses of a host, none of which we must not connect to.

    Raises AddressRefused, NotDelivered.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_WITHIN_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError, ValueError):
        raise NotDelivered("its host is not known") from None
    addresses: list[tuple[socket.AddressFamily, str]] = [*dict.fromkeys((info[0], str(info[4][0])) for info in found)]
    if not addresses:
        raise NotDelivered("its host is not known")
    if not allow_private and not all(is_public(text) for _, text in addresses):
        raise AddressRefused("its address is private; if that is meant, say allow_private: true in agents.yaml")
    return addresses


async def connected_socket(host: str, port: int, *, allow_private: bool) -> socket.socket:
    """Open a connection for a protocol other than HTTP, to an address that was looked at.

    Raises AddressRefused, NotDelivered.
    """
    reason = "no connection"
    loop = asyncio.get_running_loop()
    for family, address in await resolve(host, port, allow_private=allow_private):
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await loop.sock_connect(opened, (address, port))
        except (OSError, TimeoutError) as error:
            opened.close()
            reason = getattr(error, "strerror", None) or "no answer in time"
            continue
        return opened
    raise NotDelivered(f"it cannot be reached: {reason}")


def is_public(text: str) -> bool:
    """Tell whether an address belongs to the public Internet, also one that is wrapped in another."""
    if "%" in text:
        return False  # an interface is named: link-local
    address: Address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            return False
        if inner is None and (address in _NAT64 or address in _COMPATIBLE):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
