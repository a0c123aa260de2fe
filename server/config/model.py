"""What a team is, as configured: frozen values that every floor may read. Nothing here reads a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from server.config.keep import Keep
from server.config.secrets import SecretReference

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 7777


@dataclass(frozen=True)
class RestartPolicy:
    """When an agent that ended is started again, and when that is given up."""

    policy: str = "on-failure"
    """never | on-failure | always"""
    first_delay_s: float = 1.0
    max_delay_s: float = 60.0
    max: int = 5
    """More unplanned starts than this within `within_s` and the agent is left alone."""
    within_s: float = 600.0
    min_uptime_s: float = 120.0
    """Ready for so long, and the delay starts again at the first."""


@dataclass(frozen=True)
class Guards:
    """How much agents may talk among themselves, and a member at all. 0 turns a guard off."""

    hops: int = 8
    """Messages of agents that answer each other in a row, since a person's word."""
    pair_per_min: int = 10
    """Messages between two agents in a minute, with nobody else speaking there."""
    pair_per_5_min: int = 12
    agent_msgs_without_human: int = 60
    """Messages of agents in one channel in 10 minutes, without a person's."""
    repeats: int = 3
    """The same text in one channel within 10 minutes: this one is held."""
    acknowledgements: bool = True
    """A bare “thanks” or “ok” of an agent wakes no agent."""
    self_per_min: int = 30
    """Messages that one agent may send in a minute, a third of them at once."""
    human_per_min: int = 120
    bot_per_min: int = 0
    """A bot is a program of somebody's own, who paces it."""


@dataclass(frozen=True)
class BudgetConfig:
    """What an agent may cost: amounts as written, `10usd` or `2h`; None: no limit."""

    per_day: str | None = None
    per_task: str | None = None
    per_month: str | None = None
    warn_at: int = 80
    """Percent."""
    on_exceed: str = "pause_and_ask"
    """notify | pause_and_ask | stop"""


@dataclass(frozen=True)
class LimitsConfig:
    """What an agent's processes may take; None: what every agent gets."""

    memory_bytes: int | None = None
    cpu: float | None = None
    """Processors."""
    pids: int | None = None
    open_files: int | None = None


@dataclass(frozen=True)
class PermissionPolicy:
    """What an agent may do unasked, and what becomes of what it asks."""

    allow: tuple[str, ...] = ()
    """Rules of its CLI, as `Bash(pytest:*)`."""
    deny: tuple[str, ...] = ()
    """The same; they win over everything that allows."""
    remember: str = "session"
    """none | session | always: for how long a person may allow something at most."""
    timeout_s: float = 1800.0
    on_timeout: str = "deny"
    """deny | keep_waiting"""


@dataclass(frozen=True)
class StallPolicy:
    """When an agent that works without a sign of it has stalled, and what is done then."""

    after_s: float = 600.0
    in_tool_s: float = 1800.0
    """The same inside one call of a tool."""
    action: str = "notify"
    """notify | interrupt | restart"""


@dataclass(frozen=True)
class Provider:
    """Where an agent's model is reached, and with which credentials."""

    name: str
    auth: str = "none"
    """oauth | api_key | bedrock | vertex | none"""
    base_url: str | None = None
    secret: SecretReference | None = None
    config_dir: Path | None = None
    """The CLI's own folder with a sign-in to share; for `oauth`."""


@dataclass(frozen=True)
class Workplace:
    """How the folder in which an agent works comes to be."""

    mode: str = "dir"
    """dir | worktree | clone | temp"""
    repo: str = ""
    """Of a worktree: the path of a repository. Of a clone: a path or an address."""
    base: str = ""
    """What a new branch begins at; empty: where the repository is now."""
    branch: str = ""
    """Branch of its own; it may hold `{date}`, the day on which it is made."""
    copy: tuple[str, ...] = ()
    """Files beside those of the repository, as `.env`, that the folder gets a copy of; never committed."""
    setup: tuple[str, ...] = ()
    """Command that makes a new folder ready; never a shell line."""


@dataclass(frozen=True)
class Isolation:
    """What of this machine an agent can reach."""

    mode: str = "none"
    """none: what the user of the server can. bwrap: its own folders, the system's programs, and what is named."""
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()


