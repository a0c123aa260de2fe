"""agents.yaml: what it comes to, and what is said when it is wrong."""

import re
from pathlib import Path

import pytest

from server.config import (
    AgentConfig,
    BudgetConfig,
    Config,
    ConfigError,
    DigestConfig,
    Guards,
    LimitsConfig,
    Provider,
    QuietHours,
    RestartPolicy,
    SecretReference,
    SecretUnavailable,
    Settings,
    keys,
    load_config,
    locate,
    resolve_secret,
)
from server.config.secrets import parse_secret
from templates import ROLES


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "agents.yaml"


def load(file: Path, text: str, environ: dict[str, str] | None = None, **settings: object) -> Config:
    file.write_text(text, encoding="utf-8")
    return load_config(Settings(config=file, **settings), {} if environ is None else environ)  # type: ignore[arg-type]


def problems(file: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, text)
    return [str(problem) for problem in caught.value.problems]


def agent(config: Config, name: str) -> AgentConfig:
    return next(agent for agent in config.agents if agent.name == name)


def test_an_unknown_key_is_named_with_line_column_and_the_nearest_right_key(write: Path) -> None:
    found = problems(write, "agents:\n  qa:\n    restart: { policy: never, bakoff: 1s..5s }\n")
    assert found == ["agents.yaml:3:31: unknown key “bakoff” in agents.qa.restart. Did you mean “backoff”?"]


def test_every_problem_of_a_file_is_named_at_once_in_its_order(write: Path) -> None:
    found = problems(write, "team: Shop!\nagents:\n  QA: {}\n  pm: { kind: cladue }\n  docs: { autostart: often }\n")
    assert [line.split(" ")[0] for line in found] == ["agents.yaml:1:7:"]
    found = problems(write, "agents:\n  QA: {}\n  pm: { kind: cladue }\n  docs: { autostart: often }\n")
    assert [line.split(" ")[0] for line in found] == ["agents.yaml:2:3:", "agents.yaml:3:15:", "agents.yaml:4:22:"]
    assert "Did you mean “claude”?" in found[1]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("agents:\n  a: [1, 2\n", "3:1", "this is not YAML"),
        ("agents:\n  a: {}\n  a: {}\n", "3:3", "stands here twice"),
        ("agents:\n  a: { role: developr }\n", "2:14", "Did you mean “developer”?"),
        ("agents:\n  a: { channels: [genral] }\n", "2:18", "Did you mean “general”?"),
        ("agents:\n  a: { model: { name: x, provider: mian } }\nproviders: { main: {} }\n", "2:36", "“main”?"),
        ("agents:\n  a: { count: 0 }\n", "2:15", "from 1 to 64"),
        ("agents:\n  a: { stop: { grace: soon } }\n", "2:23", "a duration with its unit"),
        ("agents:\n  a: { kind: custom }\n", "2:6", "has no command"),
        ("agents:\n  a: { kind: custom, command: python bot.py }\n", "2:31", "there is no shell"),
        ("agents:\n  a: { kind: custom, command: [x], permissions: { mode: plan } }\n", "2:49", "means nothing for"),
        ("agents:\n  a: { prompt: nowhere.md }\n", "2:16", "There is no such file"),
        ("agents:\n  a: { permissions: { mode: auto } }\n", "2:29", "i_understand: true"),
        ("agents:\n  a: { env: { set: { HOME: /x } } }\n", "2:28", "gets its own from Bullpen"),
        ("agents:\n  a-1: {}\n  a: { count: 1 }\n", "3:6", "two agents named “a-1”"),
        ("agents:\n  chairman: {}\n", "2:13", "is a human of this team already"),
        ("roles:\n  a: { extends: a }\n", "2:17", "in a circle"),
        ("humans:\n  - { name: ben, role: viewer }\n", "2:3", "nobody is chairman"),
        ("channels:\n  - { id: dev, default_for: [devs] }\n", "2:29", "there is no role “devs”"),
        ("version: 2\n", "1:10", "it takes 1"),
        ("server: { port: 99999 }\n", "1:17", "from 0 to 65535"),
        ("server: { port: on }\n", "1:17", "from 0 to 65535"),
        ("agents:\n  a: { budget: { per_day: 10eur } }\n", "2:27", "money or time, as 10usd"),
        ("agents:\n  a: { budget: { warn_at: 70 } }\n", "2:27", "a share, as 70%"),
        ("agents:\n  a: { limits: { memory: 4 } }\n", "2:26", "at least 64m"),
        ("agents:\n  a: { limits: { cpu: two } }\n", "2:23", "a number of processors"),
        ("agents: [a, b]\n", "1:9", "takes keys and values"),
    ],
)
def test_a_mistake_is_told_with_its_place(write: Path, text: str, place: str, says: str) -> None:
    found = problems(write, text)
    assert len(found) == 1, found
    assert found[0].startswith(f"agents.yaml:{place}: "), found
    assert says in found[0], found


