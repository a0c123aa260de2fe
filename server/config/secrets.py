"""References to secrets: where one is kept, and reading it at the moment of use. A secret itself is never stored."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SECRET_KINDS = ("env", "file", "keyring", "cmd")
_COMMAND_TIMEOUT_S = 10
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


@dataclass(frozen=True)
class SecretReference:
    """Where a secret is kept: a variable, a file, a keyring or a command that prints it. Safe to show."""

    kind: str
    target: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}"


class SecretUnavailable(Exception):
    """A referenced secret could not be read. The message names the reference and never any content."""


def parse_secret(text: str, folder: Path) -> SecretReference:
    """Read `env:NAME`, `file:PATH` (relative to the folder), `keyring:SERVICE/NAME` or `cmd:COMMAND`.

    Raises ValueError, whose text never repeats the value: it may be the secret itself.
    """
    kind, separator, target = text.partition(":")
    target = target.strip()
    if kind not in SECRET_KINDS or not separator or not target:
        raise ValueError(
            "a secret is never written here; refer to it as env:NAME, file:PATH, keyring:SERVICE/NAME or cmd:COMMAND"
        )
    if kind == "env" and not _VARIABLE.match(target):
        raise ValueError("env: takes the name of an environment variable, as env:MY_KEY")
    if kind == "file":
        target = str(folder / Path(target).expanduser())
    if kind == "keyring" and not all(_parts_of_keyring(target)):
        raise ValueError("keyring: takes a service and a name, as keyring:bullpen/openrouter")
    if kind == "cmd":
        _words(target)
    return SecretReference(kind, target)


def resolve_secret(reference: SecretReference, environ: Mapping[str, str] | None = None) -> str:
    """Read the secret now. A command may take 10 s; what surrounds the secret in white space is dropped.

    Raises SecretUnavailable if there is none or it is empty.
    """
    match reference.kind:
        case "env":
            secret = (os.environ if environ is None else environ).get(reference.target, "")
        case "file":
            secret = _file(reference)
        case "keyring":
            secret = _output(reference, [_keyring_program(reference), "get", *_parts_of_keyring(reference.target)])
        case _:
            secret = _output(reference, _words(reference.target))
    secret = secret.strip()
    if not secret:
        raise SecretUnavailable(f"{reference} is empty or not set")
    return secret


def _file(reference: SecretReference) -> str:
    try:
        return Path(reference.target).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise SecretUnavailable(f"{reference} cannot be read: {reason}") from None


def _keyring_program(reference: SecretReference) -> str:
    """Find the command of the package `keyring`, which speaks with the keyrings of Linux and macOS."""
    found = shutil.which("keyring") or shutil.which("keyring", path=str(Path(sys.executable).parent))
    if found is None:
        raise SecretUnavailable(
            f"{reference} needs the command keyring: pipx install keyring, or apt install python3-keyring"
        )
    return found


def _parts_of_keyring(target: str) -> tuple[str, str]:
    service, _, name = target.rpartition("/")
    # A word that begins with a dash would be an option.
    return "" if service.startswith("-") else service, "" if name.startswith("-") else name


def _output(reference: SecretReference, words: list[str]) -> str:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=_COMMAND_TIMEOUT_S, check=False, text=True, encoding="utf-8",
        )  # fmt: skip
    except OSError as error:
        raise SecretUnavailable(f"{reference} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise SecretUnavailable(f"{reference} gave no answer within {_COMMAND_TIMEOUT_S} s") from None
    except UnicodeDecodeError:
        raise SecretUnavailable(f"{reference} printed something that is not text") from None
    if done.returncode != 0:
        raise SecretUnavailable(f"{reference} ended with exit code {done.returncode}")
    return done.stdout


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        raise ValueError("cmd: has a quote that is not closed") from None
    return words
