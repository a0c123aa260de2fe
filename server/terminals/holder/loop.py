# ruff: noqa: PTH101, PTH108, PTH116, PTH208
"""The holder's loop: one thread, one selector, nothing that waits for a peer."""

import os
import selectors
import signal
import socket
import struct
import time
import traceback
from _operator import _compare_digest as compare_digest  # what hmac.compare_digest is, without loading OpenSSL

from .client import Client, ProtocolError, integer, read_object
from .group import forget_group, group_kills
from .record import boot_id, now_ms, start_ticks, write_json
from .spec import Spec
from .spool import Spool
from .terminal import CHUNK_BYTES, Terminal
from .tree import Tree, children

PROTOCOL = 1
MAX_CLIENTS = 32
OUTBOX_BYTES = 256 * 1024
EXIT_TAIL_BYTES = 4096
KEPT_EXIT_RECORDS = 20
ROLES = ("controller", "recorder", "reader")


class Holder:
    """One agent, its terminal and everyone who is connected to it."""

    def __init__(self, spec: Spec, lock: int) -> None:
        self.spec = spec
        self.lock = lock
        self.tree = Tree()
        self.spool = Spool(spec.spool_folder, spec.segment_bytes, spec.after_offset)
        self.terminal = Terminal(None, self.spool, spec.columns, spec.rows)
        self.watched_events = 0
        self.run_offset = self.spool.end
        self.started_at = now_ms()
        self.clients: list[Client] = []
        self.selector = selectors.DefaultSelector()
        self.pause_until: float | None = None
        self.was_asked = False
        self.killed_because = ""
        self.group_kills = group_kills(spec.group)
        self.must_end = False
        self.exit: dict[str, object] | None = None
        self.is_recorded = False
        self.record_retry_at = 0.0
        self.linger_until = 0.0
        self.is_acknowledged = False

    def start(self) -> None:
        """Take the signals, spawn the agent, listen, and write holder.json."""
        self._write_identity()
        self.wake, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self._be_told_to_end)
        self.selector.register(self.wake, selectors.EVENT_READ, self._drain_wake)
        self.terminal.master = self.tree.spawn(self.spec)
        if os.path.lexists("holder.sock"):
            os.unlink("holder.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind("holder.sock")  # relative: a socket's path has at most 107 bytes
        os.chmod("holder.sock", 0o600)
        self.listener.listen(MAX_CLIENTS)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self._write_identity()
        self._forget_old_exits()

    def serve(self) -> None:
        """Run until the agent has ended and its end was acknowledged or has been on offer long enough."""
        while True:
            self.tree.reap()
            has_ended = self.tree.status is not None or self.tree.failure is not None
            if self.exit is None and (has_ended or self.must_end):
                self._record_exit()
            self._settle()
            if self._is_finished():
                return
            for key, events in self.selector.select(self._timeout()):
                key.data(events)

    def close(self) -> None:
        """Give up the lock before the connections: whoever sees them close may start the next run."""
        if os.path.lexists("holder.sock"):
            os.unlink("holder.sock")
        os.close(self.lock)
        if self.spec.group:
            forget_group(self.spec.group)
        for client in self.clients:
            client.peer.close()

    # The end of the agent

    def _record_exit(self) -> None:
        """Clear away what the agent left behind, take the last output, write the record, tell everyone."""
        self._watch_terminal(0)
        survivors = self.tree.kill()
        self.terminal.drain()
        status, usage, failure = self.tree.status, self.tree.usage, self.tree.failure
        code = number = None
        reason = "self"
        if failure is not None:
            code, reason = failure[0], "not_started"
        elif status is None:
            reason = "unkillable"
        elif os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            reason = "killed" if number in (signal.SIGKILL, signal.SIGTERM) else "self"
            if number == signal.SIGKILL and group_kills(self.spec.group) > self.group_kills:
                reason = "oom"
        else:
            code = os.waitstatus_to_exitcode(status)
        tail_bytes = min(EXIT_TAIL_BYTES, self.spool.end - self.run_offset)
        tail = self.spool.read(self.spool.end - tail_bytes, tail_bytes)[1]
        self.exit = {
            "run_id": self.spec.run_id,
            "generation": self.spec.generation,
            "code": code,
            "signal": number,
            "core": status is not None and os.WCOREDUMP(status),
            "reason": self.killed_because or ("asked" if self.was_asked else reason),
            "started_at": self.started_at,
            "ended_at": now_ms(),
            "user_s": usage.ru_utime if usage else 0.0,
            "system_s": usage.ru_stime if usage else 0.0,
            "max_rss_kib": usage.ru_maxrss if usage else 0,
            "end_offset": self.spool.end,
            "survivors": survivors,
            "tail": failure[1] if failure else tail.decode(errors="replace"),
        }
        now = time.monotonic()
        self._write_record(now)
        self.linger_until = now + (0.0 if self.must_end else self.spec.linger_s)

    def _write_record(self, now: float) -> None:
        if self.exit is None or self.is_recorded or now < self.record_retry_at:
            return
        try:
            write_json(f"exit-{self.spec.run_id}.json", self.exit)
            self.is_recorded = True
        except OSError:  # a full disk: until there is room, the record is on offer by the socket
            traceback.print_exc()
            self.record_retry_at = now + 1.0

    def _is_finished(self) -> bool:
        if self.exit is None:
            return False
        if time.monotonic() >= self.linger_until:
            return True
        return self.is_acknowledged and not any(client.outbox for client in self.clients)

    # The connections

    def _accept(self, _events: int) -> None:
        try:
            peer, _ = self.listener.accept()
        except OSError:
            return
        peer.setblocking(False)
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.geteuid() or len(self.clients) >= MAX_CLIENTS:
            peer.close()
            return
        client = Client(peer)
        self.clients.append(client)
        self.selector.register(peer, selectors.EVENT_READ, lambda events: self._on_client(client, events))

    def _on_client(self, client: Client, events: int) -> None:
        if client not in self.clients or not events & selectors.EVENT_READ:
            return  # dropped earlier in the same round, or merely writable, which _settle makes use of
        try:
            data = client.peer.recv(CHUNK_BYTES)
            if not data:
                self._drop(client)
                return
            client.inbox += data
            while not client.is_closing and (frame := client.take_frame()):
                self._on_frame(client, *frame)
        except BlockingIOError:
            return
        except ProtocolError as error:
            client.refuse("protocol", str(error))
        except OSError:
            self._drop(client)

    def _on_frame(self, client: Client, kind: bytes, payload: bytes) -> None:
        if client.role is None:
            if kind != b"H":
                raise ProtocolError("the first frame is a hello")
            self._greet(client, read_object(payload))
        elif kind == b"I" and client.role == "controller" and len(payload) >= 4:
            error, echo = None, self.terminal.echoes()
            if self.exit is not None:
                error = "exited"
            elif not self.terminal.take_input(payload[4:]):
                error = "input_full"
            (number,) = struct.unpack_from(">I", payload)
            client.send_json(b"R", {"id": number, "ok": error is None, "error": error, "echo": echo})
        elif kind == b"Q":
            request = read_object(payload)
            number = integer(request, "id", 0, 2**32 - 1)
            client.send_json(b"R", {"id": number, **self._answer(client, request)})
        else:
            raise ProtocolError(f"a {client.role} does not send {kind!r}")

    def _greet(self, client: Client, hello: dict[str, object]) -> None:
        nonce, role = hello.get("nonce"), hello.get("role")
        expected = self.spec.nonce.encode()
        if not isinstance(nonce, str) or not compare_digest(nonce.encode(errors="replace"), expected):
            raise ProtocolError("wrong nonce")
        if hello.get("protocol") != PROTOCOL:
            raise ProtocolError(f"this holder speaks protocol {PROTOCOL}")
        if not isinstance(role, str) or role not in ROLES:
            raise ProtocolError("the role is controller, recorder or reader")
        offset = None if role == "controller" else min(integer(hello, "from", 0, 2**62), self.spool.end)
        for other in self.clients:
            if role != "reader" and other.role == role:
                other.refuse("replaced", f"another {role} has come")
        client.role, client.offset = role, offset
        client.send_json(b"W", self._describe())

    def _describe(self) -> dict[str, object]:
        return {
            "protocol": PROTOCOL,
            "run_id": self.spec.run_id,
            "generation": self.spec.generation,
            "agent_pid": self.tree.pid,
            "columns": self.terminal.columns,
            "rows": self.terminal.rows,
            "base": self.spool.base,
            "end": self.spool.end,
            "run_offset": self.run_offset,
            "has_exited": self.exit is not None,
        }

    def _answer(self, client: Client, request: dict[str, object]) -> dict[str, object]:
        verb = request.get("do")
        if verb == "ping":
            return {"ok": True, **self._describe()}
        if client.role != "controller":
            raise ProtocolError(f"a {client.role} may only ping")
        if verb == "resize":
            self.terminal.resize(integer(request, "columns", 1, 1000), integer(request, "rows", 1, 1000))
            return {"ok": True}
        if verb == "signal":
            target = "foreground" if request.get("target") == "foreground" else "group"
            number = integer(request, "signal", 1, 64)
            return {"ok": self.tree.send_signal(number, target, self.terminal.master)}
        if verb == "stopping":
            self.was_asked = True
            return {"ok": True}
        if verb == "kill":
            self.was_asked = True
            self.killed_because = "oom" if request.get("because") == "oom" else ""
            survivors = self.tree.kill()
            return {"ok": not survivors, "survivors": survivors}
        if verb == "children":
            return {"ok": True, "children": children()}
        if verb == "acknowledge":
            self.is_acknowledged = self.is_recorded
            return {"ok": self.is_acknowledged}
        return {"ok": False, "error": "unknown"}

    def _drop(self, client: Client) -> None:
        self.selector.unregister(client.peer)
        client.peer.close()
        self.clients.remove(client)

    # The rounds

    def _settle(self) -> None:
        """Bring every connection and the terminal to where they can wait."""
        now = time.monotonic()
        self._write_record(now)
        for client in list(self.clients):
            self._feed(client)
            try:
                client.flush()
            except OSError:
                self._drop(client)
                continue
            if (client.role is None and now > client.hello_until) or (client.is_closing and not client.outbox):
                self._drop(client)
                continue
            is_behind = client.offset is not None and client.offset < self.spool.end and not client.is_closing
            waits = bool(client.outbox) or is_behind
            if waits != client.waits_to_write:
                client.waits_to_write = waits
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if waits else 0)
                self.selector.modify(client.peer, events, self.selector.get_key(client.peer).data)
        reads = now >= self.terminal.shut_until and self._may_read_terminal(now)
        writes = bool(self.terminal.pending_input)
        self._watch_terminal((selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if writes else 0))

    def _feed(self, client: Client) -> None:
        """Top up a stream's outbox from the spool; say which bytes are lost if it was away too long."""
        if client.is_closing:
            return
        while client.offset is not None and client.offset < self.spool.end and len(client.outbox) < OUTBOX_BYTES:
            start, data = self.spool.read(client.offset, CHUNK_BYTES)
            if start > client.offset:
                client.send(b"G", struct.pack(">QQ", client.offset, start))
            client.send(b"O", struct.pack(">Q", start) + data)
            client.offset = start + len(data)
        has_all = client.offset is None or client.offset == self.spool.end
        if self.exit is not None and client.role and has_all and not client.was_told_exit:
            client.send_json(b"X", self.exit)
            client.was_told_exit = True

    def _may_read_terminal(self, now: float) -> bool:
        """Hold the agent back for a recorder that lags, once and briefly; never for other readers."""
        lag = max((self.spool.end - (c.offset or 0) for c in self.clients if c.role == "recorder"), default=0)
        if lag <= self.spec.lag_bytes:
            self.pause_until = None
            return True
        if self.pause_until is None:
            self.pause_until = now + self.spec.pause_s
        return now >= self.pause_until

    def _on_terminal(self, events: int) -> None:
        if events & selectors.EVENT_READ:
            self.terminal.read()
        if events & selectors.EVENT_WRITE:
            self.terminal.write()

    def _watch_terminal(self, events: int) -> None:
        master = self.terminal.master
        if master is None or events == self.watched_events:
            return
        if not events:
            self.selector.unregister(master)
        elif not self.watched_events:
            self.selector.register(master, events, self._on_terminal)
        else:
            self.selector.modify(master, events, self._on_terminal)
        self.watched_events = events

    def _timeout(self) -> float | None:
        now = time.monotonic()
        moments = [client.hello_until for client in self.clients if client.role is None]
        if self.pause_until is not None and self.pause_until > now:
            moments.append(self.pause_until)
        if self.terminal.shut_until > now:
            moments.append(self.terminal.shut_until)
        if self.exit is not None:
            moments.append(self.linger_until)
            if not self.is_recorded:
                moments.append(self.record_retry_at)
        return max(0.0, min(moments) - now) if moments else None

    def _drain_wake(self, _events: int) -> None:
        os.read(self.wake, 4096)

    def _be_told_to_end(self, *_: object) -> None:
        self.must_end = True

    def _write_identity(self) -> None:
        identity: dict[str, object] = {
            "format": 1,
            "protocol": PROTOCOL,
            "boot_id": boot_id(),
            "pid": os.getpid(),
            "start_ticks": start_ticks(os.getpid()),
            "agent_pid": self.tree.pid,
            "agent_start_ticks": self.tree.start_ticks,
            "run_id": self.spec.run_id,
            "generation": self.spec.generation,
            "started_at": self.started_at,
            "nonce": self.spec.nonce,
            "run_offset": self.run_offset,
        }
        write_json("holder.json", identity)

    def _forget_old_exits(self) -> None:
        names = [name for name in os.listdir(".") if name.startswith("exit-") and name.endswith(".json")]
        names.sort(key=lambda name: os.stat(name).st_mtime_ns)
        for name in names[:-KEPT_EXIT_RECORDS]:
            os.unlink(name)
