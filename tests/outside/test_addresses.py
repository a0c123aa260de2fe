"""No way of writing an address reaches what listens on this machine, unless the target says that it may."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from server.outside.address import connected_socket, is_public
from server.outside.errors import AddressRefused, NotDelivered
from server.outside.http import LONGEST_ANSWER_BYTES, check, request
from tests.conftest import PATIENCE_S
from tests.peers.receiver import Receiver, open_receiver

FORMS = (
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://127.9.9.9:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://example.org@127.0.0.1:{port}/",
    "http://example.org:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.org/",
    "http://127.0.0.1:{port}?@example.org/",
    "http://example.org\\@127.0.0.1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/",
    "http://127.0.0.1%00.example.org:{port}/",
    "http://127。0。0。1:{port}/",
    "//127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "unix:///tmp/socket",
    " http://127.0.0.1:{port}/ ",
    "http://127.0.0.1:{port}\r\nHost: example.org/",
)  # fmt: skip


@pytest.fixture
async def canary() -> AsyncIterator[Receiver]:
    async with open_receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("form", FORMS)
async def test_no_form_of_an_address_reaches_this_machine(canary: Receiver, form: str) -> None:
    url = form.format(port=canary.url.rpartition(":")[2])
    with pytest.raises(NotDelivered) as refused:
        await request("POST", url, body=b"{}", allow_private=False, within_s=1)
    assert canary.received == []
    assert url.strip() not in str(refused.value)


async def test_the_forms_would_reach_this_machine_if_they_might(canary: Receiver) -> None:
    for form in FORMS:
        with contextlib.suppress(NotDelivered):
            url = form.format(port=canary.url.rpartition(":")[2])
            await request("POST", url, body=b"{}", allow_private=True, within_s=1)
    assert len(canary.received) >= 15


async def test_a_target_that_may_be_private_is_reached(canary: Receiver) -> None:
    answer = await request("POST", canary.url + "/hook", body=b"{}", allow_private=True)
    assert (answer.status, answer.body, canary.received[0].path) == (200, b"thanks", "/hook")


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.0.192"),
        *(
            "198.18.0.1",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "fe80::1",
            "fe80::1%lo",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
        ),
        *("::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:7f00:1::1", "2001:db8::1"),
    ],
)
def test_what_is_not_of_the_public_internet_is_known_for_it(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_what_is_public_may_be_reached(address: str) -> None:
    assert is_public(address)


async def test_a_name_that_is_private_once_is_refused_and_what_was_looked_at_is_what_is_used(
    canary: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    loop = asyncio.get_running_loop()

    async def rebinding(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[str] = []

    async def sock_connect(sock: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(loop, "getaddrinfo", rebinding)
    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    with pytest.raises(NotDelivered, match="cannot be reached"):
        await request("POST", "http://rebind.example/", body=b"{}", allow_private=False)
    assert (asked, connected) == (["rebind.example"], ["93.184.216.34"])
    with pytest.raises(AddressRefused, match="private"):
        await request("POST", "http://rebind.example/", body=b"{}", allow_private=False)
    with pytest.raises(AddressRefused, match="private"):
        await connected_socket("rebind.example", 25, allow_private=False)
    assert canary.received == []


async def test_redirects_are_not_followed(canary: Receiver) -> None:
    canary.answers.append((302, {"Location": canary.url + "/elsewhere"}))
    answer = await request("POST", canary.url, body=b"{}", allow_private=True)
    with pytest.raises(NotDelivered, match="redirects are not followed") as refused:
        check(answer)
    assert refused.value.final
    assert len(canary.received) == 1


@contextlib.asynccontextmanager
async def _listening(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    ended = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await behave(reader, writer)
        writer.transport.abort()
        ended.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        server.close()
        await server.wait_closed()


async def test_an_answer_without_end_is_left() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with _listening(pour) as url:
        assert len((await request("GET", url, allow_private=True)).body) == LONGEST_ANSWER_BYTES


async def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with _listening(hold) as url:
        with pytest.raises(NotDelivered, match=r"no answer within 0.2 s"):
            await request("GET", url, allow_private=True, within_s=0.2)