@dataclass(frozen=True)
class AgentConfig:
    """One agent of the team. A role's and the defaults' settings are already merged in."""

    name: str
    kind: str
    """claude | codex | custom | demo | external | gemini"""
    role: str
    """Role of its token: lead | member."""
    job: str
    """Role of the team file, as `developer`; empty if it has none."""
    workdir: Path
    workplace: Workplace = field(default_factory=Workplace)
    """How `workdir` comes to be."""
    isolation: Isolation = field(default_factory=Isolation)
    prompt: Path | None = None
    model: str | None = None
    fallback_models: tuple[str, ...] = ()
    """Taken in this order while the model cannot be had."""
    effort: str | None = None
    """low | medium | high | xhigh | max"""
    provider: Provider | None = None
    command: tuple[str, ...] = ()
    """Never a shell string. Needed by `custom`; for the others the program to run instead of the one on the PATH."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Set as written; never secrets."""
    environment_allow: tuple[str, ...] = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TZ")
    """Names that pass from the server's own environment; everything else is withheld."""
    environment_secrets: Mapping[str, SecretReference] = field(default_factory=lambda: MappingProxyType({}))
    """Resolved at each launch."""
    channels: tuple[str, ...] = ("general",)
    permission_mode: str = "ask"
    """ask | plan | accept_edits | auto"""
    permissions: PermissionPolicy = field(default_factory=PermissionPolicy)
    stall: StallPolicy = field(default_factory=StallPolicy)
    on_rate_limit: str = "wait_and_resume"
    """wait_and_resume | hold | stop"""
    autostart: bool = True
    enabled: bool = True
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    stop_grace_s: float = 15.0
    """From the polite request to the kill of the whole process tree."""
    description: str = ""
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """What only this kind understands."""
    guards: Guards | None = None
    """None: those of the team."""
    grants: frozenset[str] = frozenset()
    """What a lead may do beyond its role: `terminal_input` lets it type into other agents' terminals."""


@dataclass(frozen=True)
class HumanConfig:
    """A person of the team: chairman, operator or viewer."""

    name: str
    role: str


@dataclass(frozen=True)
class ChannelConfig:
    """A channel that exists from the start."""

    id: str
    description: str = ""
    keep: Keep | None = None
    """How long its messages are kept; None: as the team's."""


@dataclass(frozen=True)
class Retention:
    """How long what was said and done is kept."""

    messages: Keep = field(default_factory=Keep)
    audit: Keep = field(default_factory=Keep)
    """An age, or for ever."""


@dataclass(frozen=True)
class BackupPlan:
    """Backups that the server makes by itself."""

    every_s: float
    keep: int
    """How many of them stay; the oldest go."""


@dataclass(frozen=True)
class QuietHours:
    """When nothing is sent to the outside, and what is all the same."""

    start: str
    """As `22:00`, by the wall clock of `tz`."""
    end: str
    tz: str = "UTC"
    exceptions: tuple[str, ...] = ()
    """Kinds and reasons that are sent at any time."""


@dataclass(frozen=True)
class DigestConfig:
    """When what has happened is put together, and for whom."""

    cron: str
    to: str
    """A human."""
    tz: str = "UTC"


@dataclass(frozen=True)
class NotificationTarget:
    """A place outside that is told of things: a webhook, a topic of ntfy, a mailbox or a chat bridge."""

    name: str
    type: str
    """webhook | ntfy | email | wechat"""
    url: SecretReference | None = None
    events: tuple[str, ...] = ("needs_you", "agent_failed")
    member: str | None = None
    """The human whom it belongs to: only then is it told of mentions and direct messages."""
    format: str = "json"
    """Of a webhook: json | slack"""
    secret: SecretReference | None = None
    """What a webhook is signed with, or the token of ntfy."""
    sender: str = ""
    """Of e-mail: the address it comes from."""
    recipients: tuple[str, ...] = ()
    """Of e-mail."""
    allow_private: bool = False
    """It may be on this machine or in the private network."""
    senders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of a chat bridge: who may write, by the bridge's own id, and as which human."""
    inbound: str = "general"
    """Of a chat bridge: the channel, or `dm:NAME`, that gets what they write."""
    base_url: str | None = None
    """Of a chat bridge: its service, if that is not the usual one."""


@dataclass(frozen=True)
class Notifications:
    """Who outside is told of what, and when."""

    targets: tuple[NotificationTarget, ...] = ()
    quiet: QuietHours | None = None
    digest: DigestConfig | None = None


@dataclass(frozen=True)
class Location:
    """Where a team is: enough to find its server, without reading who is in it."""

    team: str
    host: str
    port: int
    data: Path
    source: Path | None
    """The team file, if there is one."""


@dataclass(frozen=True)
class Config:
    """Everything that is decided before the server starts."""

    team: str
    host: str
    port: int
    """0 lets the system choose."""
    data: Path
    source: Path | None = None
    agents: tuple[AgentConfig, ...] = ()
    humans: tuple[HumanConfig, ...] = (HumanConfig("chairman", "chairman"),)
    channels: tuple[ChannelConfig, ...] = (ChannelConfig("general"),)
    notifications: Notifications = field(default_factory=Notifications)
    register_secret: SecretReference | None = None
    retention: Retention = field(default_factory=Retention)
    backups: BackupPlan | None = None
    behind_proxy: bool = False
    """A proxy that ends TLS stands in front; only then may the server listen beyond loopback."""
    longest_file_bytes: int = 25 * 1024 * 1024
    member_file_bytes: int = 1024 * 1024 * 1024
    """What one member's files may have together."""
    public_url: str | None = None
    """What people type to reach the server, if that is not its own address."""
    guards: Guards = field(default_factory=Guards)
    """Of every member without its own."""

    @property
    def chairman(self) -> HumanConfig:
        return next(human for human in self.humans if human.role == "chairman")
