"""`bullpen keys` and `bullpen screen`: type into an agent's terminal, and look at it, without attaching."""

from pathlib import Path

import click

from server.cli import output
from server.cli.client import segment
from server.cli.connection import connect
from server.cli.failure import CommandFailed
from server.cli.options import ServerOptions, server_options
from server.terminals.keys import key_name, quoted


@click.command()
@click.argument("agent")
@click.argument("words", nargs=-1, required=True, metavar='KEY|"TEXT"…')
@click.option("-l", "--literal", is_flag=True, help="Take every word for text, also one that names a key.")
@server_options
def keys(server: ServerOptions, agent: str, words: tuple[str, ...], literal: bool) -> None:
    """Type into AGENT's terminal: key names (Enter, Esc, Tab, Up, C-c …) and texts, in order.

    Example: bullpen keys api-1 Esc "go on with the tests" Enter
    """
    typed = " ".join(quoted(word) if literal or key_name(word) is None else word for word in words)
    name = agent.removeprefix("@")
    connect(server).post(f"/api/agents/{segment(name)}/sendkeys", {"keys": typed})
    output.say(f"Typed. Look: bullpen screen {name}")


@click.command()
@click.argument("agent")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this file instead.")
@server_options
def screen(server: ServerOptions, agent: str, png: Path | None) -> None:
    """Show what stands on AGENT's screen now, as text or as a picture."""
    client = connect(server)
    path = f"/api/agents/{segment(agent.removeprefix('@'))}/screenshot"
    if png is None:
        answer = client.get(path)
        if not answer["running"]:
            output.say(f"{answer['agent']} is not running. This is the last it showed:")
        output.data(answer["text"])
        return
    try:
        with png.open("wb") as file:
            client.download(f"{path}?as=png", file)
    except OSError as error:
        raise CommandFailed(f"{png} cannot be written: {error.strerror}.") from None
    output.say(f"Drawn: {png}")
