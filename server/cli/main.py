"""The entry of `bullpen`: which commands there are, and how whatever goes wrong ends."""

import importlib
import sys

import click

from server.cli.failure import CommandFailed, ExitCode
from server.config import ConfigError
from server.core.errors import BullpenError

_COMMANDS = {
    "up": ("up", "Start the office: the server and its agents."),
    "down": ("down", "Stop the agents and the server."),
    "init": ("init", "Write an agents.yaml to begin with."),
    "status": ("status", "Show every agent, its state and why."),
    "start": ("agents", "Start agents."),
    "stop": ("agents", "Stop agents and whatever they started."),
    "restart": ("agents", "Stop agents and start them again."),
    "logs": ("logs", "Show what the server or an agent printed."),
    "attach": ("attach", "See an agent's terminal live."),
    "keys": ("keys", "Type into an agent's terminal."),
    "screen": ("keys", "Show an agent's screen, as text or as a picture."),
    "send": ("send", "Send a message to a channel or a member."),
    "read": ("read", "Read a channel, or follow it."),
    "search": ("search", "Search messages."),
    "file": ("file", "Put, get, list and remove shared files."),
    "inbox": ("inbox", "Show what you have not read."),
    "channel": ("channel", "List, create, show, archive, join and leave channels."),
    "export": ("export", "Write a whole channel as JSON Lines or Markdown."),
    "retention": ("retention", "Show and set how long messages are kept."),
    "backup": ("backup", "Make, check and restore backups."),
    "needs": ("needs", "Show what waits for you."),
    "approve": ("needs", "Approve a request."),
    "reject": ("needs", "Reject a request."),
    "answer": ("needs", "Answer a question."),
    "snooze": ("needs", "Put a request aside for a while."),
    "dismiss": ("needs", "Put away an agent's trouble."),
    "guards": ("guards", "Show which agents are paused as they only talk to each other, and decide."),
    "usage": ("usage", "Show what agents use: tokens, cost, time."),
    "budget": ("usage", "Set and show what agents may cost."),
    "task": ("task", "Add, list, take and finish tasks."),
    "schedule": ("schedule", "Try out, add, list, pause, run and remove schedules."),
    "state": ("state", "Read and write shared state."),
    "notify": ("notify", "Show what is told to the outside, test it, try it again."),
    "wechat": ("wechat", "Sign the WeChat bridge in and out."),
    "lock": ("lock", "Show, check and release file reservations."),
    "audit": ("audit", "Show who changed what, and check that the trail is whole."),
    "token": ("token", "Make, list, rotate and revoke tokens."),
    "team": ("team", "Make and list teams."),
    "service": ("service", "Have the system start the office, and again when it fails."),
    "upgrade": ("upgrade", "Tell whether a newer version is published."),
    "doctor": ("doctor", "Check this machine and this team."),
    "version": ("version", "Show the version."),
}
"""Command → its file and what it is for. Read here, so that `status` need not load what `up` needs (2 s)."""
_ALIASES = {"ps": "status"}


class _Commands(click.Group):
    """Loads the file of a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"server.cli.{_COMMANDS[name][0]}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in _COMMANDS.items()])


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: bullpen up. Each command tells the next one; bullpen COMMAND --help tells its options.",
)
def cli() -> None:
    """One office for a team of AI agents and the people they work for."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        result = cli.main(standalone_mode=False, prog_name="bullpen")
        code = int(result) if isinstance(result, int) else ExitCode.OK
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.INTERRUPTED
    except ConfigError as error:
        code = _show(
            CommandFailed(_configuration(error), hint="What it may say: docs/configuration.md", code=ExitCode.USAGE)
        )
    except BullpenError as error:
        code = _show(CommandFailed(error.message, hint=error.hint))
    except click.ClickException as error:
        code = _show(error)
    sys.exit(code)


def _configuration(error: ConfigError) -> str:
    lines = [str(problem) for problem in error.problems]
    return lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} problems in the configuration", *lines])


def _show(error: click.ClickException) -> int:
    error.show()
    return error.code if isinstance(error, CommandFailed) else error.exit_code
