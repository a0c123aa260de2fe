"""`notifications` of the team file: targets outside, quiet hours, the digest."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from croniter import croniter

from server.config import keys
from server.config.model import DigestConfig, Notifications, NotificationTarget, QuietHours
from server.config.paths import expanded
from server.config.section import Section, nearest, read_secret
from server.core.names import is_member_name

_TIME = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")
_ADDRESS = re.compile(r"^[^@\s<>,;]+@[^@\s<>,;]+$")
_URL = re.compile(r"^https?://[^/\s?#@]+$")


class _Reader:
    """Reads the targets; every problem is noted, none raised."""

    def __init__(
        self, folder: Path, humans: Collection[str], members: Collection[str], channels: Collection[str]
    ) -> None:
        self._folder = folder
        self._humans = humans
        self._members = members
        self._channels = channels

    def target(self, name: str, section: Section) -> NotificationTarget:
        kind = section.choice("type", keys.TARGET_TYPES, "")
        if "type" not in section:
            section.problem(section.place, f"{section.path} needs a type.", f"One of: {', '.join(keys.TARGET_TYPES)}.")
        section.only(keys.TARGET_OF.get(kind, keys.TARGET_KEYS))
        if not is_member_name(name):
            section.problem(section.place, f"“{name}” is no target's name: a-z, 0-9, _ and -, starting with a letter.")
        if kind in ("webhook", "ntfy", "email") and section.value("url") is None:
            section.problem(section.place, f"{section.path} needs its address.",
                            "Add url: env:NAME, file:PATH or cmd:COMMAND.")  # fmt: skip
        member = self._human(section, "for")
        bridge = kind == "wechat"
        default = ("needs_you", "agent_failed", *(keys.PERSONAL_KINDS if bridge else ()))
        events = _words(section, "events", keys.NOTIFICATION_KINDS, default)
        if (
            not bridge
            and "for" not in section
            and (personal := [kind for kind in events if kind in keys.PERSONAL_KINDS])
        ):
            section.problem(section.place_of("events"), f"{section.path} is to be told of {personal[0]}, not whose.",
                            "Add for: and the name of a human.")  # fmt: skip
        return NotificationTarget(
            name=name,
            type=kind,
            url=read_secret(section, "url", self._folder),
            events=events,
            member=member,
            format=section.choice("format", keys.WEBHOOK_FORMATS, "json"),
            secret=read_secret(section, "token" if kind == "ntfy" else "secret", self._folder),
            sender=_address(section, "from") if kind == "email" else "",
            recipients=_addresses(section) if kind == "email" else (),
            allow_private=section.flag("allow_private", False),
            senders=self._senders(section) if bridge else MappingProxyType({}),
            inbound=self._inbound(section) if bridge else "general",
            base_url=_base_url(section),
        )

    def digest(self, section: Section) -> DigestConfig | None:
        section.only(keys.DIGEST)
        cron, to = section.text("cron"), self._human(section, "to")
        for key in ("cron", "to"):
            if section.value(key) is None:
                section.problem(section.place, f"{section.path} needs {key}.", 'As { cron: "0 8 * * 1-5", to: ada }.')
        if cron and not cron.startswith("@") and (len(cron.split()) != 5 or not croniter.is_valid(cron)):
            section.wrong("cron", 'five fields of cron, as "0 8 * * 1-5", or @daily')
        return DigestConfig(cron, to, _zone(section)) if cron and to else None

    def _human(self, section: Section, key: str) -> str | None:
        name = section.text(key)
        if name and name not in self._humans:
            section.problem(section.place_of(key), f"there is no human “{name}”.", nearest(name, self._humans))
            return None
        return name or None

    def _senders(self, section: Section) -> Mapping[str, str]:
        senders = section.section("senders")
        if section.value("senders") is None:
            section.problem(section.place, f"{section.path} names nobody who may write.",
                            "Add senders: { ID: NAME }. Who wrote and was refused: bullpen wechat status")  # fmt: skip
        return MappingProxyType({key: name for key, _ in senders if (name := self._human(senders, key))})

    def _inbound(self, section: Section) -> str:
        place = section.text("inbound", "general").removeprefix("#")
        other = place.removeprefix("dm:")
        known = self._members if place.startswith("dm:") else self._channels
        if other not in known:
            what = "member" if place.startswith("dm:") else "channel"
            section.problem(section.place_of("inbound"), f"there is no {what} “{other}” in this file.",
                            nearest(other, known))  # fmt: skip
        return place


def read_notifications(
    top: Section, folder: Path, *, humans: Collection[str], members: Collection[str], channels: Collection[str]
) -> Notifications:
    """Read who outside is told of what, noting every problem."""
    section = top.section("notifications")
    section.only(keys.NOTIFICATIONS)
    reader = _Reader(folder, humans, members, channels)
    targets = tuple(
        reader.target(name, Section(value, f"notifications.targets.{name}", top.problems))
        for name, value in section.section("targets")
    )
    bridges = [target.name for target in targets if target.type == "wechat"]
    if len(bridges) > 1:
        place = section.section("targets").place_of_key(bridges[1])
        section.problem(place, f"{bridges[0]} and {bridges[1]} are both of type wechat; there is one bridge.")
    quiet, digest = section.value("quiet_hours"), section.value("digest")
    return Notifications(
        targets=targets,
        quiet=None if quiet is None else _quiet(section.section("quiet_hours")),
        digest=None if digest is None else reader.digest(section.section("digest")),
    )


def _quiet(section: Section) -> QuietHours:
    section.only(keys.QUIET_HOURS)
    times = {}
    for key in ("from", "to"):
        if section.value(key) is None:
            section.problem(section.place, f"{section.path} needs {key}.", 'As { from: "22:00", to: "07:00" }.')
        elif not _TIME.match(section.text(key)):
            section.wrong(key, 'a time of day in quotes, as "22:00"')
        times[key] = section.text(key)
    words = (*keys.NOTIFICATION_KINDS, *keys.NOTIFICATION_REASONS)
    return QuietHours(times["from"], times["to"], _zone(section), _words(section, "except", words, ()))


def _words(section: Section, key: str, known: Collection[str], default: tuple[str, ...]) -> tuple[str, ...]:
    for item in section.items(key, scalars=True):
        if item.data not in known:
            section.problem(item.place, f"{section.inside(key)}: there is no “{item.data}”.",
                            nearest(str(item.data), known))  # fmt: skip
    return section.texts(key, default)


def _zone(section: Section) -> str:
    name = section.text("tz", "UTC")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also a name that is a folder, or no file's name at all
        section.wrong("tz", "a time zone, as Europe/Berlin")
    return name


def _address(section: Section, key: str) -> str:
    text = section.text(key)
    if section.value(key) is None:
        section.problem(section.place, f"{section.path} needs {key}: an e-mail address.")
    elif not _ADDRESS.match(text):
        section.wrong(key, "an e-mail address, as bullpen@example.org")
    return text


def _addresses(section: Section) -> tuple[str, ...]:
    value = section.value("to")
    if value is None or isinstance(value.data, str):
        return (_address(section, "to"),)
    for item in section.items("to", scalars=True):
        if not _ADDRESS.match(str(item.data)):
            section.problem(item.place, f"“{item.data}” is no e-mail address.")
    return section.texts("to")


def _base_url(section: Section) -> str | None:
    url = expanded(section.text("base_url")) or None
    if url is not None and not _URL.match(url):
        section.wrong("base_url", "an address without a path, as https://chat.example.org")
    return url
