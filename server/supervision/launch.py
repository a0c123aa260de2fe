"""Furnishes one run of an agent: its token, its folder's files, its command; then has a holder start it."""

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from server.config import AgentConfig
from server.dispatch import Dispatch
from server.supervision import workplace
from server.supervision.bounds import Plan, plan_bounds, processes_of_user
from server.supervision.kinds.environment import agent_environment, find_program
from server.supervision.kinds.files import make_folder
from server.supervision.kinds.kind import CannotLaunch, Kind, Launch, Run
from server.supervision.sandbox import enclose
from server.terminals import cgroup
from server.terminals import launch as terminals
from server.terminals.attachment import Attachment
from server.terminals.launch import HolderTuning

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Premises:
    """What all agents of an office share."""

    agents_folder: Path
    server_url: str
    group_base: Path | None = None
    """Control group below which agents can be given their own, if the system left one to the office."""


def folder_of(premises: Premises, name: str) -> Path:
    return premises.agents_folder / name


def describe_run(
    premises: Premises, agent: AgentConfig, *, run_id: str, generation: int, session_id: str, token: str
) -> Run:
    """Return the run as its kind sees it."""
    folder = folder_of(premises, agent.name)
    return Run(
        agent=agent,
        run_id=run_id,
        generation=generation,
        session_id=session_id,
        folder=folder,
        workdir=agent.workdir,
        server_url=premises.server_url,
        token_file=folder / "token",
        token=token,
    )


async def begin(
    premises: Premises, agent: AgentConfig, kind: Kind, session_id: str, dispatch: Dispatch
) -> tuple[Run, Launch]:
    """Record a new run, mint its token and write its files. Raises CannotLaunch, OSError."""
    run_id = uuid.uuid4().hex
    begun = await dispatch.as_system("begin_run", name=agent.name, run_id=run_id, isolation=agent.isolation.mode)
    minted = await dispatch.as_system("mint_run_token", name=agent.name, run_id=run_id)
    run = describe_run(
        premises, agent, run_id=run_id, generation=begun.generation, session_id=session_id, token=minted.token
    )
    return run, await asyncio.to_thread(_furnish, kind, run)


async def make_workplace(
    premises: Premises, agent: AgentConfig, stop: asyncio.Event, setting_up: Callable[[], Awaitable[None]]
) -> None:
    """Make the folder in which an agent works, and set it up if it is new; `setting_up` is told first.

    Raises CannotLaunch, BrokenOff if `stop` is set meanwhile.
    """
    folder = folder_of(premises, agent.name)
    await asyncio.to_thread(workplace.provide, agent, make_folder(folder))
    if not workplace.needs_set_up(agent, folder):
        return
    await setting_up()
    run = describe_run(premises, agent, run_id="", generation=0, session_id="", token="")
    launch = await asyncio.to_thread(_set_up_launch, agent, run)
    await workplace.set_up(agent, folder, launch.argv, launch.environment, stop)


async def start(run: Run, launch: Launch, premises: Premises) -> tuple[Attachment, Plan]:
    """Have a holder start the agent within its bounds, and return these too.

    Raises AlreadyHeld, HolderFailed, HolderLost.
    """
    plan, group = await asyncio.to_thread(_bound, run, premises.group_base)
    attachment = await terminals.launch(
        run.folder,
        run_id=run.run_id,
        generation=run.generation,
        argv=launch.argv,
        environment=launch.environment,
        working_directory=launch.working_directory,
        columns=launch.cols,
        rows=launch.rows,
        tuning=HolderTuning(limits=plan.rlimits, group=group),
    )
    return attachment, plan


def _bound(run: Run, base: Path | None) -> tuple[Plan, Path | None]:
    """Return the agent's bounds and its control group; one that cannot be made is told as none."""
    uid = os.geteuid()
    for controllers in (frozenset() if base is None else cgroup.controllers_of(base), frozenset[str]()):
        plan = plan_bounds(run.agent.limits, controllers, uid, processes_of_user(uid))
        if base is None or not plan.group:
            return plan, None
        try:
            return plan, cgroup.make_group(base, run.agent.name, plan.group)
        except OSError as failure:
            logger.warning("agent %s gets no control group: %s", run.agent.name, failure)
    return plan, None


def _furnish(kind: Kind, run: Run) -> Launch:
    for folder in (run.folder, run.home, run.temporary):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    _write_token(run.token_file, run.token)
    return enclose(kind.prepare(run), run.agent, run.folder)


def _set_up_launch(agent: AgentConfig, run: Run) -> Launch:
    """Return the set-up command as the agent itself could give it: what a repository brings is not to reach further."""
    words = agent.workplace.setup
    program = find_program(agent, words[0])
    if program is None:
        raise CannotLaunch(f"The set-up of {agent.name} has no program {words[0]}: install it, or correct setup.")
    return enclose(Launch((program, *words[1:]), agent_environment(run), agent.workdir), agent, run.folder)


def _write_token(file: Path, token: str) -> None:
    """Replace the token file whole: the bridge reads it again whenever it is refused."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(token + "\n")
    new.replace(file)
