"""The team file read into a Team: server, people, channels, providers; roles and agents are in `agents`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.config import keys
from server.config.agents import AgentReader
from server.config.document import Problem, Value
from server.config.keep import WANTED, Keep, parse_keep
from server.config.model import (
    AgentConfig,
    BackupPlan,
    ChannelConfig,
    Guards,
    HumanConfig,
    Notifications,
    Provider,
    Retention,
)
from server.config.notifications import read_notifications
from server.config.paths import expanded, path_from
from server.config.secrets import SecretReference
from server.config.section import Section, nearest, read_secret
from server.core.names import is_member_name

DEFAULT_TEAM = "default"
GENERAL = ChannelConfig("general", "Everybody is here.")
_TEAM = re.compile(r"^[a-z0-9][a-z0-9-]{0,31}$")
_CHANNEL = re.compile(r"^(topic:)?[a-z0-9][a-z0-9_.-]{0,63}$")
_SHORTEST_AUDIT_MS = 7 * 86_400_000
_SHORTEST_BACKUP_S = 600.0
_NAME_RULE = "1 to 32 of a-z, 0-9, _ and -, starting with a letter"


@dataclass(frozen=True)
class ServerSettings:
    """What the file says of the server itself; None where it says nothing."""

    team: str | None = None
    host: str | None = None
    port: int | None = None
    data: Path | None = None
    register_secret: SecretReference | None = None
    behind_proxy: bool = False
    public_url: str | None = None
    longest_file_bytes: int = 25 * 1024**2
    member_file_bytes: int = 1024**3
    retention: Retention = field(default_factory=Retention)
    backups: BackupPlan | None = None


@dataclass(frozen=True)
class Team:
    """Who is in the team and where they talk."""

    agents: tuple[AgentConfig, ...] = ()
    humans: tuple[HumanConfig, ...] = (HumanConfig("chairman", "chairman"),)
    channels: tuple[ChannelConfig, ...] = (GENERAL,)
    notifications: Notifications = field(default_factory=Notifications)
    guards: Guards = field(default_factory=Guards)


def team_name_problem(name: str) -> str | None:
    """Say what is wrong with a team's name, or None."""
    return None if _TEAM.match(name) else f"“{name}” is no team's name: 1 to 32 of a-z, 0-9 and -."


def read_server(document: Value | None, folder: Path, problems: list[Problem]) -> ServerSettings:
    """Read `team` and `server`, noting problems of these alone."""
    if document is None:
        return ServerSettings()
    top = Section(document, "", problems)
    team = top.text("team") or None
    if team is not None and (wrong := team_name_problem(team)):
        problems.append(Problem(top.place_of("team"), wrong))
        team = None
    server = top.section("server")
    server.only(keys.SERVER, keys.SERVER_NOT_YET)
    files = server.section("files")
    files.only(keys.FILES)
    url = server.text("public_url") or None
    if url is not None and not re.match(r"^https?://[^/\s]+$", url):
        server.wrong("public_url", "an address without a path, as https://bullpen.example.org")
    return ServerSettings(
        team=team,
        host=server.text("host") or None,
        port=server.whole("port", 0, 0, 65535) if server.value("port") else None,
        data=path_from(server, "data_dir", folder),
        register_secret=read_secret(server, "register_secret", folder),
        behind_proxy=server.flag("behind_proxy", False),
        public_url=url,
        longest_file_bytes=files.size("max_size", ServerSettings.longest_file_bytes),
        member_file_bytes=files.size("per_member", ServerSettings.member_file_bytes),
        retention=_retention(server),
        backups=_backups(server),
    )


def _retention(server: Section) -> Retention:
    section = server.section("retention")
    section.only(keys.RETENTION, keys.RETENTION_NOT_YET)
    audit = _keep(section, "audit") or Keep()
    if audit.count is not None or (audit.for_ms is not None and audit.for_ms < _SHORTEST_AUDIT_MS):
        section.wrong("audit", "forever, or an age of at least 7d")
    return Retention(messages=_keep(section, "messages") or Keep(), audit=audit)


def _backups(server: Section) -> BackupPlan | None:
    section = server.section("backups")
    section.only(keys.BACKUPS)
    if server.value("backups") is None:
        return None
    every_s = section.duration("every", 86_400.0)
    if every_s < _SHORTEST_BACKUP_S:
        section.wrong("every", "at least 10m")
    return BackupPlan(every_s, section.whole("keep", 7, 1, 1000))


