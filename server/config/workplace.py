"""Where an agent works and what it can reach, read from the team file: `workdir` and `isolation`."""

import re
import shlex
from pathlib import Path, PurePosixPath

from server.config import keys
from server.config.model import Isolation, Workplace
from server.config.paths import expanded, path_from
from server.config.section import Section

DEFAULT_BRANCH = "agents/{name}"
_FIELD = re.compile(r"\{([^{}]*)\}")
_BRANCH = re.compile(r"^(?!-)(?!.*(\.\.|//|@\{|\.lock$|/$))[A-Za-z0-9._/@+-]+$")
_ADDRESS = re.compile(r"^([a-z+]+://|[\w.-]+@[\w.-]+:)")
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def read_workplace(section: Section, name: str, folder: Path, *, own: Path, team: str) -> tuple[Path, Workplace]:
    """Return the folder of an agent and how it comes to be; `own` is the one in the data folder."""
    value = section.value("workdir")
    if value is None:
        return own, Workplace()
    if isinstance(value.data, str):
        return path_from(section, "workdir", folder) or own, Workplace()
    workdir = section.section("workdir")
    mode = workdir.choice("mode", keys.WORKDIR_MODES, "dir")
    # What a mode has no use for may come from the defaults, whose mode is another.
    workdir.only(keys.WORKDIR)
    if mode == "temp":
        return own.with_name("work-temp"), Workplace(mode)
    path = path_from(workdir, "path", folder) or own
    if mode == "dir":
        if "repo" in workdir and "mode" not in workdir:
            workdir.problem(workdir.place_of_key("repo"), "a folder with a repo needs a mode.", "Add mode: worktree.")
        return path, Workplace()
    workdir.choice("on_stop", ("keep",), "keep")
    return path, Workplace(
        mode=mode,
        repo=_repository(workdir, mode, folder) if name or "repo" in workdir else "",
        base=_revision(workdir, "base"),
        branch=_branch(workdir, name, team),
        copy=_copied(workdir),
        setup=_command(workdir),
    )


def read_isolation(section: Section, folder: Path) -> Isolation:
    """Return what an agent can reach: a word, or a map with further folders."""
    value = section.value("isolation")
    if value is None:
        return Isolation()
    if not isinstance(value.data, dict):
        return Isolation(section.choice("isolation", keys.ISOLATIONS, "none"))
    isolation = section.section("isolation")
    isolation.only(keys.ISOLATION)
    mode = isolation.choice("mode", keys.ISOLATIONS, "none")
    return Isolation(mode, _paths(isolation, "read", folder), _paths(isolation, "write", folder))


def _paths(section: Section, key: str, folder: Path) -> tuple[Path, ...]:
    return tuple((folder / Path(expanded(text)).expanduser()).absolute() for text in section.texts(key))


def _repository(workdir: Section, mode: str, folder: Path) -> str:
    text = expanded(workdir.text("repo"))
    if not text:
        workdir.problem(workdir.place, f"{workdir.path} has no repo.", "Add repo: with the path of a git repository.")
        return ""
    if _PASSWORD.search(text):
        workdir.problem(workdir.place_of("repo"), f"{workdir.inside('repo')} has a password in it.",
                        "Let git's own credential helper or an ssh key give it.")  # fmt: skip
        return ""
    if _ADDRESS.match(text):
        if mode == "worktree":
            workdir.wrong("repo", "the path of a repository on this machine", "For an address: mode: clone.")
        return text
    if text.startswith("-"):
        workdir.wrong("repo", "a path")
    return str((folder / Path(text).expanduser()).absolute())


def _revision(workdir: Section, key: str) -> str:
    text = workdir.text(key)
    if text.startswith("-") or any(character.isspace() for character in text):
        workdir.wrong(key, "a branch, a tag or a commit")
        return ""
    return text


def _branch(workdir: Section, name: str, team: str) -> str:
    template = workdir.text("branch", DEFAULT_BRANCH)
    if unknown := sorted({field for field in _FIELD.findall(template) if field not in keys.BRANCH_FIELDS}):
        workdir.wrong("branch", "a branch's name with {name}, {team} or {date}", f"Unknown: {', '.join(unknown)}.")
        return template
    branch = template.replace("{name}", name or "name").replace("{team}", team)
    if not _BRANCH.match(branch.replace("{date}", "2026-01-01")):
        workdir.wrong("branch", "a branch's name, as agents/{name}")
    return branch


def _copied(workdir: Section) -> tuple[str, ...]:
    """Return paths within the repository, none of which leads out of it."""
    copied = []
    for item in workdir.items("copy", scalars=True):
        path = PurePosixPath(str(item.data))
        if path.is_absolute() or ".." in path.parts or path.parts[:1] in ((), (".git",)):
            workdir.problem(
                item.place, f"{workdir.inside('copy')}: “{path}” is no path of a file within the repository."
            )
        else:
            copied.append(str(path))
    return tuple(copied)


def _command(workdir: Section) -> tuple[str, ...]:
    value = workdir.value("setup")
    if value is None:
        return ()
    if isinstance(value.data, list):
        return workdir.texts("setup")
    try:
        return tuple(shlex.split(workdir.text("setup")))
    except ValueError:
        workdir.wrong("setup", "a command without a shell; a quote in it is not closed")
        return ()
