"""Finding the server a command is meant for, and the token to show it."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from server.cli.client import Client
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions
from server.config import Settings, default_data_root, locate, team_file


@dataclass(frozen=True)
class Record:
    """What a running server writes into DATA/run/server.json."""

    url: str
    pid: int
    version: str
    data: Path

    def token(self) -> str:
        """Return the chairman's token, which whoever may read the data folder may use."""
        file = self.data / "run" / "operator.token"
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CommandFailed(
                f"The server's own token {file} cannot be read: {error.strerror}.",
                hint="Use a token of yours: BULLPEN_TOKEN or --token-file.",
                code=ExitCode.DENIED,
            ) from None


def connect(options: ServerOptions) -> Client:
    """Return a client of the server that is meant: --url, BULLPEN_URL, or the running one of this team.

    Raises CommandFailed if none runs or no token is known.
    """
    url = options.url or os.environ.get("BULLPEN_URL")
    given = given_token(options)
    if url:
        record = running(options)
        # The local token goes to the local server alone, never to an address somebody gave.
        own = record if record and record.url.rstrip("/") == url.rstrip("/") else None
        return Client(url, given or (own.token() if own else None))
    record = running(options)
    if record is None:
        raise no_server(options)
    return Client(record.url, given or record.token())


def sign_in_link(client: Client, name: str | None = None, public_url: str | None = None) -> str:
    """Return a link that signs a human in, once, within 15 minutes; the one who asks, unless another is named."""
    code = client.post("/api/sign-in-links", {"name": name or client.get("/api/me")["name"]})["code"]
    return f"{public_url or client.url}/#k={code}"


def running(options: ServerOptions) -> Record | None:
    """Return the record of the server that runs for the team that is meant, if one does."""
    return read_record(locate(meant(options.settings)).data)


def meant(settings: Settings) -> Settings:
    """Name the team that is meant where neither a team file nor an option does: the one that runs, or the only one.

    Raises CommandFailed if several run.
    """
    named = settings.team or settings.data or os.environ.get("BULLPEN_DATA")
    if named or team_file(settings, os.environ) is not None:
        return settings
    teams = sorted(running_teams()) or existing_teams()
    if len(teams) > 1 and running_teams():
        raise CommandFailed(
            f"Several teams run here: {', '.join(teams)}.", hint="Choose one: --team NAME", code=ExitCode.USAGE
        )
    return replace(settings, team=teams[0]) if len(teams) == 1 else settings


def existing_teams() -> list[str]:
    """Return the names of the teams in the usual place."""
    return sorted(file.parent.name for file in default_data_root(os.environ).glob("*/team.sqlite3"))


def running_teams() -> dict[str, Record]:
    """Return the running servers of all teams in the usual place, by team."""
    found = {}
    for file in default_data_root(os.environ).glob("*/run/server.json"):
        record = read_record(file.parent.parent)
        if record is not None:
            found[record.data.name] = record
    return found


def read_record(data: Path) -> Record | None:
    """Return the record in a data folder if its server's process lives."""
    try:
        content = json.loads((data / "run" / "server.json").read_text(encoding="utf-8"))
        record = Record(
            url=str(content["url"]), pid=int(content["pid"]), version=str(content.get("version", "")), data=data
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if is_alive(record.pid) else None


def is_alive(pid: int) -> bool:
    """Tell whether a process lives; one that has ended and was not yet collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] != "Z"


def no_server(options: ServerOptions) -> CommandFailed:
    """Build the failure that says that no server runs for this team, and what does run."""
    location = locate(meant(options.settings))
    hint = "Start it: bullpen up"
    others = sorted(set(running_teams()) - {location.team})
    if others:
        hint += f"\nRunning here: {', '.join(others)}. To reach it: --team {others[0]}"
    return CommandFailed(
        f"No server runs for the team “{location.team}” ({location.data}).", hint=hint, code=ExitCode.UNREACHABLE
    )


def given_token(options: ServerOptions) -> str | None:
    """Return the token of --token-file, of BULLPEN_TOKEN, or of the file that an agent is given."""
    file = options.token_file
    if file is None:
        token, agents_file = os.environ.get("BULLPEN_TOKEN"), os.environ.get("BULLPEN_TOKEN_FILE")
        if token or not agents_file:
            return token or None
        file = Path(agents_file)
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CommandFailed(f"The token file {file} cannot be read: {reason}.", code=ExitCode.USAGE) from None
