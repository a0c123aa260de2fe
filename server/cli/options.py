"""Options that many commands share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from server.cli import output
from server.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ServerOptions:
    """Which server is meant, and with which token."""

    url: str | None
    token_file: Path | None
    settings: Settings


def server_options(command: F) -> F:
    """Add --url, --token-file, --team, --data and --config; the command gets them as `server: ServerOptions`."""

    @wraps(command)
    def with_server(
        url: str | None, token_file: Path | None, team: str | None, data: Path | None, config: Path | None, **rest: Any
    ) -> Any:
        settings = Settings(config=config, data=data, team=team)
        return command(server=ServerOptions(url, token_file, settings), **rest)

    path = click.Path(path_type=Path)
    for option in (
        click.option("--config", type=path, help="Team file.  [env: BULLPEN_CONFIG]"),
        click.option("--data", type=path, help="Data folder of the team.  [env: BULLPEN_DATA]"),
        click.option("--team", metavar="NAME", help="Team, if there are several."),
        click.option("--token-file", type=path, help="File that holds the token.  [env: BULLPEN_TOKEN has the token]"),
        click.option("--url", help="Address of the server.  [env: BULLPEN_URL]"),
    ):
        with_server = option(with_server)
    return with_server  # type: ignore[return-value]


def json_option(command: F) -> F:
    """Add --json, alone or with the fields wanted; the command gets it as `json_fields: str | None`."""
    return click.option(
        "--json", "json_fields", is_flag=False, flag_value=output.ALL_FIELDS, default=None, metavar="[FIELD,…]",
        help="Print JSON: everything, or only the fields named.",
    )(command)  # fmt: skip
