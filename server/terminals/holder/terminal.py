"""The master side of the agent's pseudo-terminal, read into the spool and written to without ever waiting."""

import fcntl
import os
import struct
import termios
import time

from .spool import Spool

CHUNK_BYTES = 64 * 1024
MAX_PENDING_INPUT_BYTES = 1 << 20
REOPEN_POLL_S = 0.25
DRAIN_TIMEOUT_S = 1.0


class Terminal:
    """One pseudo-terminal; `master` is None when the agent could not be started, and after its end."""

    def __init__(self, master: int | None, spool: Spool, columns: int, rows: int) -> None:
        self.master = master
        self.spool = spool
        self.columns = columns
        self.rows = rows
        self.pending_input = bytearray()
        self.shut_until = 0.0
        """Nobody has the terminal open. A process may open it again by /dev/tty, so it is tried again then."""

    def read(self) -> bool:
        """Take some of what the agent has written, so that connections have their turn too. False: nothing."""
        chunk = bytearray()
        while self.master is not None and len(chunk) < CHUNK_BYTES:
            try:
                data = os.read(self.master, CHUNK_BYTES - len(chunk))
            except BlockingIOError:
                break
            except OSError:  # EIO is how Linux says that the other side is shut
                data = b""
            if not data:
                self.shut_until = time.monotonic() + REOPEN_POLL_S
                break
            chunk += data
        if chunk:
            self.spool.append(bytes(chunk))
        return bool(chunk)

    def take_input(self, data: bytes) -> bool:
        """Queue what a person or the server types. False: the agent has not read what was typed before."""
        if len(self.pending_input) + len(data) > MAX_PENDING_INPUT_BYTES:
            return False
        self.pending_input += data
        self.write()
        return True

    def echoes(self) -> bool:
        """Tell whether the terminal shows what is typed; it does not while a password is asked for."""
        if self.master is None:
            return False
        try:
            return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)
        except termios.error:
            return False

    def write(self) -> None:
        """Hand on what the terminal takes now."""
        if self.master is None or not self.pending_input:
            return
        try:
            written = os.write(self.master, self.pending_input[:CHUNK_BYTES])
        except BlockingIOError:
            return
        except OSError:
            written = len(self.pending_input)
        del self.pending_input[:written]

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        if self.master is not None:
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def drain(self) -> None:
        """Read to the end and close: all that had the terminal open is dead, so the end is there, or nearly so."""
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        self.shut_until = 0.0
        while self.master is not None and not self.shut_until and time.monotonic() < deadline:
            if not self.read() and not self.shut_until:
                time.sleep(0.005)
        self.shut_until = 0.0
        if self.master is not None:
            os.close(self.master)
            self.master = None
