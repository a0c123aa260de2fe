"""One connection to a holder: frames in, frames out."""

import json
import socket
import struct
import time

MAX_FRAME_BYTES = 1 << 20
MAX_HELLO_BYTES = 4096
HELLO_TIMEOUT_S = 5.0


class ProtocolError(Exception):
    """A peer said something that is not in the protocol; its connection ends, nothing else does."""


class Client:
    """One connection. Nobody until its hello was accepted; then `controller`, `recorder` or `reader`."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.role: str | None = None
        self.offset: int | None = None
        self.hello_until = time.monotonic() + HELLO_TIMEOUT_S
        self.was_told_exit = False
        self.is_closing = False
        self.waits_to_write = False

    def send(self, kind: bytes, payload: bytes) -> None:
        self.outbox += struct.pack(">I", len(payload) + 1) + kind + payload

    def send_json(self, kind: bytes, value: dict[str, object]) -> None:
        self.send(kind, json.dumps(value).encode())

    def refuse(self, code: str, message: str) -> None:
        """Say why, and close once that is on its way."""
        self.send_json(b"E", {"code": code, "message": message[:200]})
        self.is_closing = True

    def flush(self) -> None:
        """Write what the socket takes now. Raises OSError when the peer is gone."""
        while self.outbox:
            try:
                sent = self.peer.send(self.outbox)
            except BlockingIOError:
                return
            del self.outbox[:sent]

    def take_frame(self) -> tuple[bytes, bytes] | None:
        """Return the next whole frame that has arrived. Raises ProtocolError."""
        if len(self.inbox) < 4:
            return None
        (length,) = struct.unpack_from(">I", self.inbox)
        if not 1 <= length <= (MAX_FRAME_BYTES if self.role else MAX_HELLO_BYTES):
            raise ProtocolError(f"a frame of {length} bytes")
        if len(self.inbox) < 4 + length:
            return None
        kind, payload = bytes(self.inbox[4:5]), bytes(self.inbox[5 : 4 + length])
        del self.inbox[: 4 + length]
        return kind, payload


def read_object(payload: bytes) -> dict[str, object]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not JSON") from error
    if not isinstance(value, dict):
        raise ProtocolError("not a JSON object")
    return value


def integer(value: dict[str, object], name: str, low: int, high: int) -> int:
    number = value.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise ProtocolError(f"{name} is a number from {low} to {high}")
    return number
