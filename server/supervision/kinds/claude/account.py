"""Which model service Claude Code talks to, and with which credentials: resolved at launch, kept nowhere of ours."""

import os
import shutil
from pathlib import Path

from server.config import AgentConfig, SecretUnavailable, resolve_secret
from server.supervision.kinds.kind import CannotLaunch

NO_KEY = "no-key-needed"
"""Sent to a service that asks for none: without any key the CLI wants a sign-in."""


def account_environment(agent: AgentConfig) -> dict[str, str]:
    """Return the variables that choose service and credentials. Raises CannotLaunch if a secret cannot be read."""
    provider = agent.provider
    if provider is None:
        return {}
    environment = {"ANTHROPIC_BASE_URL": provider.base_url} if provider.base_url else {}
    try:
        secret = resolve_secret(provider.secret) if provider.secret else None
    except SecretUnavailable as error:
        raise CannotLaunch(f"The key of provider {provider.name} is not there: {error}.") from None
    match provider.auth:
        case "api_key":
            if secret is None:
                raise CannotLaunch(f"Provider {provider.name} needs a key: add token to it in agents.yaml.")
            environment["ANTHROPIC_API_KEY"] = secret
        case "oauth":
            if secret is not None:
                environment["CLAUDE_CODE_OAUTH_TOKEN"] = secret
        case _:
            if provider.base_url:
                environment["ANTHROPIC_API_KEY"] = NO_KEY
    return environment


def share_sign_in(agent: AgentConfig, configuration: Path) -> None:
    """Copy the sign-in of a person's own Claude Code into the agent's folder, unless the agent's is newer.

    Only where neither a key nor a token decides otherwise. Where the system keeps the sign-in elsewhere, as in the
    keychain of macOS, there is nothing to copy: the agent asks for `/login` in its terminal.
    """
    provider = agent.provider
    if provider is not None and (provider.auth != "oauth" or provider.secret is not None):
        return
    if {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"} & {*agent.environment, *agent.environment_secrets}:
        return
    folder = provider.config_dir if provider and provider.config_dir else Path("~/.claude").expanduser()
    source, copy = folder / ".credentials.json", configuration / ".credentials.json"
    if not source.is_file() or (copy.is_file() and copy.stat().st_mtime >= source.stat().st_mtime):
        return
    new = copy.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(source.read_bytes())
    shutil.copystat(source, new)
    new.chmod(0o600)
    new.replace(copy)
