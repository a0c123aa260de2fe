"""The environment of an agent: an allow-list. Of the server's own, only what is named here or in agents.yaml passes."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from server.config import AgentConfig, SecretUnavailable, resolve_secret
from server.supervision.kinds.files import make_folder
from server.supervision.kinds.kind import CannotLaunch, Run

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OWN = ("HOME", "TMPDIR", "TERM")
"""Each agent has its own, also where agents.yaml lets the server's pass; to choose another one, set it."""


def agent_environment(run: Run) -> dict[str, str]:
    """Return the whole environment of an agent, and make its home and its temporary folder.

    Raises CannotLaunch if a secret that it refers to cannot be read.
    """
    agent = run.agent
    passed = {name: os.environ[name] for name in agent.environment_allow if name in os.environ and name not in _OWN}
    return {
        "PATH": _PATH,
        "LANG": "C.UTF-8",
        **passed,
        "HOME": str(make_folder(run.home)),
        "TMPDIR": str(make_folder(run.temporary)),
        "TERM": "xterm-256color",  # what a holder's pseudo-terminal and every viewer speak
        "SHELL": "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh",
        "BULLPEN_URL": run.server_url,
        "BULLPEN_AGENT": agent.name,
        "BULLPEN_RUN_ID": run.run_id,
        "BULLPEN_TOKEN_FILE": str(run.token_file),
        **agent.environment,
        **_secrets(agent),
    }


def find_program(agent: AgentConfig, name: str) -> str | None:
    """Return the absolute path of a program as the agent would find it, or None."""
    path = agent.environment.get("PATH")
    if path is None:
        path = os.environ.get("PATH", _PATH) if "PATH" in agent.environment_allow else _PATH
    if "/" in name:
        name = str((agent.workdir / Path(name).expanduser()).absolute())
    found = shutil.which(name, path=path)
    return str(Path(found).absolute()) if found else None


def working_directory(run: Run) -> Path:
    """Return the working directory; one inside the agent's own folder is made. Raises CannotLaunch if it is missing."""
    if run.workdir.is_relative_to(run.folder):
        make_folder(run.workdir)
    if not run.workdir.is_dir():
        raise CannotLaunch(f"There is no folder {run.workdir}: make it, or change workdir in agents.yaml.")
    return run.workdir.resolve()


def refuse_project_settings(run: Run, workdir: Path, title: str, names: Sequence[str]) -> None:
    """Refuse a work directory that brings settings for its CLI, which can start programs before anybody is asked.

    Looked for in it and in those above it within the same repository. Raises CannotLaunch unless agents.yaml allows it.
    """
    if run.agent.options.get("trust_project") is True:
        return
    within = [workdir, *workdir.parents]
    roots = [number for number, folder in enumerate(within) if (folder / ".git").exists()]
    for folder in within[: roots[0] + 1 if roots else 1]:
        for name in names:
            if (folder / name).exists():
                raise CannotLaunch(
                    f"{folder / name} brings settings for {title} that can start programs: look at it, then allow it"
                    f" for {run.agent.name} with options: {{ trust_project: true }}."
                )


def _secrets(agent: AgentConfig) -> dict[str, str]:
    try:
        return {name: resolve_secret(reference) for name, reference in agent.environment_secrets.items()}
    except SecretUnavailable as error:
        raise CannotLaunch(f"A secret of {agent.name} is not there: {error}.") from None
