"""Standard input, written down before it is gone: what a killed process had read would be lost with it.

A pipe is spliced into the file by the kernel. A socket, which is what Node gives its children, is peeked at, and
emptied once the file has it. Whatever else stdin may be is just read.
"""

from __future__ import annotations

import _socket
import errno
import os
import select

_MOST = 64 * 1024
_HEAD = len(b"I0000000000\n")


class Stdin:
    """One descriptor, read by one thread."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._is_pipe = self._is_socket = False
        try:
            kind = os.fstat(descriptor).st_mode & 0o170000
        except OSError:
            return
        self._is_pipe = kind == 0o010000 and hasattr(os, "splice")
        self._is_socket = kind == 0o140000
        if self._is_socket:
            self._peer = _socket.socket(fileno=os.dup(descriptor))

    def wait(self) -> None:
        """Return when something has come, or the end."""
        self._poll.poll()

    def read(self) -> bytes:
        """Return what has come, b"" at the end."""
        while True:
            try:
                return os.read(self._descriptor, _MOST)
            except BlockingIOError:
                self.wait()
            except OSError:
                return b""  # closed, or a terminal that is gone

    def move_to(self, file: int) -> tuple[bytes, bool]:
        """Append what has come to a file as a record; return it, b"" at the end, and whether the file has it."""
        try:
            data = self._splice_to(file) if self._is_pipe else self._hand_over_to(file) if self._is_socket else None
        except OSError:  # the file takes no more; stdin holds all of it still
            return self.read(), False
        if data is not None:
            return data, True
        data = self.read()
        return data, written(file, record(data))

    def still_holds(self, data: bytes) -> bool:
        """Tell whether this, which was peeked at, is still to be read."""
        if not self._is_socket:
            return False
        try:
            return self._peer.recv(len(data), _socket.MSG_PEEK | _socket.MSG_DONTWAIT) == data
        except OSError:
            return False

    def _splice_to(self, file: int) -> bytes | None:
        start = os.lseek(file, 0, os.SEEK_CUR)
        os.write(file, record(b""))  # until its length is known the record is all that follows
        try:
            count = os.splice(self._descriptor, file, _MOST)
        except OSError as error:
            self._is_pipe = error.errno == errno.ENOSPC  # otherwise it is no file to splice to
            os.ftruncate(file, os.lseek(file, start, os.SEEK_SET))
            return None
        os.pwrite(file, b"I%010d\n" % count, start)  # in place: it needs no room
        return os.pread(file, count, start + _HEAD)

    def _hand_over_to(self, file: int) -> bytes | None:
        data = self._peer.recv(_MOST, _socket.MSG_PEEK)
        os.write(file, b"P" + record(data)[1:])
        left = len(data)
        while left > 0:
            left -= len(self._peer.recv(left))
        written(file, b"C\n")
        return data


def record(data: bytes) -> bytes:
    """Return the journal's record of what came on stdin."""
    return b"I%010d\n" % len(data) + data


def written(file: int, entry: bytes) -> bool:
    """Append to a file; tell whether it took it whole."""
    try:
        return os.write(file, entry) == len(entry)
    except OSError:
        return False
