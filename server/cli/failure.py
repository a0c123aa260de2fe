"""How a command fails: a sentence, what to do next, and an exit code that scripts can rely on."""

import enum
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from server.cli import output


class ExitCode(enum.IntEnum):
    """What the number a command ends with tells."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNHEALTHY = 3
    NOT_FOUND = 4
    CONFLICT = 5
    DENIED = 6
    UNREACHABLE = 7
    TIMED_OUT = 8
    PARTLY = 9
    INTERRUPTED = 130


class CommandFailed(click.ClickException):
    """The command cannot do what was asked. `hint` names the next command."""

    def __init__(self, message: str, *, hint: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code

    def show(self, file: IO[Any] | None = None) -> None:
        stream = file or sys.stderr
        click.echo(f"{output.styled('error:', 'red', stream=stream)} {output.plain(self.message)}", file=stream)
        if self.hint:
            click.echo(output.plain(self.hint), file=stream)


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise the one error that a group of tasks ended with, instead of the group around it."""
    try:
        yield
    except ExceptionGroup as group:
        error: Exception = group
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None
