"""Which model service Claude Code talks to, and with which credentials: resolved at launch, kept nowhere of ours."""

from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.credentials import NO_KEY, provider_secret, share_file, sign_in_folder


def account_environment(agent: AgentConfig) -> dict[str, str]:
    """Return the variables that choose service and credentials. Raises CannotLaunch if a secret cannot be read."""
    provider = agent.provider
    if provider is None:
        return {}
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
    name = ".credentials.json"
    share_file(sign_in_folder(agent, "~/.claude") / name, configuration / name)
