"""An agent's environment is an allow-list, and its home and temporary folder are its own."""

import pytest

from server.config import SecretReference
from server.supervision.kinds.environment import agent_environment, find_program
from server.supervision.kinds.kind import CannotLaunch
from tests.kinds.conftest import TOKEN, MakeRun


@pytest.fixture(autouse=True)
def _server_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "LD_AUDIT", "PYTHONHOME", "HTTPS_PROXY")
    for name in names:
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("HOME", "/home/person")


def test_nothing_of_the_servers_own_passes_that_is_not_named(make_run: MakeRun) -> None:
    environment = agent_environment(make_run())

    assert "canary" not in environment.values()
    assert environment["TZ"] == "Europe/Berlin"
    assert set(environment) == {
        "PATH", "LANG", "TZ", "HOME", "TMPDIR", "TERM", "SHELL",
        "BULLPEN_URL", "BULLPEN_AGENT", "BULLPEN_RUN_ID", "BULLPEN_TOKEN_FILE",
    } | ({"LC_ALL", "LC_CTYPE"} & set(environment))  # fmt: skip


def test_a_named_variable_passes(make_run: MakeRun) -> None:
    environment = agent_environment(make_run(environment_allow=("HTTPS_PROXY",)))

    assert environment["HTTPS_PROXY"] == "canary"
    assert "TZ" not in environment


def test_home_and_temporary_folder_are_the_agents_own_also_when_home_is_allowed(make_run: MakeRun) -> None:
    run = make_run(environment_allow=("HOME", "TMPDIR", "TERM"))

    environment = agent_environment(run)

    assert environment["HOME"] == str(run.home)
    assert environment["TMPDIR"] == str(run.temporary)
    assert environment["TERM"] == "xterm-256color"
    assert run.home.stat().st_mode & 0o777 == run.temporary.stat().st_mode & 0o777 == 0o700


def test_the_token_is_never_in_the_environment_only_the_path_of_its_file(make_run: MakeRun) -> None:
    run = make_run()

    environment = agent_environment(run)

    assert TOKEN not in environment.values()
    assert environment["BULLPEN_TOKEN_FILE"] == str(run.token_file)


def test_set_variables_and_secrets_are_added(make_run: MakeRun) -> None:
    run = make_run(
        environment={"CI": "1"}, environment_secrets={"KEY": SecretReference("env", "AWS_SECRET_ACCESS_KEY")}
    )

    environment = agent_environment(run)

    assert (environment["CI"], environment["KEY"]) == ("1", "canary")


def test_a_missing_secret_is_named_and_stops_the_launch(make_run: MakeRun) -> None:
    run = make_run(environment_secrets={"KEY": SecretReference("env", "NOT_THERE")})

    with pytest.raises(CannotLaunch, match="env:NOT_THERE"):
        agent_environment(run)


def test_a_program_is_found_as_the_agent_would_find_it(make_run: MakeRun) -> None:
    agent = make_run(environment={"PATH": "/nowhere"}).agent

    assert find_program(agent, "sh") is None
    assert find_program(agent, "/bin/sh") == "/bin/sh"
