"""Private files of one agent: folders 0700, files 0600, replaced as a whole, so that no reader sees half of one."""

import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LONGEST_SOCKET_PATH = 100
"""The kernel's limit is 108 bytes on Linux and 104 on macOS, with the final zero."""


def make_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter, with those above it; an existing one is closed to others."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def make_inner_folder(folder: Path) -> Path:
    """Make a folder within one that an agent can write to. Raises PermissionError if it put a link in its place."""
    if folder.is_symlink():
        raise PermissionError(f"{folder} is a link, which could lead our files elsewhere: remove it")
    return make_folder(folder)


def write_private(file: Path, text: str) -> None:
    """Replace a file's whole content at once. A link in its place is replaced, not followed."""
    new = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def write_private_json(file: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file."""
    write_private(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one if the file is missing, damaged or holds something else.

    A link is not followed: an agent could have us read what it may not see itself.
    """
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as opened:
            content = json.loads(opened.read())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def socket_path(folder: Path, name: str) -> Path:
    """Return a path for a unix socket in a folder of ours, or a short one elsewhere if that is too long to bind.

    The parent exists and is closed to others. The same folder and name give the same path.
    """
    path = make_folder(folder) / name
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    short = Path(runtime) / f"bullpen-{os.getuid()}"
    make_folder(short)
    if short.is_symlink() or short.stat().st_uid != os.getuid():
        raise PermissionError(f"{short} is not ours; remove it, or choose a shorter data folder")
    # A folder of its own, which a sandbox can show without the sockets of others.
    return make_folder(short / hashlib.sha256(os.fsencode(path)).hexdigest()[:16]) / "s"


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of both; where both say something, `above` wins, and maps in them are merged likewise."""
    result = dict(below)
    for name, value in above.items():
        inner = result.get(name)
        result[name] = merged(inner, value) if isinstance(value, Mapping) and isinstance(inner, Mapping) else value
    return result
