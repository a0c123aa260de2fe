"""`python -m bridge --url URL --token-file F --agent NAME --run RUN_ID --state-folder DIR`: started by an agent CLI."""

from __future__ import annotations

import os
import sys

from bridge.relay import Relay
from bridge.service import Patience

_USAGE = """usage: python -m bridge --url URL --token-file FILE --agent NAME --run RUN_ID --state-folder DIR

Relays MCP lines between an agent CLI (stdin, stdout) and a Bullpen server; ends when stdin ends.
An agent CLI starts it by its MCP configuration, which `bullpen up` writes.

  --url URL            where the server is, as http://127.0.0.1:7777
  --token-file FILE    one line, the agent's token; read again whenever the server refuses it
  --agent NAME         whose events to follow
  --run RUN_ID         which run of that agent this is
  --state-folder DIR   for the last good menu, and the journal of unanswered requests

optional:
  --launch PID.COUNT   the shell loop that starts it again, and how often it has: goes on where the last one was killed
  --menu-patience S    how long a late server may take before a listing is answered from the cache (1.5)
  --call-patience S    how long a server may be away before a call is given up (40)
  --silence S          how long a server may be silent in the middle of a call (60)
"""
_NEEDED = ("url", "token-file", "agent", "run", "state-folder")
_SECONDS = {"menu-patience": "menu_s", "call-patience": "call_s", "silence": "silence_s"}


class WrongArguments(Exception):
    """What is wrong with them."""


def main(arguments: list[str]) -> None:
    """Relay until stdin ends. Exits with 2 for wrong arguments: a new start would not help."""
    if arguments and arguments[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE)
        return
    try:
        given = _parsed(arguments)
        patience = Patience()
        for name, attribute in _SECONDS.items():
            if name in given:
                setattr(patience, attribute, _seconds(name, given[name]))
        try:
            relay = Relay(
                url=given["url"],
                token_file=given["token-file"],
                agent=given["agent"],
                run_id=given["run"],
                state_folder=given["state-folder"],
                launch=_launch(given.get("launch", "")),
                patience=patience,
            )
        except ValueError as error:
            raise WrongArguments(f"--url: {error}") from None
        except OSError as error:
            raise WrongArguments(f"--state-folder: {error}") from None
    except WrongArguments as wrong:
        sys.stderr.write(f"{_USAGE}\nbridge: {wrong}\n")
        raise SystemExit(2) from None
    try:
        relay.run()
    except KeyboardInterrupt:
        os._exit(130)


def _parsed(arguments: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        name = word.removeprefix("--")
        if name == word or name not in (*_NEEDED, *_SECONDS, "launch"):
            raise WrongArguments(f"“{word}” is no option")
        value = next(words, "")
        if not value or value.startswith("--"):
            raise WrongArguments(f"{word} needs a value")
        given[name] = value
    missing = [f"--{name}" for name in _NEEDED if name not in given]
    if missing:
        raise WrongArguments(f"missing: {', '.join(missing)}")
    return given


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise WrongArguments(f"--{name}: “{text}” is no number of seconds")
    return value


def _launch(text: str) -> str:
    pid, _, count = text.partition(".")
    if text and not (pid.isdigit() and count.isdigit()):
        raise WrongArguments(f"--launch: “{text}” is not PID.COUNT")
    return text


if __name__ == "__main__":
    main(sys.argv[1:])
