"""The desk of one agent: one task that compares wanted with actual, lets `lifecycle` decide, and acts."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from server.config import AgentConfig
from server.core.errors import Conflict
from server.dispatch import Dispatch, wall_clock
from server.events.feed import Feed
from server.features.agents import Supervised
from server.supervision import launch, lifecycle
from server.supervision.activity import LASTING
from server.supervision.bounds import WATCHED
from server.supervision.courier import Courier
from server.supervision.kinds.kind import PAUSE_S, Activity, CannotLaunch, HookMeaning, Kind, Run
from server.supervision.launch import Premises
from server.supervision.lifecycle import LIVE, Lifecycle, Step
from server.supervision.meter import Meter
from server.supervision.relay import Relay
from server.supervision.sandbox import agent_process
from server.supervision.sight import Sight
from server.supervision.start_gate import StartGate
from server.supervision.workplace import BrokenOff
from server.terminals import adoption
from server.terminals.adoption import Finding
from server.terminals.attachment import Attachment
from server.terminals.errors import AlreadyHeld, HolderFailed, HolderLost, InputFull
from server.terminals.plain_text import plain_lines
from server.terminals.record import ExitRecord, read_holder
from server.terminals.resident import resident_bytes
from server.terminals.spool import read_tail

logger = logging.getLogger(__name__)

TICK_S = 0.25
CALM_TICK_S = 1.0
SETTLE_MS = 1000
"""An agent whose kind tells nothing of itself is ready when it has stayed up for so long."""
BRIDGE_MISSING_S = 30.0
INTERRUPTING_S = 10.0
"""After a pause: what was pushed a moment before it may yet begin a turn. Later it is a person who types."""
TAIL_CHARACTERS = 4096
DIALOG_AFTER_MS = 10_000
"""A CLI that is not at its prompt after so long may stand at a question."""
SCREEN_BYTES = 32 * 1024
SIGN_IN_EVERY_S = 30.0
"""So long at most an agent goes on with a sign-in that another one has renewed."""
_LIFE = TypeAdapter(Lifecycle)


class AgentDesk:
    """One agent: its lifecycle, its run, its courier."""

    def __init__(
        self,
        agent: AgentConfig,
        kind: Kind,
        premises: Premises,
        dispatch: Dispatch,
        feed: Feed,
        gate: StartGate,
        random: Callable[[int], bytes],
    ) -> None:
        self.name = agent.name
        self.kind = kind
        self.attachment: Attachment | None = None
        self.courier = Courier(self, dispatch, feed, lambda: random(6).hex())
        self.meter = Meter(agent, kind, dispatch, feed)
        self.is_paused = False
        self._interrupting_until = 0.0
        self._watched_bytes: int | None = None
        self._agent = agent
        self._premises = premises
        self._dispatch = dispatch
        self._gate = gate
        self._random = random
        self._life = Lifecycle()
        self._session_id = ""
        self._run: Run | None = None
        self._mailbox: asyncio.Queue[lifecycle.Event] = asyncio.Queue()
        self._settled = asyncio.Event()
        self._break_off = asyncio.Event()
        """Ends a set-up command that runs before the agent starts."""
        self._shared_at = 0.0
        self._bridges: dict[str, int] = {}
        self._bridge_missing_since: float | None = None
        self.sight = Sight(agent, kind, dispatch, self)
        self.relay = Relay(agent.name, agent.permissions, dispatch, self.sight.hear, self._spawn)

    # What others ask of it ----------------------------------------------------------------------------------------

    @property
    def ways(self) -> Sequence[str]:
        return self.kind.ways

    @property
    def is_ready(self) -> bool:
        return self._life.state in ("ready", "degraded")

    @property
    def has_bridge(self) -> bool:
        return self._run is not None and self._bridges.get(self._run.run_id, 0) > 0

    def is_of_present_run(self, run_id: str | None) -> bool:
        """Tell whether something comes from the run there is now, and not from an earlier incarnation."""
        return self._run is not None and run_id == self._run.run_id

    def require_present_run(self, run_id: str | None) -> None:
        """Raise Conflict unless a report comes from the run there is now."""
        if not self.is_of_present_run(run_id):
            raise Conflict(
                f"This is a report of an earlier run of {self.name}: it counts for nothing.",
                hint="End this process; the run there is now reports for itself.",
                code="stale_run",
            )

    def asked(self, action: str, reason: str, by: str) -> None:
        """Take a start, stop or restart that somebody asked for."""
        words = f"{action} asked by {by}" + (f": {reason}" if reason else "")
        self._mailbox.put_nowait(lifecycle.Asked(action, words))
        if action != "start":
            self._break_off.set()

    async def held(self, action: str) -> None:
        """Take that somebody paused the agent, or let it go on."""
        self.is_paused = action == "pause"
        if self.is_paused:
            self._interrupting_until = time.monotonic() + INTERRUPTING_S
            await self._end_turn()
        self.courier.wake()

    def bridge_changed(self, run_id: str, present: bool) -> None:
        """Take note of a bridge of one run that has come or gone."""
        count = self._bridges.get(run_id, 0) + (1 if present else -1)
        if count > 0:
            self._bridges[run_id] = count
        else:
            self._bridges.pop(run_id, None)
        self.courier.wake()
        self._mailbox.put_nowait(lifecycle.Tick())

    async def stop_for_now(self) -> None:
        """Stop the agent because the server closes, and wait; at the next start it is brought back."""
        if not self.kind.has_process:
            return
        self._settled.clear()
        self._mailbox.put_nowait(lifecycle.Hold())
        self._break_off.set()
        await self._settled.wait()

    async def is_idle(self) -> bool:
        seen = await self._observe()
        return seen is not None and (seen.activity == "idle" or seen.code in LASTING)

    async def takes_notice(self) -> bool:
        return "queue" in self.ways or await self.is_idle()

    async def give_notice(self, text: str) -> bool:
        if await self.is_idle():  # a queue of prompts is looked into only now and then
            await self._type(self.kind.paste(text))
            return True
        if "queue" in self.ways and self._run is not None:
            return await asyncio.to_thread(self.kind.queue, self._run, text)
        return False

    async def break_off(self) -> bool:
        await self._type(self.kind.interrupt)
        return bool(self.kind.interrupt)

    async def type_keys(self, writes: Sequence[bytes]) -> None:
        await self._type(writes)

    def restart(self, reason: str) -> None:
        """Start the process anew, as a person would."""
        self._mailbox.put_nowait(lifecycle.Asked("restart", reason))

    def activity_changed(self) -> None:
        self.courier.wake()

    async def remembered(self, push_ids: Sequence[str]) -> frozenset[str]:
        if self._run is None:
            return frozenset()
        return await asyncio.to_thread(self.kind.remembered, self._run, push_ids)

    def called(self, tool: str) -> None:
        """Take note that the agent has called a tool of the team."""
        self._spawn(self.sight.hear(Activity("working", tool, "mcp", "call")))

    async def hold_for_a_person(self, meaning: HookMeaning, payload: Mapping[str, Any]) -> Mapping[str, object]:
        """Put before a person what the CLI asks, and return what its held call is answered, once there is an answer."""
        if meaning.asked is None or self._run is None:
            return meaning.answer
        decided = await self.relay.ask(meaning.asked, self._run.run_id, meaning.activity)
        return self.kind.answer(meaning.asked, payload, decided)

    async def report_edit(self, path: str) -> None:
        """Tell those whom it concerns that the agent has changed a file."""
        file, inside = _placed(path, self._agent.workdir)
        await self._dispatch.as_system("report_edit", member=self.name, path=file, project_path=inside)

    # Its life -----------------------------------------------------------------------------------------------------

    async def open(self, *, starts: bool = True) -> None:
        """Take over what is stored and what is running from before; unless `starts`, what does not run stays so."""
        stored: Supervised = await self._dispatch.as_system("get_supervised", name=self.name)
        self._session_id = stored.session_id
        with contextlib.suppress(ValidationError):
            self._life = _LIFE.validate_json(stored.lifecycle or "{}")
        wanted = stored.agent.wanted == "running" and self._agent.enabled
        self._life = replace(self._life, wanted=wanted, held=False)
        self.is_paused = stored.agent.paused_at is not None
        memory = stored.agent.limits.get("memory")
        self._watched_bytes = int(memory.limit or 0) if memory is not None and memory.by == WATCHED else None
        if not self.kind.has_process:
            await self._store(replace(self._life, state="stopped", reason="connects by itself"))
            return
        found = await self._adopt(stored.agent.run_id, stored.agent.generation)
        if self.attachment is not None:
            self.sight.begin(stored.agent)
        if found is not None:
            await self._advance(found)
        elif starts:
            self._mailbox.put_nowait(lifecycle.FoundNothing())
        elif self._life.state in LIVE or self._life.state == "unknown":
            await self._store(replace(self._life, state="stopped", reason="not started: only the server was asked for"))

    async def run(self) -> None:
        """Act on what happens until cancelled. A failure is logged; the next event is acted on all the same."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            if self.attachment is not None:
                tasks.create_task(self._watch(self.attachment))
            tasks.create_task(self._tick())
            while True:
                event = await self._mailbox.get()
                try:
                    await self._advance(event)
                except Exception:
                    logger.exception("agent %s: %s could not be acted on", self.name, type(event).__name__)
                if self._life.held and self._life.state not in LIVE:
                    self._settled.set()

    async def close(self) -> None:
        """Let go of the agent, leaving it as it is."""
        if self.attachment is not None:
            await self.attachment.close()

    async def _advance(self, event: lifecycle.Event) -> None:
        life, actions = lifecycle.advance(
            self._life,
            event,
            now=wall_clock(),
            chance=int.from_bytes(self._random(2), "big") / 65535,
            policy=self._agent.restart,
            grace_s=self._agent.stop_grace_s,
        )
        if life != self._life:
            await self._store(life)
        for action in actions:
            if isinstance(action, lifecycle.Launch):
                await self._launch()
            else:
                await self._step(action.step)

    async def _store(self, life: Lifecycle) -> None:
        changed = (life.state, life.reason) != (self._life.state, self._life.reason)
        self._life = life
        record = None if self.attachment is None else self.attachment.record
        await self._dispatch.as_system(
            "report_state",
            name=self.name,
            state=life.state,
            reason=life.reason,
            reason_code=life.reason_code,
            lifecycle=_LIFE.dump_json(life).decode(),
            pid=None if record is None or life.state not in LIVE else record.agent_pid,
            restarts=life.restarts,
            next_start_at=life.next_start_at,
        )
        if changed:
            logger.info("agent %s: %s %s", self.name, life.state, life.reason)
            self.courier.wake()

    async def _launch(self) -> None:
        if not await self._make_workplace():
            return
        async with self._gate.passing():
            try:
                run, plan = await launch.begin(self._premises, self._agent, self.kind, self._session_id, self._dispatch)
                attachment, bounds = await launch.start(run, plan, self._premises)
            except CannotLaunch as failure:
                self._mailbox.put_nowait(lifecycle.CouldNotStart(str(failure), permanent=True))
                return
            except (OSError, HolderFailed, HolderLost, AlreadyHeld) as failure:
                logger.warning("agent %s could not be started: %s", self.name, failure)
                self._mailbox.put_nowait(lifecycle.CouldNotStart(str(failure), permanent=False))
                return
        self._run, self.attachment = run, attachment
        self._watched_bytes = bounds.watched_bytes
        await self._dispatch.as_system("report_limits", name=self.name, limits=dict(bounds.bounds))
        self.sight.begin()
        self._bridge_missing_since = None
        self.courier.run_started()
        self.meter.begin()
        self._tasks.create_task(self._watch(attachment))
        await self._store(self._life)

    async def _make_workplace(self) -> bool:
        """Make the agent's folder; False if it cannot be made, or the agent is to stop meanwhile."""
        self._break_off.clear()

        async def setting_up() -> None:
            words = " ".join(self._agent.workplace.setup)
            await self._store(replace(self._life, reason=f"sets up its folder: {words}"))

        try:
            await launch.make_workplace(self._premises, self._agent, self._break_off, setting_up)
        except (CannotLaunch, OSError) as failure:
            self._mailbox.put_nowait(lifecycle.CouldNotStart(str(failure), permanent=isinstance(failure, CannotLaunch)))
            return False
        except BrokenOff as failure:
            # The stop that broke it off is before this in the mailbox.
            self._mailbox.put_nowait(lifecycle.Ended(None, None, str(failure)))
            return False
        # The time in which it must be ready begins now, not with its set-up.
        self._life = replace(self._life, since=wall_clock())
        return True

    async def _adopt(self, run_id: str | None, generation: int) -> lifecycle.Event | None:
        """Find what is left of the run on record; attach if it goes on, put its end on record if it does not."""
        folder = launch.folder_of(self._premises, self.name)
        record = read_holder(folder)
        if run_id is None or record is None or record.run_id != run_id:
            if run_id is not None and self._life.state in LIVE:
                await self._dispatch.as_system("end_run", run_id=run_id, code=None, signal=None, reason="lost", tail="")
                return lifecycle.Ended(None, None, "lost while the server was away")
            return None
        finding = await adoption.examine(folder, record)
        if finding.attachment is not None and finding.found is adoption.Found.RUNNING:
            token_file = folder / "token"
            token = token_file.read_text(encoding="utf-8").strip() if token_file.exists() else ""
            self._run = launch.describe_run(
                self._premises, self._agent, run_id=run_id, generation=generation,
                session_id=self._session_id, token=token,
            )  # fmt: skip
            self.attachment = finding.attachment
            return lifecycle.Found()
        ended = await self._settle_end(finding)
        return ended if self._life.state in LIVE else None

    async def _watch(self, attachment: Attachment) -> None:
        """Wait for the end of a run and put it on record."""
        try:
            end = await attachment.wait_until_exit()
            finding = Finding(attachment.agent_folder, attachment.record, adoption.Found.EXITED, end, attachment)
        except (HolderLost, HolderFailed):
            finding = await adoption.examine(attachment.agent_folder, attachment.record)
            if finding.found is adoption.Found.RUNNING and finding.attachment is not None:
                self.attachment = finding.attachment
                self._tasks.create_task(self._watch(finding.attachment))
                return
        await self._count_the_rest()
        ended = await self._settle_end(finding)
        if self.attachment is attachment:
            self.attachment = None
        self.sight.begin()
        self._mailbox.put_nowait(ended)

    async def _settle_end(self, finding: Finding) -> lifecycle.Ended:
        why, reason = "", "lost"
        if finding.found in (adoption.Found.HUNG, adoption.Found.ORPHAN):
            left = await adoption.kill_remains(finding.record)
            why = "its holder was lost" + (f"; still alive: {left}" if left else "")
            reason = "holder_hung" if finding.found is adoption.Found.HUNG else "holder_lost"
        end = finding.exit
        await self._dispatch.as_system(
            "end_run",
            run_id=finding.record.run_id,
            code=None if end is None else end.code,
            signal=None if end is None else end.signal,
            reason=reason if end is None else end.reason,
            tail=_tail(end),
        )
        if finding.attachment is not None:
            with contextlib.suppress(HolderLost, HolderFailed):
                await finding.attachment.acknowledge()
            await finding.attachment.close()
        if end is None:
            return lifecycle.Ended(None, None, why or "lost: nothing of it is alive and its end was not recorded")
        if end.reason == "oom":
            limit = (self._agent.limits.memory_bytes or 0) >> 20
            why = f"it took more memory than its limit of {limit} MiB"
        return lifecycle.Ended(end.code, end.signal, end.tail if end.reason == "not_started" else why)

    async def _step(self, step: Step) -> None:
        attachment = self.attachment
        if attachment is None:
            return
        try:
            match step:
                case Step.POLITE:
                    await attachment.announce_stop()
                    if self.kind.polite_exit:
                        await self._type(self.kind.polite_exit)
                    else:
                        await attachment.send_signal(signal.SIGTERM, target="group")
                case Step.INTERRUPT:
                    await attachment.send_signal(signal.SIGINT, target="foreground")
                case Step.TERMINATE:
                    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCONT):
                        await attachment.send_signal(number, target="group")
                case Step.KILL | Step.VERIFY:
                    killed = await attachment.kill_tree()
                    if not killed.is_empty:
                        self._mailbox.put_nowait(lifecycle.Left(killed.survivors))
        except (HolderLost, HolderFailed, InputFull) as failure:
            logger.info("agent %s, stop step %s: %s", self.name, step.value, failure)

    async def _type(self, writes: Sequence[bytes]) -> None:
        for data in writes:
            if self.attachment is None:
                return
            await self.attachment.write(data)
            await asyncio.sleep(PAUSE_S)

    # What it sees -------------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(CALM_TICK_S if self._life.state in ("ready", "degraded") else TICK_S)
            if self._life.state in ("backoff", "starting", "stopping"):
                self._mailbox.put_nowait(lifecycle.Tick())
            if self._life.state in ("starting", "ready", "degraded") and self.attachment is not None:
                try:
                    await self._look()
                except Exception:
                    logger.exception("agent %s could not be looked at", self.name)

    async def _look(self) -> None:
        """Look whether the agent is ready, and what it is doing."""
        await self._watch_memory()
        if time.monotonic() - self._shared_at >= SIGN_IN_EVERY_S:
            await self._share_sign_in()
        seen = await self._observe()
        if self._run is not None:
            # Of a kind that tells nothing of itself all time counts.
            await self.meter.look(self._run, is_working=seen is None or seen.activity == "working")
        if self.is_paused and time.monotonic() < self._interrupting_until:
            await self._end_turn()
        await self.relay.seen(seen)
        if seen is None and self._life.state == "starting" and wall_clock() - self._life.since >= DIALOG_AFTER_MS:
            seen = await self._read_screen()
        await self.sight.look(seen, is_asking=self.relay.is_holding)
        has_bridge = self.has_bridge or not self.kind.has_bridge
        if has_bridge:
            self._bridge_missing_since = None
            settled = wall_clock() - self._life.since >= SETTLE_MS
            is_at_prompt = seen is not None and seen.source != "screen"
            if self._life.state != "ready" and (is_at_prompt if self.kind.has_bridge else settled):
                self._mailbox.put_nowait(lifecycle.BecameReady())
        elif self._life.state == "ready":
            monotonic = time.monotonic()
            self._bridge_missing_since = self._bridge_missing_since or monotonic
            if monotonic - self._bridge_missing_since > BRIDGE_MISSING_S:
                self._mailbox.put_nowait(lifecycle.Weakened("its bridge is not connected: it has no team tools"))

    async def _end_turn(self) -> None:
        """Break off the turn that it is in, if it is in one."""
        if self.attachment is not None and not await self.is_idle():
            await self.break_off()

    async def _watch_memory(self) -> None:
        """End an agent that takes more memory than it may, where the system does not."""
        attachment, most = self.attachment, self._watched_bytes
        if attachment is None or not most:
            return
        taken = await asyncio.to_thread(resident_bytes, attachment.record.pid)
        if taken > most:
            logger.warning("agent %s takes %d MiB of memory, its limit is %d MiB", self.name, taken >> 20, most >> 20)
            await attachment.kill_tree(because="oom")

    async def _share_sign_in(self) -> None:
        """Give and take what was renewed of the sign-in that the agent shares."""
        self._shared_at = time.monotonic()
        if self._run is None:
            return
        try:
            await asyncio.to_thread(self.kind.share_sign_in, self._run)
        except OSError as failure:
            logger.warning("the sign-in of agent %s could not be shared: %s", self.name, failure)

    async def _count_the_rest(self) -> None:
        """Count what a run that has ended wrote down last."""
        if self._run is None:
            return
        await self._share_sign_in()
        try:
            await self.meter.count(self._run)
        except Exception:
            logger.exception("what agent %s used last could not be counted", self.name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._tasks.create_task(work)
        except (AttributeError, RuntimeError):  # the server is closing: what is left is settled at its next start
            work.close()

    async def _read_screen(self) -> Activity | None:
        """Look for a dialog that keeps the CLI from its prompt."""
        if self.attachment is None:
            return None
        output = await asyncio.to_thread(read_tail, self.attachment.spool, SCREEN_BYTES)
        return self.kind.read_screen("\n".join(plain_lines(output.data)))

    async def _observe(self) -> Activity | None:
        attachment, run = self.attachment, self._run
        if attachment is None or run is None or attachment.record.agent_pid is None:
            return None
        return await asyncio.to_thread(_observed, self.kind, run, attachment.record.agent_pid)


def _observed(kind: Kind, run: Run, pid: int) -> Activity | None:
    return kind.observe(run, agent_process(pid))


def _placed(path: str, folder: Path) -> tuple[str, str]:
    """Return a file's absolute path, and its path within a folder, or nothing if it lies elsewhere."""
    file = Path(os.path.normpath(folder / path))
    return str(file), file.relative_to(folder).as_posix() if file.is_relative_to(folder) else ""


def _tail(end: ExitRecord | None) -> str:
    return "" if end is None else "\n".join(plain_lines(end.tail.encode()))[-TAIL_CHARACTERS:]
