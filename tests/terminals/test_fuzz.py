"""A holder's socket takes whatever is thrown at it: holder and agent live, and the memory stays small."""

import json
import os
import random
import socket
import struct
from pathlib import Path

from server.terminals.attachment import Attachment, Welcome, attach

from .conftest import Start, read_until

FRAMES = int(os.environ.get("HOLDER_FRAMES", "2000"))
MOST_RESIDENT_KIB = 40 * 1024


async def test_a_holder_outlives_any_frames(start: Start, agent_folder: Path) -> None:
    # Raw, so that none of the bytes that are typed by chance is an end or an interrupt.
    attachment = await start("sh", "-c", "stty raw -echo; printf up; exec cat")
    await read_until(attachment, b"up")
    chance = random.Random(22)  # noqa: S311 (the same frames at every run)
    # A single thread and no wait: each connection is thrown away as soon as the holder ends it.
    sent = 0
    while sent < FRAMES:
        sent += throw(attachment, chance, min(50, FRAMES - sent))
        if sent % 1000 == 0:
            assert (await ping(attachment, agent_folder)).agent_pid
    assert sent == FRAMES
    attachment = await again(attachment, agent_folder)
    await attachment.write(b"still here")
    await read_until(attachment, b"still here")
    peak = peak_kib(attachment.record.pid)
    assert peak < MOST_RESIDENT_KIB, f"{peak} KiB"
    await attachment.close()


def peak_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0])


async def ping(attachment: Attachment, folder: Path) -> Welcome:
    fresh = await again(attachment, folder)
    welcome = await fresh.ping()
    await fresh.close()
    return welcome


async def again(attachment: Attachment, folder: Path) -> Attachment:
    """Attach anew: one of the frames may have been a hello that took the controller's place."""
    return await attach(folder, attachment.record)


def throw(attachment: Attachment, chance: random.Random, most: int) -> int:
    """Open one connection, by a good hello or none, send odd frames until it ends, and return how many went out."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        here = os.open(attachment.agent_folder / "run", os.O_RDONLY | os.O_DIRECTORY)
        try:
            peer.connect(f"/proc/self/fd/{here}/holder.sock")
        finally:
            os.close(here)
        sent = 0
        try:
            if chance.random() < 0.7:
                role = chance.choice(("controller", "recorder", "reader"))
                hello = {"protocol": 1, "nonce": attachment.record.nonce, "role": role, "from": 0}
                peer.sendall(frame(b"H", json.dumps(hello).encode()))
            while sent < most:
                peer.sendall(odd_frame(chance))
                sent += 1
        except OSError:
            return sent + 1  # the frame that ended it was one too
    return sent


def frame(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 1) + kind + payload


def odd_frame(chance: random.Random) -> bytes:
    kind = chance.choice((b"Q", b"Q", b"Q", b"I", b"H", b"O", b"X", b"\x00", chance.randbytes(1)))
    shape = chance.randrange(8)
    if shape == 0:
        return chance.randbytes(chance.randrange(1, 64))
    if shape == 1:
        return struct.pack(">I", chance.choice((0, 1 << 20, 1 << 31, 0xFFFFFFFF))) + kind
    if shape == 2:
        return frame(kind, chance.randbytes(chance.randrange(0, 2000)))
    if shape == 3:
        return frame(b"Q", b"[" * chance.randrange(1, 3000))
    verbs = ("ping", "resize", "children", "acknowledge", "echo", "nothing", "", None, 7, ["ping"])
    values: tuple[object, ...] = (0, -1, 80, 2**31, 2**70, 1.5, True, None, "80", [], {})
    request = {
        "id": chance.choice((1, 0, -1, 2**32, 2**40, "1", None)),
        "do": chance.choice(verbs),
        **{name: chance.choice(values) for name in ("columns", "rows", "target") if chance.random() < 0.7},
    }
    return frame(b"Q", json.dumps(request).encode())
