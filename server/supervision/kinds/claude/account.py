"""Which model service Claude Code talks to, and with which credentials: resolved at launch, kept nowhere of ours."""

from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.ambient import ambient
from server.supervision.kinds.credentials import NO_KEY, provider_secret, sign_in_folder
from server.supervision.kinds.sign_in import SignIn

_CLOUDS = ("bedrock", "vertex")


def account_files(agent: AgentConfig) -> tuple[Path, ...]:
    """Return the files beside its own that the agent reads to reach its model."""
    return ambient(agent.provider.auth).files if agent.provider and agent.provider.auth in _CLOUDS else ()


def account_environment(agent: AgentConfig) -> dict[str, str]:
    """Return the variables that choose service and credentials. Raises CannotLaunch if a secret cannot be read."""
    provider = agent.provider
    if provider is None:
        return {}
    if provider.auth in _CLOUDS:
        service = provider.auth.upper()
        address = {f"ANTHROPIC_{service}_BASE_URL": provider.base_url} if provider.base_url else {}
        return {**ambient(provider.auth).environment, f"CLAUDE_CODE_USE_{service}": "1", **address}
    environment = {"ANTHROPIC_BASE_URL": provider.base_url} if provider.base_url else {}
    secret = provider_secret(agent)
    match provider.auth:
        case "api_key" if secret is not None:
            environment["ANTHROPIC_API_KEY"] = secret
        case "oauth":
            if secret is not None:
                environment["CLAUDE_CODE_OAUTH_TOKEN"] = secret
        case _:
            if provider.base_url:
                environment["ANTHROPIC_API_KEY"] = NO_KEY
    return environment


def sign_in_of(agent: AgentConfig, configuration: Path) -> SignIn | None:
    """Return the sign-in of a person's own Claude Code that the agent shares, or None.

    Only where neither a key nor a token decides otherwise. Where the system keeps the sign-in elsewhere, as in the
    keychain of macOS, there is nothing to share: the agent asks for `/login` in its terminal.
    """
    provider = agent.provider
    if provider is not None and (provider.auth != "oauth" or provider.secret is not None):
        return None
    if {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"} & {*agent.environment, *agent.environment_secrets}:
        return None
    name = ".credentials.json"
    return SignIn(sign_in_folder(agent, "~/.claude") / name, configuration / name, "expiresAt", "claudeAiOauth")