def test_budget_and_limits_come_from_the_defaults_and_the_agent(write: Path) -> None:
    config = load(
        write,
        "defaults: { budget: { per_day: 10 USD, warn_at: 70% }, limits: { memory: 4g, cpu: 2, pids: 512 } }\n"
        "agents:\n  a: { budget: { per_task: 2h, on_exceed: stop }, limits: { open_files: 4096 } }\n",
    )
    assert agent(config, "a").budget == BudgetConfig("10usd", "2h", None, 70, "stop")
    assert agent(config, "a").limits == LimitsConfig(4 << 30, 2.0, 512, 4096)


@pytest.mark.parametrize(
    "text",
    [
        "include: [more.yaml]",
        "server: { retention: { terminal_log: 7d } }",
        "server: { tls: { cert: x } }",
        "channels: [{ id: ops, posts: system }]",
        "agents: { a: { kind: opencode } }",
        "agents: { a: { schedules: [] } }",
        "agents: { a: { tools: { toolsets: [chat] } } }",
        "agents: { a: { depends_on: { b: ready } } }",
        "agents: { a: { healthcheck: { cmd: [x] } } }",
        "agents: { a: { kind: codex, permissions: { deny: [Read] } } }",
        "agents: { a: { session: { resume: false } } }",
        "agents: { a: { autostart: on_demand } }",
        "roles: { dev: { idle_stop: 30m } }",
    ],
)
def test_what_this_version_cannot_honour_is_refused_and_never_ignored(write: Path, text: str) -> None:
    found = problems(write, text)
    assert len(found) == 1, found
    assert "not in this version yet" in found[0], found


@pytest.mark.parametrize(
    "text",
    [
        'providers: { main: { auth: api_key, token: "sk-live-123456" } }',
        "server: { register_secret: sk-live-123456 }",
        "agents: { a: { env: { secret: { MY_VALUE: sk-live-123456 } } } }",
        "agents: { a: { env: { set: { MY_API_KEY: sk-live-123456 } } } }",
    ],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(write: Path, text: str) -> None:
    found = problems(write, text)
    assert len(found) == 1, found
    assert "env:" in found[0]
    assert "sk-live" not in found[0]


def test_a_secret_is_read_when_it_is_used_and_is_in_no_configuration(
    write: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "s3cret\n")
    text = (
        'providers: { main: { auth: api_key, token: "env:SHOP_KEY" } }\n'
        "agents: { a: { model: { name: x, provider: main } } }"
    )
    config = load(write, text)
    provider = agent(config, "a").provider
    assert provider == Provider("main", auth="api_key", secret=SecretReference("env", "SHOP_KEY"))
    assert "s3cret" not in repr(config)
    assert provider is not None
    assert provider.secret is not None
    assert resolve_secret(provider.secret) == "s3cret"


def test_secrets_come_from_files_and_commands_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" abc \n", encoding="utf-8")
    assert resolve_secret(SecretReference("file", str(tmp_path / "key"))) == "abc"
    assert resolve_secret(SecretReference("cmd", "printf 'x y'")) == "x y"


def test_a_secret_comes_from_a_keyring_by_its_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reference = parse_secret("keyring:bullpen/openrouter", tmp_path)
    with pytest.raises(SecretUnavailable, match="needs the command keyring"):
        resolve_secret(reference)

    program = tmp_path / "keyring"
    program.write_text('#!/bin/sh\necho "$1 of $2, $3"\n')
    program.chmod(0o700)

    assert resolve_secret(reference) == "get of bullpen, openrouter"
    for wrong in ("keyring:bullpen", "keyring:--del/x", "keyring:x/-y"):
        with pytest.raises(ValueError, match="a service and a name"):
            parse_secret(wrong, tmp_path)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (SecretReference("env", "BULLPEN_TEST_NOT_SET"), "empty or not set"),
        (SecretReference("file", "/nowhere/key"), "cannot be read"),
        (SecretReference("cmd", "false"), "exit code 1"),
        (SecretReference("cmd", "no-such-program-here"), "cannot be run"),
    ],
)
def test_a_secret_that_is_not_there_is_told_by_its_reference(reference: SecretReference, says: str) -> None:
    with pytest.raises(SecretUnavailable, match=says) as caught:
        resolve_secret(reference)
    assert str(reference) in str(caught.value)


