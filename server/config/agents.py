"""Agents of the team file: defaults under roles under each agent, then one `AgentConfig` per agent and count."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from server.config import keys
from server.config.bounds import read_budget, read_limits
from server.config.document import Value, merge
from server.config.model import AgentConfig, Guards, PermissionPolicy, Provider, RestartPolicy, StallPolicy
from server.config.paths import path_from
from server.config.secrets import SecretReference, parse_secret
from server.config.section import Section, duration_s, nearest
from server.config.workplace import read_isolation, read_workplace
from server.core.names import is_member_name

_ENVIRONMENT_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_HIGHEST_COUNT = 64
_DEFAULT = AgentConfig(name="", kind="claude", role="member", job="", workdir=Path())


class AgentReader:
    """Reads `defaults`, `roles` and `agents` of one file; every problem is noted, none raised."""

    def __init__(
        self,
        top: Section,
        folder: Path,
        data: Path,
        *,
        providers: Mapping[str, Provider],
        channels: Mapping[str, tuple[str, ...]],
        team: str,
    ) -> None:
        self._top = top
        self._folder = folder
        self._data = data
        self._team = team
        self._providers = providers
        self._channels = channels
        """Each with the roles whose holders are in it."""
        self._defaults = top.value("defaults") or Value(top.place, {})
        self._roles = dict(top.section("roles"))
        self.roles = tuple({**self._roles, **dict.fromkeys(keys.JOBS)})

    def agents(self) -> tuple[AgentConfig, ...]:
        """Return every agent of the file, each name once."""
        self._check_templates()
        found: dict[str, AgentConfig] = {}
        for name, value in self._top.section("agents"):
            for agent in self._copies(name, value):
                if agent.name in found:
                    self._top.problem(value.place, f"there are two agents named “{agent.name}”.")
                shared = next((other for other in found.values() if _share_a_worktree(agent, other)), None)
                if shared is not None:
                    self._top.problem(
                        value.place, f"{agent.name} and {shared.name} would have the same {agent.workplace.mode}.",
                        "Give each a path and a branch of its own, as branch: agents/{name}.",
                    )  # fmt: skip
                found[agent.name] = agent
        return tuple(found.values())

    def _check_templates(self) -> None:
        """Read defaults and roles by themselves, so that a mistake shows although no agent uses them."""
        section = Section(self._defaults, "defaults", self._top.problems)
        section.only(keys.SETTINGS, keys.SETTINGS_NOT_YET)
        self._settings("", section)
        for name, value in self._roles.items():
            role = Section(value, f"roles.{name}", self._top.problems)
            role.only(keys.ROLE, keys.SETTINGS_NOT_YET)
            if not is_member_name(name):
                self._top.problem(
                    value.place, f"“{name}” is no role's name: a-z, 0-9, _ and -, starting with a letter."
                )
            self._settings("", role)
            self._lineage(role, "extends", (name,))

    def _copies(self, name: str, value: Value) -> Iterator[AgentConfig]:
        own = Section(value, f"agents.{name}", self._top.problems)
        own.only((*keys.SETTINGS, *keys.AGENT_ONLY), keys.SETTINGS_NOT_YET)
        count = own.whole("count", 1, 1, _HIGHEST_COUNT)
        names = [f"{name}-{number}" for number in range(1, count + 1)] if "count" in own else [name]
        if not is_member_name(names[-1]):
            rule = "1 to 32 of a-z, 0-9, _ and -, starting with a letter"
            self._top.problem(
                self._top.section("agents").place_of_key(name), f"“{names[-1]}” is no agent's name: {rule}."
            )
            return
        merged, stated = self._merged(own, value)
        section = Section(merged, own.path, self._top.problems)
        self._check_stated(section, stated)
        for one in names:
            yield self._settings(one, section)

    def _merged(self, own: Section, value: Value) -> tuple[Value, Value]:
        """Return the agent's settings with and without the defaults of all."""
        key = "role" if "role" in own else ""
        below = Section(self._defaults, "defaults", []) if not key else own
        stated = Value(value.place, {})
        for role in self._lineage(below, "role", ()):
            stated = merge(stated, self._roles[role])
        stated = merge(stated, value)
        return merge(self._defaults, stated), stated

    def _lineage(self, section: Section, key: str, seen: tuple[str, ...]) -> list[str]:
        """Return the named role and what it extends, the farthest first."""
        name = section.text(key)
        if not name:
            return []
        if name in seen:
            section.problem(section.place_of(key), f"roles extend each other in a circle: {' → '.join((*seen, name))}.")
            return []
        if name not in self._roles:
            if name not in keys.JOBS:
                section.problem(section.place_of(key), f"there is no role “{name}”.", nearest(name, self.roles))
            return []
        role = Section(self._roles[name], f"roles.{name}", section.problems)
        return [*self._lineage(role, "extends", (*seen, name)), name]

    def _check_stated(self, section: Section, stated: Value) -> None:
        """Refuse what was asked of this agent or its role and its kind cannot do. Defaults may mean other kinds."""
        kind = section.choice("kind", keys.KINDS, "claude", keys.KINDS_NOT_YET)
        asked = Section(stated, section.path, section.problems)
        for key, kinds in (
            ("model", keys.KINDS_THAT_THINK),
            ("permissions", keys.KINDS_THAT_THINK),
            ("prompt", keys.KINDS_THAT_THINK),
            ("command", keys.KINDS_WITH_COMMAND),
        ):
            if asked.value(key) and kind not in kinds:
                asked.problem(asked.place_of(key), f"{asked.inside(key)} means nothing for the kind {kind}.",
                              f"It is for {', '.join(kinds[:-1])} and {kinds[-1]}.")  # fmt: skip
        if kind in keys.KINDS_THAT_THINK and kind != "claude":
            permissions = asked.section("permissions")
            for key in keys.PERMISSIONS_OF_CLAUDE:
                if key in permissions:
                    what = f"{permissions.inside(key)} for the kind {kind} is not in this version yet."
                    hint = "It asks in its terminal; say what it may do by mode."
                    permissions.problem(permissions.place_of(key), what, hint)
        if kind == "custom" and not section.value("command"):
            section.problem(section.place, f"{section.path} is of kind custom and has no command.",
                            'Add one as a list: command: ["python", "bot.py"].')  # fmt: skip

    def _settings(self, name: str, section: Section) -> AgentConfig:
        kind = section.choice("kind", keys.KINDS, _DEFAULT.kind, keys.KINDS_NOT_YET)
        role = section.text("role")
        prompt = self._prompt(section) if kind in keys.KINDS_THAT_THINK else None
        allow, environment, secrets = self._environment(section)
        model, provider = self._model(section)
        workdir, workplace = read_workplace(
            section, name, self._folder, own=self._data / "agents" / name / "work", team=self._team
        )
        fallback, effort = self._model_choices(section) if kind in keys.KINDS_WITH_MODEL_CHOICES else ((), None)
        with_model = kind in keys.KINDS_THAT_THINK
        return AgentConfig(
            name=name,
            kind=kind,
            role=section.choice("rights", keys.TOKEN_ROLES, "lead" if role == "lead" else "member"),
            job=role if prompt else self._job(role),
            prompt=prompt,
            model=model if with_model else None,
            provider=provider if with_model else None,
            command=self._command(section) if kind in keys.KINDS_WITH_COMMAND else (),
            fallback_models=fallback,
            effort=effort,
            workdir=workdir,
            workplace=workplace,
            isolation=read_isolation(section, self._folder),
            environment=MappingProxyType(environment),
            environment_allow=allow,
            environment_secrets=MappingProxyType(secrets),
            channels=self._joined(section, role),
            permission_mode=self._permission_mode(section),
            permissions=self._permissions(section),
            stall=self._stall(section),
            on_rate_limit=section.choice("on_rate_limit", keys.ON_RATE_LIMIT, _DEFAULT.on_rate_limit),
            autostart=self._autostart(section),
            enabled=section.flag("enabled", True),
            restart=self._restart(section),
            budget=read_budget(section.section("budget")),
            limits=read_limits(section.section("limits")),
            stop_grace_s=self._stop(section),
            description=section.text("description"),
            options=MappingProxyType(self._options(section, kind if name else None)),
            guards=self._guards(section),
            grants=self._grants(section),
        )

    def guards(self) -> Guards:
        """Return those of everybody: the file's defaults over ours."""
        return self._guards(Section(self._defaults, "defaults", []))

    @staticmethod
    def _guards(section: Section) -> Guards:
        guards = section.section("guards")
        guards.only((*keys.GUARDS, "acknowledgements", *keys.STALL))
        usual = Guards()
        numbers = {key: guards.whole(key, getattr(usual, key), 0, 1_000_000) for key in keys.GUARDS}
        return Guards(**numbers, acknowledgements=guards.flag("acknowledgements", usual.acknowledgements))

    def _grants(self, section: Section) -> frozenset[str]:
        for item in section.items("grants", scalars=True):
            if item.data not in keys.GRANTS:
                section.problem(item.place, f"there is no grant “{item.data}”.", f"One of: {', '.join(keys.GRANTS)}.")
        return frozenset(section.texts("grants"))

    def _job(self, role: str) -> str:
        """Return the role whose instructions come with Bullpen: this one or, by `extends`, one above it."""
        above, seen = role, set[str]()
        while above in self._roles and above not in keys.JOBS and above not in seen:
            seen.add(above)
            above = Section(self._roles[above], "", []).text("extends")
        return above if above in keys.JOBS else role

    def _prompt(self, section: Section) -> Path | None:
        path = path_from(section, "prompt", self._folder)
        if path is not None and not path.is_file():
            section.wrong("prompt", "the path of a text file, relative to this one", "There is no such file.")
        return path

    def _model(self, section: Section) -> tuple[str | None, Provider | None]:
        value = section.value("model")
        if value is None:
            return None, None
        if isinstance(value.data, str):
            return value.data, None
        model = section.section("model")
        model.only(keys.MODEL)
        provider = model.text("provider")
        if provider and provider not in self._providers:
            model.problem(
                model.place_of("provider"), f"there is no provider “{provider}”.", nearest(provider, self._providers)
            )
        return model.text("name") or None, self._providers.get(provider)

    @staticmethod
    def _model_choices(section: Section) -> tuple[tuple[str, ...], str | None]:
        value = section.value("model")
        if value is None or isinstance(value.data, str):
            return (), None
        model = section.section("model")
        fallback = model.value("fallback")
        names = (model.text("fallback"),) if fallback and isinstance(fallback.data, str) else model.texts("fallback")
        return names, model.choice("effort", keys.EFFORTS, "") or None

    def _command(self, section: Section) -> tuple[str, ...]:
        value = section.value("command")
        if value is not None and isinstance(value.data, str):
            section.wrong("command", 'a list of words, as ["python", "bot.py"]: there is no shell')
            return ()
        return section.texts("command")

    def _environment(self, section: Section) -> tuple[tuple[str, ...], dict[str, str], dict[str, SecretReference]]:
        env = section.section("env")
        env.only(keys.ENV)
        allow = env.texts("allow", _DEFAULT.environment_allow)
        for item in env.items("allow", scalars=True):
            self._check_variable(env, item, str(item.data))
        plain: dict[str, str] = {}
        for name, value in env.section("set"):
            self._check_variable(env, value, name)
            if not isinstance(value.data, str | int | float) or isinstance(value.data, bool):
                env.problem(value.place, f"{env.path}.set.{name} takes text; put it in quotes.")
            elif _SECRET_NAME.search(name):
                env.problem(value.place, f"{name} looks like a secret, and secrets are never written here.",
                            f"Refer to it under {env.path}.secret, as {name}: env:{name}.")  # fmt: skip
            else:
                plain[name] = str(value.data)
        secrets: dict[str, SecretReference] = {}
        for name, value in env.section("secret"):
            self._check_variable(env, value, name)
            try:
                secrets[name] = parse_secret(value.data if isinstance(value.data, str) else "", self._folder)
            except ValueError as error:
                env.problem(value.place, f"{env.path}.secret.{name}: {error}.")
        return allow, plain, secrets

    @staticmethod
    def _check_variable(env: Section, value: Value, name: str) -> None:
        if not _ENVIRONMENT_NAME.match(name):
            env.problem(value.place, f"“{name}” is no name of an environment variable.")
        elif name in keys.ENV_OURS or name.startswith("BULLPEN_"):
            env.problem(
                value.place, f"{name} cannot be set or passed: every agent gets its own from Bullpen.", "Take it out."
            )

    def _joined(self, section: Section, role: str) -> tuple[str, ...]:
        joined = [name.removeprefix("#") for name in section.texts("channels", _DEFAULT.channels)]
        for name in joined:
            if name not in self._channels:
                hint = nearest(name, self._channels)
                section.problem(section.place_of("channels"), f"there is no channel “{name}” in this file.", hint)
        joined += [channel for channel, roles in self._channels.items() if role in roles]
        return tuple(dict.fromkeys(joined))

    @staticmethod
    def _permission_mode(section: Section) -> str:
        permissions = section.section("permissions")
        permissions.only(keys.PERMISSIONS)
        mode = permissions.choice("mode", keys.PERMISSION_MODES, "ask")
        if permissions.flag("i_understand", False) is False and mode == "auto":
            permissions.problem(permissions.place_of("mode"), "auto lets the agent act without asking anybody.",
                                "If that is wanted, add i_understand: true beside it.")  # fmt: skip
        return mode

    @staticmethod
    def _permissions(section: Section) -> PermissionPolicy:
        default, permissions = PermissionPolicy(), section.section("permissions")
        timeout = permissions.duration("timeout", default.timeout_s)
        if not 30 <= timeout <= 7 * 86_400:
            permissions.wrong("timeout", "from 30s to 7d: a person has to read what is asked")
        return PermissionPolicy(
            allow=permissions.texts("allow"),
            deny=permissions.texts("deny"),
            remember=permissions.choice("remember", keys.REMEMBER, default.remember),
            timeout_s=timeout,
            on_timeout=permissions.choice("on_timeout", keys.ON_TIMEOUT, default.on_timeout),
        )

    @staticmethod
    def _stall(section: Section) -> StallPolicy:
        default, guards = StallPolicy(), section.section("guards")
        after = guards.duration("stall_after", default.after_s)
        if after < 10:
            guards.wrong("stall_after", "10s or more: a model may think for a while")
        # A tool may take three times as long as a thought, as 10 and 30 minutes.
        return StallPolicy(after, after * 3, guards.choice("on_stall", keys.ON_STALL, default.action))

    @staticmethod
    def _autostart(section: Section) -> bool:
        value = section.value("autostart")
        if value is not None and value.data == "on_demand":
            section.problem(value.place, f"{section.inside('autostart')}: “on_demand” is not in this version yet.",
                            "It takes true or false.")  # fmt: skip
            return True
        return section.flag("autostart", True)

    @staticmethod
    def _restart(section: Section) -> RestartPolicy:
        default = RestartPolicy()
        restart = section.section("restart")
        restart.only(keys.RESTART)
        value = restart.value("policy")
        # An unquoted `no` is false in YAML; "no" is what Compose calls never.
        policy = (
            "never"
            if value and value.data in (False, "no")
            else restart.choice("policy", keys.RESTART_POLICIES, default.policy)
        )
        first, longest = default.first_delay_s, default.max_delay_s
        if restart.value("backoff"):
            low, separator, high = restart.text("backoff").partition("..")
            bounds = duration_s(low), duration_s(high if separator else low)
            if bounds[0] is None or bounds[1] is None or not 0 < bounds[0] <= bounds[1]:
                restart.wrong("backoff", "the first and the longest wait, as 2s..5m")
            else:
                first, longest = bounds[0], bounds[1]
        return RestartPolicy(
            policy=policy,
            first_delay_s=first,
            max_delay_s=longest,
            max=restart.whole("max", default.max, 0, 1000),
            within_s=restart.duration("within", default.within_s),
            min_uptime_s=restart.duration("min_uptime", default.min_uptime_s),
        )

    @staticmethod
    def _stop(section: Section) -> float:
        stop = section.section("stop")
        stop.only(keys.STOP)
        stop.choice("signal", ("TERM",), "TERM", ("INT", "HUP", "QUIT", "KILL"))
        if not stop.flag("tree", True):
            stop.wrong("tree", "true: no process of an agent is left behind")
        return stop.duration("grace", _DEFAULT.stop_grace_s)

    @staticmethod
    def _options(section: Section, kind: str | None) -> dict[str, object]:
        session = section.section("session")
        session.only(keys.SESSION)
        if not session.flag("resume", True):
            session.problem(session.place_of("resume"), "starting anew at every start is not in this version yet.",
                            "An agent goes on with its conversation.")  # fmt: skip
        options = section.section("options")
        if kind is not None:
            options.only(keys.OPTIONS.get(kind, ()))
        return {name: value.plain() for name, value in options}


def _share_a_worktree(one: AgentConfig, other: AgentConfig) -> bool:
    places = (one.workplace, other.workplace)
    if one.name == other.name or any(place.mode not in ("worktree", "clone") for place in places):
        return False
    same_branch = all(place.mode == "worktree" for place in places) and places[0].repo == places[1].repo and (
        places[0].branch == places[1].branch
    )  # fmt: skip
    return one.workdir == other.workdir or same_branch
