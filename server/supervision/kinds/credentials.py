"""What lets a CLI use its model service: a key by reference, or the folder of a person's own sign-in."""

from pathlib import Path

from server.config import AgentConfig, SecretUnavailable, resolve_secret
from server.supervision.kinds.kind import CannotLaunch

NO_KEY = "no-key-needed"
"""Sent to a service that asks for none: without any key a CLI wants a sign-in."""


def provider_secret(agent: AgentConfig) -> str | None:
    """Return the key or token of an agent's provider; None if it names none.

    Raises CannotLaunch if it cannot be read, and if the provider needs a key and names none.
    """
    provider = agent.provider
    if provider is None:
        return None
    try:
        secret = resolve_secret(provider.secret) if provider.secret else None
    except SecretUnavailable as error:
        raise CannotLaunch(f"The key of provider {provider.name} is not there: {error}.") from None
    if provider.auth == "api_key" and secret is None:
        raise CannotLaunch(f"Provider {provider.name} needs a key: add token to it in agents.yaml.")
    return secret


def sign_in_folder(agent: AgentConfig, default: str) -> Path:
    """Return the folder with the sign-in that an agent shares."""
    provider = agent.provider
    return provider.config_dir if provider and provider.config_dir else Path(default).expanduser()


def billing_of(agent: AgentConfig, *keys: str) -> str:
    """Say who pays: an API account by use, the plan of a sign-in, or it is not known, as with a local router.

    `keys`: variables that hold a key of the CLI.
    """
    provider = agent.provider
    if provider is None or provider.auth == "none":
        named = {*agent.environment, *agent.environment_secrets}
        if named & {*keys}:
            return "api"
        if any(name.endswith("_BASE_URL") for name in named) or (provider is not None and provider.base_url):
            return "unknown"
        return "plan"
    return "plan" if provider.auth == "oauth" else "api"