def test_an_agent_wins_over_its_roles_and_these_over_the_defaults(write: Path) -> None:
    config = load(
        write,
        """
defaults: { restart: { policy: always, max: 9 }, channels: [general], env: { set: { A: "1", B: "1" } } }
channels: [{ id: dev }, { id: lab, default_for: [tester] }]
roles:
  developer: { env: { set: { B: "2" } }, restart: { backoff: 2s..1m } }
  tester: { extends: developer, channels: [dev], permissions: { mode: plan } }
agents:
  t: { role: tester, env: { set: { C: "3" } }, restart: { max: 1 } }
  d: { role: developer }
""",
    )
    t = agent(config, "t")
    assert dict(t.environment) == {"A": "1", "B": "2", "C": "3"}
    assert t.restart == RestartPolicy("always", 2.0, 60.0, 1, 600.0, 120.0)
    assert t.channels == ("dev", "lab")
    assert (t.permission_mode, t.job) == ("plan", "developer")
    assert (agent(config, "d").channels, agent(config, "d").permission_mode) == (("general",), "ask")


def test_count_gives_numbered_agents(write: Path) -> None:
    config = load(write, "agents: { api: { count: 2 }, pm: { role: lead } }")
    assert [(one.name, one.role) for one in config.agents] == [("api-1", "member"), ("api-2", "member"), ("pm", "lead")]
    assert agent(config, "api-1").workdir == config.data / "agents" / "api-1" / "work"


def test_paths_are_relative_to_the_file_and_may_hold_variables(write: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRC", "/src")
    (write.parent / "roles").mkdir()
    (write.parent / "roles" / "a.md").write_text("Be brief.", encoding="utf-8")
    config = load(
        write, 'agents: { a: { prompt: roles/a.md, workdir: "${SRC}/shop" }, b: { workdir: "${NONE:-here}" } }'
    )
    assert agent(config, "a").prompt == write.parent / "roles" / "a.md"
    assert agent(config, "a").workdir == Path("/src/shop")
    assert agent(config, "b").workdir == write.parent / "here"


def test_what_begins_with_x_is_free_and_anchors_work(write: Path) -> None:
    config = load(write, "x-all: &all { kind: demo }\nx-note: anything\nagents:\n  a: { <<: *all, x-mine: 1 }\n")
    assert agent(config, "a").kind == "demo"


def test_no_quoted_or_not_means_never(write: Path) -> None:
    config = load(write, 'agents: { a: { restart: { policy: no } }, b: { restart: { policy: "no" } } }')
    assert [one.restart.policy for one in config.agents] == ["never", "never"]


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_file(write: Path) -> None:
    text = "team: shop\nserver: { port: 1, host: localhost, data_dir: there }\n"
    assert load(write, text).port == 1
    assert load(write, text).data == write.parent / "there"
    environ = {"BULLPEN_PORT": "2", "BULLPEN_HOST": "127.0.0.1", "BULLPEN_DATA": "/env"}
    by_environment = load(write, text, environ)
    assert (by_environment.port, by_environment.host, by_environment.data) == (2, "127.0.0.1", Path("/env"))
    by_flag = load(write, text, environ, port=3, host="::1", data=Path("/flag"))
    assert (by_flag.port, by_flag.host, by_flag.data) == (3, "::1", Path("/flag"))


def test_a_wrong_port_in_the_environment_is_told_by_its_name(write: Path) -> None:
    write.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="BULLPEN_PORT: “often” is not a port"):
        load_config(Settings(), {"BULLPEN_PORT": "often"})


def test_the_data_folder_follows_the_team_and_xdg(write: Path, tmp_path: Path) -> None:
    assert load(write, "team: shop", {"XDG_DATA_HOME": str(tmp_path)}).data == tmp_path / "bullpen" / "shop"
    assert load(write, "team: shop", {"XDG_DATA_HOME": "relative"}).data == Path.home() / ".local/share/bullpen/shop"


def test_a_register_secret_of_the_environment_wins_and_is_a_reference(write: Path) -> None:
    text = "server: { register_secret: env:OTHER }"
    assert load(write, text).register_secret == SecretReference("env", "OTHER")
    environ = {"BULLPEN_REGISTER_SECRET": "open sesame"}
    config = load(write, text, environ)
    assert config.register_secret == SecretReference("env", "BULLPEN_REGISTER_SECRET")
    assert "sesame" not in repr(config)


