"""What `bullpen doctor` looks at for each agent of the team: program, sign-in, folder, secrets."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.config import AgentConfig, Config, SecretUnavailable, resolve_secret
from server.supervision.bounds import plan_bounds
from server.supervision.kinds.catalogue import KINDS
from server.supervision.kinds.environment import find_program
from server.supervision.sandbox import describe, sandbox_problem
from server.supervision.workplace import Workspace, git_problem, read_workspace, uncommitted
from server.terminals.cgroup import controllers_of, find_delegated

_VERSION = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class AgentCli:
    """What is looked at of one agent CLI."""

    title: str
    package: str
    tested: str
    """The version that the project's tests run (docs/agent-clis.md)."""
    folder: str
    """Where a person's own sign-in is."""
    sign_in: str
    """The file in it that holds the sign-in."""
    how: str
    credentials: frozenset[str]
    """Variables that take its place."""


AGENT_CLIS: Mapping[str, AgentCli] = {
    "claude": AgentCli(
        "Claude Code", "@anthropic-ai/claude-code", "2.1.329", "~/.claude", ".credentials.json",
        "claude, then /login", frozenset({"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"}),
    ),
    "codex": AgentCli(
        "Codex", "@openai/codex", "0.169.0", "~/.codex", "auth.json", "codex login", frozenset({"OPENAI_API_KEY"})
    ),
    "gemini": AgentCli(
        "Gemini CLI", "@google/gemini-cli", "0.61.0", "~/.gemini", "oauth_creds.json",
        "gemini, and follow it", frozenset({"GEMINI_API_KEY"}),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: str
    """ok | warn | fail"""
    cause: str
    fix: str = ""


def check_agents(config: Config) -> Iterator[Check]:
    """Look at everything that the agents of a team need, and the secrets of those who are told outside."""
    yield from _programs(config)
    yield from _versions(config)
    yield from _sign_ins(config)
    yield from _work_folders(config)
    yield from _isolation(config)
    yield from _secrets(config)
    yield from _limits(config)


def _limits(config: Config) -> Iterator[Check]:
    """Say by which means the limits of agents are kept here."""
    base = find_delegated()
    controllers = frozenset[str]() if base is None else controllers_of(base)
    uid = os.geteuid()
    for agent in config.agents:
        bounds = plan_bounds(agent.limits, controllers, uid, processes=0).bounds
        idle = [f"{name} ({bound.detail})" for name, bound in bounds.items() if bound.limit and bound.by == "none"]
        if idle:
            yield Check(agent.name, "warn", f"limits not in force: {'; '.join(idle)}",
                        "Run it as a service with a control group of its own: bullpen service install")  # fmt: skip


def problem_of(agent: AgentConfig) -> str | None:
    """Say in one sentence with its remedy why an agent cannot be launched here, or None."""
    return KINDS[agent.kind].problem(agent)


def _programs(config: Config) -> Iterator[Check]:
    for agent in config.agents:
        problem = problem_of(agent)
        if problem is not None:
            yield Check(agent.name, "fail", problem)


def _versions(config: Config) -> Iterator[Check]:
    for kind, cli in AGENT_CLIS.items():
        paths = {
            find_program(agent, agent.command[0] if agent.command else kind)
            for agent in config.agents
            if agent.kind == kind
        }
        for path in sorted(path for path in paths if path):
            version = _version_of(path) or "of unknown version"
            if version.split(".")[:2] == cli.tested.split(".")[:2]:
                yield Check(cli.title, "ok", f"{version} at {path}")
            else:
                fix = f"If something is odd: npm install -g {cli.package}@{cli.tested}"
                yield Check(cli.title, "warn", f"{version} at {path}; tested is {cli.tested}", fix)


def _version_of(path: str) -> str | None:
    """Ask a program for its version; it gets 10 s."""
    try:
        done = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return match[0] if match else None


def _sign_ins(config: Config) -> Iterator[Check]:
    """Look for the sign-in that agents without a key or a token of their own are given a copy of."""
    for kind, cli in AGENT_CLIS.items():
        folders = {
            (agent.provider.config_dir if agent.provider else None) or Path(cli.folder).expanduser()
            for agent in config.agents
            if agent.kind == kind and _shares_a_sign_in(agent, cli)
        }
        for folder in sorted(folders):
            if (folder / cli.sign_in).is_file():
                yield Check("sign-in", "ok", f"the one in {folder} is given to agents of kind {kind} without a key")
            else:
                yield Check("sign-in", "warn", f"there is none in {folder}, and agents of kind {kind} have no key",
                            f"Sign in: {cli.how}. Or name a key under providers in agents.yaml.")  # fmt: skip


def _shares_a_sign_in(agent: AgentConfig, cli: AgentCli) -> bool:
    provider = agent.provider
    if cli.credentials & {*agent.environment_secrets}:
        return False
    return provider is None or (provider.auth == "oauth" and provider.secret is None)


def _work_folders(config: Config) -> Iterator[Check]:
    for agent in config.agents:
        # Those in the data folder, worktrees and clones are made at the first launch.
        if (
            agent.workplace.mode == "dir"
            and not agent.workdir.is_relative_to(config.data)
            and not agent.workdir.is_dir()
        ):
            yield Check(
                agent.name, "fail", f"its folder {agent.workdir} is not there", f"Make it: mkdir -p {agent.workdir}"
            )
        problem = git_problem(agent)
        if problem is not None:
            yield Check(agent.name, "fail", problem)
    yield from _left_workplaces(config)


def _left_workplaces(config: Config) -> Iterator[Check]:
    """Tell of worktrees and clones that no agent works in any more: nothing of ours ever removes one."""
    working = {agent.name: str(agent.workdir) for agent in config.agents if agent.workplace.mode != "dir"}
    for folder in sorted((config.data / "agents").glob("*")):
        made = read_workspace(folder)
        if made is None or working.get(folder.name) == made.path or not Path(made.path).exists():
            continue
        changes = uncommitted(made)
        said = (
            ""
            if changes is None
            else f", with {changes} uncommitted changes"
            if changes
            else ", with nothing uncommitted"
        )
        yield Check(folder.name, "warn", f"its {made.mode} {made.path} is not used any more{said}",
                    _removal(made))  # fmt: skip


def _removal(made: Workspace) -> str:
    if made.mode == "worktree":
        return f"If it can go: git -C {shlex.quote(made.repo)} worktree remove {shlex.quote(made.path)}"
    return "Look what is in it, then remove the folder."


def _isolation(config: Config) -> Iterator[Check]:
    for agent in config.agents:
        problem = sandbox_problem(agent)
        if problem is not None:
            yield Check(agent.name, "fail", problem)
        elif KINDS[agent.kind].has_process:
            yield Check(agent.name, "ok", describe(agent))


def _secrets(config: Config) -> Iterator[Check]:
    needed = {
        reference
        for agent in config.agents
        for reference in (*agent.environment_secrets.values(), agent.provider.secret if agent.provider else None)
        if reference is not None
    }
    needed |= {
        reference
        for target in config.notifications.targets
        for reference in (target.url, target.secret)
        if reference is not None
    }
    for reference in sorted(needed, key=str):
        try:
            resolve_secret(reference)
        except SecretUnavailable as error:
            yield Check("secret", "fail", str(error), "Set it where bullpen up is started.")
        else:
            yield Check("secret", "ok", f"{reference} can be read")
