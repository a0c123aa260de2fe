"""`bullpen version`."""

import platform

import click

import server
from server.cli import output
from server.cli.options import json_option


@click.command()
@json_option
def version(json_fields: str | None) -> None:
    """Show the version."""
    if json_fields is None:
        output.data(f"bullpen {server.__version__}")
    else:
        output.raw_json(
            {"version": server.__version__, "python": platform.python_version(), "system": platform.platform()}
        )