def test_the_limits_of_files_are_sizes_with_a_unit(write: Path) -> None:
    config = load(write, "server: { files: { max_size: 500KiB, per_member: 2 GiB } }")
    assert (config.longest_file_bytes, config.member_file_bytes) == (500 * 1024, 2 * 1024**3)
    assert load(write, "").longest_file_bytes == 25 * 1024**2
    for wrong in ("5", "5MB", "0MiB", "-1MiB"):
        assert "25MiB" in problems(write, f"server: {{ files: {{ max_size: {wrong} }} }}")[0]


def test_guards_of_the_defaults_hold_for_all_and_a_role_or_an_agent_goes_before_them(write: Path) -> None:
    config = load(
        write,
        "defaults: { guards: { hops: 20, human_per_min: 0 } }\n"
        "roles: { dev: { guards: { hops: 5 } } }\n"
        "agents: { a: {}, b: { role: dev }, c: { role: dev, guards: { hops: 0, acknowledgements: false } } }\n",
    )
    assert config.guards == Guards(hops=20, human_per_min=0)
    assert [agent(config, name).guards for name in "abc"] == [
        Guards(hops=20, human_per_min=0),
        Guards(hops=5, human_per_min=0),
        Guards(hops=0, human_per_min=0, acknowledgements=False),
    ]
    assert load(write, "agents: { a: {} }").guards == Guards(), "on by default"
    found = "\n".join(problems(write, "agents: { a: { guards: { hops: many, pairs: 3 } } }"))
    assert "a.guards.hops is “many”; it takes a whole number" in found
    assert "unknown key “pairs” in agents.a.guards" in found


def test_an_address_beyond_this_machine_needs_a_proxy(write: Path) -> None:
    assert "other machines" in problems(write, "server: { host: 0.0.0.0 }")[0]
    assert "public_url" in problems(write, "server: { host: 0.0.0.0, behind_proxy: true }")[0]
    proxied = "server: { host: 0.0.0.0, behind_proxy: true, public_url: 'https://bullpen.example.org' }"
    assert load(write, proxied).host == "0.0.0.0"  # noqa: S104
    with pytest.raises(ConfigError, match="other machines"):
        load(write, "", {"BULLPEN_HOST": "192.168.1.5"})


def test_a_mistake_among_the_agents_does_not_hide_where_the_server_is(write: Path) -> None:
    write.write_text("team: shop\nagents: { a: { kind: nonsense } }\n", encoding="utf-8")
    assert locate(Settings(), {"BULLPEN_DATA": "/d"}).data == Path("/d")


def test_without_a_file_there_is_a_team_without_agents_and_the_demo_team_has_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(Settings(), {}).agents == ()
    demo = load_config(Settings(demo=True), {})
    assert [(one.name, one.kind) for one in demo.agents] == [("ada-demo", "demo"), ("bo-demo", "demo")]
    assert demo.team == "demo"


def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file.*bullpen init"):
        load_config(Settings(config=tmp_path / "team.yaml"), {})


def test_every_role_that_needs_no_declaration_has_its_instructions() -> None:
    assert set(keys.JOBS) == {file.stem for file in ROLES.glob("*.md")}


def documented() -> set[str]:
    """Return every word that stands in a code span of the page on agents.yaml."""
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    return {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"[\w-]+", span)}


def test_every_key_is_in_the_documentation() -> None:
    known = {
        *keys.TOP, *keys.SERVER, *keys.HUMAN, *keys.CHANNEL, *keys.PROVIDER, *keys.SETTINGS, *keys.AGENT_ONLY,
        *keys.ROLE, *keys.MODEL,
        *keys.WORKDIR, *keys.WORKDIR_MODES, *keys.ISOLATION, *keys.ISOLATIONS, *keys.ENV, *keys.RESTART,
        *keys.STOP, *keys.SESSION, *keys.PERMISSIONS, *keys.KINDS,
        *keys.GUARDS, *keys.STALL, *keys.REMEMBER, *keys.ON_TIMEOUT, *keys.ON_RATE_LIMIT, *keys.ON_STALL,
    }  # fmt: skip
    assert known - documented() == set()


def test_every_key_that_is_refused_is_in_the_documentation() -> None:
    refused = {
        *keys.TOP_NOT_YET, *keys.SERVER_NOT_YET, *keys.SETTINGS_NOT_YET,
        *keys.KINDS_NOT_YET, *keys.CHANNEL_NOT_YET,
    }  # fmt: skip
    assert refused - documented() == set()


