"""File, environment and flags put together: a flag wins over the environment, the environment over the file."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.config.document import ConfigError, Place, Problem, Value, read_file
from server.config.model import DEFAULT_HOST, DEFAULT_PORT, AgentConfig, Config, Location
from server.config.secrets import SecretReference
from server.config.team_file import DEFAULT_TEAM, ServerSettings, Team, read_server, read_team, team_name_problem

FILE_NAME = "agents.yaml"
DEMO_TEAM = "demo"


@dataclass(frozen=True)
class Settings:
    """What was asked for on the command line; None leaves it to the environment, the file and the defaults."""

    config: Path | None = None
    data: Path | None = None
    team: str | None = None
    host: str | None = None
    port: int | None = None
    demo: bool = False


def load_config(settings: Settings | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read everything that decides how the server runs. Raises ConfigError with every problem found."""
    settings, environ = settings or Settings(), os.environ if environ is None else environ
    path = team_file(settings, environ)
    document = read_file(path) if path else None
    location, server = _locate(settings, environ, path, document)
    problems: list[Problem] = []
    if settings.demo:
        team = _demo_team(location.data)
    elif document is not None and path is not None:
        team = read_team(document, path.parent, location.data, location.team, problems)
    else:
        team = Team()
    _check_address(location.host, server, problems)
    if server.behind_proxy and not server.public_url:
        hint = "Add server.public_url: the address that people type, as https://bullpen.example.org"
        problems.append(Problem(Place("server"), "behind_proxy needs to know how the server is reached.", hint))
    if problems:
        raise ConfigError(problems)
    secret = server.register_secret
    if environ.get("BULLPEN_REGISTER_SECRET"):
        secret = SecretReference("env", "BULLPEN_REGISTER_SECRET")
    return Config(
        team=location.team, host=location.host, port=location.port, data=location.data, source=location.source,
        agents=team.agents, humans=team.humans, channels=team.channels, notifications=team.notifications,
        guards=team.guards, register_secret=secret, behind_proxy=server.behind_proxy, public_url=server.public_url,
        retention=server.retention, backups=server.backups,
        longest_file_bytes=server.longest_file_bytes, member_file_bytes=server.member_file_bytes,
    )  # fmt: skip


def locate(settings: Settings | None = None, environ: Mapping[str, str] | None = None) -> Location:
    """Find the team's data folder and address, whatever else is wrong in the file. Raises ConfigError."""
    settings, environ = settings or Settings(), os.environ if environ is None else environ
    path = team_file(settings, environ)
    document = read_file(path) if path else None
    return _locate(settings, environ, path, document)[0]


def team_file(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    """Return the team file: --config, BULLPEN_CONFIG, agents.yaml here, or None. The demo team has none."""
    if settings.demo:
        return None
    if settings.config is not None:
        return settings.config.absolute()
    if environ.get("BULLPEN_CONFIG"):
        return Path(environ["BULLPEN_CONFIG"]).expanduser().absolute()
    here = Path.cwd() / FILE_NAME
    return here if here.is_file() and settings.team is None else None


def default_data_root(environ: Mapping[str, str]) -> Path:
    """Return the folder that holds the data folder of every team that names no other."""
    home = environ.get("XDG_DATA_HOME") or ""
    # A relative XDG_DATA_HOME is invalid by its specification and ignored.
    root = Path(home) if home.startswith("/") else Path("~/.local/share").expanduser()
    return root / "bullpen"


def _locate(
    settings: Settings, environ: Mapping[str, str], path: Path | None, document: Value | None
) -> tuple[Location, ServerSettings]:
    problems: list[Problem] = []
    server = read_server(document, path.parent if path else Path.cwd(), problems)
    team = server.team or DEFAULT_TEAM
    if settings.demo:
        team = settings.team or DEMO_TEAM
    elif settings.team is not None:
        if path is not None and server.team and server.team != settings.team:
            hint = "Leave --team out, or start it with its own file."
            problems.append(Problem(Place("--team"), f"{path.name} is of team “{server.team}”.", hint))
        team = settings.team
    if settings.team is not None and (wrong := team_name_problem(settings.team)):
        problems.append(Problem(Place("--team"), wrong))
    location = Location(
        team=team,
        host=settings.host or environ.get("BULLPEN_HOST") or server.host or DEFAULT_HOST,
        port=_port(settings, environ, server, problems),
        data=_data(settings, environ, server, team),
        source=path,
    )
    if problems:
        raise ConfigError(problems)
    return location, server


def _port(settings: Settings, environ: Mapping[str, str], server: ServerSettings, problems: list[Problem]) -> int:
    if settings.port is not None:
        return settings.port
    text = environ.get("BULLPEN_PORT")
    if not text:
        return DEFAULT_PORT if server.port is None else server.port
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    problems.append(Problem(Place("BULLPEN_PORT"), f"“{text}” is not a port.", "It takes a number from 0 to 65535."))
    return DEFAULT_PORT


def _data(settings: Settings, environ: Mapping[str, str], server: ServerSettings, team: str) -> Path:
    if settings.data is not None:
        return settings.data.expanduser().absolute()
    if settings.team is None:
        if environ.get("BULLPEN_DATA"):
            return Path(environ["BULLPEN_DATA"]).expanduser().absolute()
        if server.data is not None and not settings.demo:
            return server.data
    return default_data_root(environ) / team


def _check_address(host: str, server: ServerSettings, problems: list[Problem]) -> None:
    if is_loopback(host) or server.behind_proxy:
        return
    problems.append(Problem(
        Place("host"), f"{host} can be reached from other machines, and Bullpen itself speaks plain HTTP.",
        "Listen on 127.0.0.1, or put a proxy that ends TLS in front and set server.behind_proxy: true in agents.yaml.",
    ))  # fmt: skip


def is_loopback(host: str) -> bool:
    """Tell whether only programs of this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _demo_team(data: Path) -> Team:
    """Two scripted agents in real terminals; they need no account."""
    agents = tuple(
        AgentConfig(
            name=name,
            kind="demo",
            role="member",
            job="",
            workdir=data / "agents" / name / "work",
            description="A scripted agent that shows how the office works.",
        )
        for name in ("ada-demo", "bo-demo")
    )
    return Team(agents=agents)