def _keep(section: Section, key: str) -> Keep | None:
    text = section.text(key)
    if not text:
        return None
    try:
        return parse_keep(text)
    except ValueError:
        section.wrong(key, WANTED)
        return None


def read_team(document: Value, folder: Path, data: Path, team: str, problems: list[Problem]) -> Team:
    """Read everybody and everything else of the file, noting every problem."""
    top = Section(document, "", problems)
    top.only(keys.TOP, keys.TOP_NOT_YET)
    version = top.value("version")
    if version is not None and version.data != 1:
        top.wrong("version", "1")
    humans = _humans(top)
    channels, default_for = _channels(top)
    reader = AgentReader(top, folder, data, providers=_providers(top, folder), channels=default_for, team=team)
    agents = reader.agents()
    _check_channel_roles(top, default_for, reader.roles)
    people = {human.name for human in humans}
    for agent in agents:
        if agent.name in people:
            place = top.section("agents").place_of(agent.name)
            top.problem(place, f"“{agent.name}” is a human of this team already; every member has a name of its own.")
    members = {*people, *(agent.name for agent in agents)}
    notifications = read_notifications(top, folder, humans=people, members=members, channels=default_for)
    return Team(
        agents=agents, humans=humans, channels=channels, notifications=notifications, guards=reader.guards()
    )  # fmt: skip


def _humans(top: Section) -> tuple[HumanConfig, ...]:
    humans: dict[str, HumanConfig] = {}
    for index, item in enumerate(top.items("humans")):
        section = Section(item, f"humans[{index}]", top.problems)
        section.only(keys.HUMAN)
        name = section.text("name")
        if not is_member_name(name):
            top.problem(section.place_of("name"), f"“{name}” is no member's name: {_NAME_RULE}.")
        elif name in humans:
            top.problem(section.place_of("name"), f"“{name}” stands here twice.")
        humans[name] = HumanConfig(name, section.choice("role", keys.HUMAN_ROLES, "viewer"))
    if not humans:
        return Team().humans
    if not any(human.role == "chairman" for human in humans.values()):
        top.problem(top.place_of("humans"), "nobody is chairman; somebody must be able to let others in.",
                    "Give one of them role: chairman.")  # fmt: skip
    return tuple(humans.values())


def _channels(top: Section) -> tuple[tuple[ChannelConfig, ...], dict[str, tuple[str, ...]]]:
    """Return the channels, general among them, and the jobs whose holders are in each."""
    channels = {GENERAL.id: GENERAL}
    default_for: dict[str, tuple[str, ...]] = {GENERAL.id: ()}
    seen: set[str] = set()
    for index, item in enumerate(top.items("channels")):
        section = Section(item, f"channels[{index}]", top.problems)
        section.only(keys.CHANNEL, keys.CHANNEL_NOT_YET)
        identifier = section.text("id").removeprefix("#")
        if not _CHANNEL.match(identifier):
            rule = "a-z, 0-9, _ . and -, or topic:NAME"
            top.problem(section.place_of("id"), f"“{identifier}” is no channel's id: {rule}.")
            continue
        if identifier in seen:
            top.problem(section.place_of("id"), f"the channel “{identifier}” stands here twice.")
        description = section.text("topic", GENERAL.description if identifier == GENERAL.id else "")
        channels[identifier] = ChannelConfig(identifier, description, _keep(section, "keep"))
        seen.add(identifier)
        default_for[identifier] = section.texts("default_for")
    return tuple(channels.values()), default_for


def _check_channel_roles(top: Section, default_for: Mapping[str, tuple[str, ...]], roles: tuple[str, ...]) -> None:
    for item in top.items("channels"):
        section = Section(item, "channels", [])
        for job in section.texts("default_for"):
            if job not in roles:
                top.problem(section.place_of("default_for"), f"there is no role “{job}”.", nearest(job, roles))


def _providers(top: Section, folder: Path) -> dict[str, Provider]:
    providers = {}
    for name, value in top.section("providers"):
        section = Section(value, f"providers.{name}", top.problems)
        section.only(keys.PROVIDER)
        auth = section.choice("auth", keys.AUTHS, "none")
        secret = read_secret(section, "token", folder)
        if auth == "api_key" and "token" not in section:
            top.problem(
                section.place,
                f"providers.{name} needs its key.",
                "Add token: env:NAME, file:PATH, keyring:SERVICE/NAME or cmd:COMMAND.",
            )
        providers[name] = Provider(
            name=name, auth=auth, secret=secret, base_url=expanded(section.text("base_url")) or None,
            config_dir=path_from(section, "config_dir", folder),
        )  # fmt: skip
    return providers