TOLD = """
humans: [{ name: ada, role: chairman }, { name: ben, role: operator }]
channels: [{ id: ops }]
agents: { pm: { kind: demo } }
notifications:
  quiet_hours: { from: "22:00", to: "07:00", tz: Europe/Berlin, except: [permission, crash_loop, budget_exceeded] }
  targets:
    phone: { type: ntfy, url: "env:NTFY_URL", token: "file:token", for: ada, events: [needs_you, dm] }
    team: { type: webhook, url: "env:SLACK_HOOK", format: slack, events: [task_done, digest] }
    mail: { type: email, url: "cmd:pass show smtp", from: me@example.org, to: [ada@example.org], allow_private: true }
    wechat: { type: wechat, senders: { "o9@im.wechat": ben }, inbound: dm:pm }
  digest: { cron: "0 8 * * 1-5", to: ada }
"""


def test_targets_quiet_hours_and_the_digest_come_to_what_is_written(write: Path) -> None:
    found = load(write, TOLD).notifications
    phone, team, mail, wechat = found.targets
    assert (phone.type, phone.member, phone.events, str(phone.url)) == (
        "ntfy",
        "ada",
        ("needs_you", "dm"),
        "env:NTFY_URL",
    )
    assert phone.secret == SecretReference("file", str(write.parent / "token"))
    assert (team.format, team.allow_private) == ("slack", False)
    assert (mail.sender, mail.recipients, mail.allow_private) == ("me@example.org", ("ada@example.org",), True)
    assert (dict(wechat.senders), wechat.inbound) == ({"o9@im.wechat": "ben"}, "dm:pm")
    assert "mention" in wechat.events
    assert found.quiet == QuietHours("22:00", "07:00", "Europe/Berlin", ("permission", "crash_loop", "budget_exceeded"))
    assert found.digest == DigestConfig("0 8 * * 1-5", "ada")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("targets:", "tragets:", "7:3: unknown key “tragets” in notifications. Did you mean “targets”?"),
        ('"22:00"', "22:00", '6:24: notifications.quiet_hours.from is “1320”; it takes a time of day in quotes'),
        ("Europe/Berlin", "Berlin", "quiet_hours.tz is “Berlin”; it takes a time zone, as Europe/Berlin."),
        ("crash_loop", "crashloop", "quiet_hours.except: there is no “crashloop”. Did you mean “crash_loop”?"),
        ("type: ntfy", "type: nfty", "it takes one of webhook, ntfy, email, wechat. Did you mean “ntfy”?"),
        ("for: ada, ", "", "notifications.targets.phone is to be told of dm, not whose. Add for:"),
        ("for: ada", "for: adda", "there is no human “adda”. Did you mean “ada”?"),
        ('url: "env:NTFY_URL", ', "", "notifications.targets.phone needs its address."),
        ('"env:SLACK_HOOK"', "https://hooks.example/T0/canary", "team.url: a secret is never written here"),
        ("format: slack", "format: teams", "targets.team.format is “teams”; it takes one of json, slack."),
        ("token:", "secret:", "unknown key “secret” in notifications.targets.phone."),
        ("[ada@example.org]", "[ada]", "“ada” is no e-mail address."),
        ("from: me@example.org, ", "", "notifications.targets.mail needs from: an e-mail address."),
        (": ben }, inbound", ": benn }, inbound", "there is no human “benn”. Did you mean “ben”?"),
        ("dm:pm", "dm:pmm", "there is no member “pmm” in this file. Did you mean “pm”?"),
        ("inbound: dm:pm", "inbound: op", "there is no channel “op” in this file. Did you mean “ops”?"),
        ('senders: { "o9@im.wechat": ben }, ', "", "notifications.targets.wechat names nobody who may write."),
        ("mail: { type: email", "m: { type: wechat, senders: { a: ada } }\n    o: { type: email", "is one bridge"),
        ("0 8 * * 1-5", "0 25 * * *", "notifications.digest.cron is “0 25 * * *”; it takes five fields of cron"),
        (", to: ada }\n", " }\n", "notifications.digest needs to."),
    ],
)  # fmt: skip
def test_a_mistake_in_notifications_is_named_with_its_place_and_what_is_right(
    write: Path, old: str, new: str, says: str
) -> None:
    assert old in TOLD
    found = problems(write, TOLD.replace(old, new, 1))
    assert len(found) == 1, found
    assert says in found[0]
    assert re.match(r"agents\.yaml:\d+:\d+: ", found[0])
    assert "canary" not in found[0]


def test_a_grant_is_named_and_one_that_is_none_is_refused(write: Path) -> None:
    config = load(write, "agents:\n  pm: { role: lead, grants: [terminal_input] }\n")
    assert agent(config, "pm").grants == {"terminal_input"}
    (found,) = problems(write, "agents:\n  pm: { role: lead, grants: [terminal] }\n")
    assert "there is no grant “terminal”" in found
