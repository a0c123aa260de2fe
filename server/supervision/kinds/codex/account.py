"""Which model service Codex talks to, and with which credentials: resolved at launch, kept nowhere of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.config import AgentConfig
from server.supervision.kinds.credentials import provider_secret, sign_in_folder
from server.supervision.kinds.kind import CannotLaunch
from server.supervision.kinds.sign_in import SignIn, share_sign_in

KEY_VARIABLE = "OPENAI_API_KEY"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
_PROVIDER = "bullpen"
SIGN_IN_FILE = "auth.json"
_NOT_SIGNED_IN = (
    "Codex is not signed in for {agent}: run codex login, or name a provider with a key under model in agents.yaml."
)


@dataclass(frozen=True)
class Account:
    """What the configuration and the environment say of the model service."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def account_of(agent: AgentConfig, configuration: Path) -> Account:
    """Return how an agent reaches its model; a person's own sign-in is copied where it is meant.

    Raises CannotLaunch if there is neither key nor sign-in: it would ask for one before anything else.
    """
    provider = agent.provider
    secret = provider_secret(agent)
    if provider is not None and provider.auth in ("bedrock", "vertex"):
        raise CannotLaunch(f"Codex cannot use {provider.auth}: give {agent.name} another provider.")
    if provider is not None and provider.auth == "api_key" and secret is not None:
        return _service(provider.base_url, {KEY_VARIABLE: secret})
    if provider is not None and provider.auth == "none" and provider.base_url:
        return _service(provider.base_url, None)
    if secret is not None:
        raise CannotLaunch("Codex takes no token of a sign-in: give its provider config_dir, or auth: api_key.")
    if KEY_VARIABLE in {*agent.environment, *agent.environment_secrets}:
        return _service(provider.base_url if provider else None, {})
    if not share_sign_in(sign_in_of(agent, configuration)):
        raise CannotLaunch(_NOT_SIGNED_IN.format(agent=agent.name))
    return Account()


def sign_in_of(agent: AgentConfig, configuration: Path) -> SignIn | None:
    """Return the sign-in of a person's own Codex that the agent shares, or None."""
    provider = agent.provider
    if provider is not None and (provider.auth == "api_key" or (provider.auth == "none" and provider.base_url)):
        return None
    if KEY_VARIABLE in {*agent.environment, *agent.environment_secrets}:
        return None
    source = sign_in_folder(agent, "~/.codex") / SIGN_IN_FILE
    return SignIn(source, configuration / SIGN_IN_FILE, "last_refresh")


def _service(base_url: str | None, environment: Mapping[str, str] | None) -> Account:
    """Return a service of the Responses API; `environment` None: it asks for no key."""
    service = {"name": _PROVIDER, "base_url": base_url or DEFAULT_BASE_URL, "wire_api": "responses"}
    if environment is not None:
        service["env_key"] = KEY_VARIABLE
    settings = {"model_provider": _PROVIDER, "model_providers": {_PROVIDER: service}}
    return Account(settings, environment or {})
