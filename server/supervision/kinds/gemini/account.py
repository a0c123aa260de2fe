"""Which model service Gemini CLI talks to, and with which credentials: resolved at launch, kept nowhere of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.ambient import ambient
from server.supervision.kinds.credentials import NO_KEY, provider_secret, sign_in_folder
from server.supervision.kinds.files import read_json, write_private_json
from server.supervision.kinds.kind import CannotLaunch
from server.supervision.kinds.sign_in import SignIn, share_sign_in

KEY_VARIABLE = "GEMINI_API_KEY"
SIGN_IN_FILE = "oauth_creds.json"
_ACCOUNTS_FILE = "google_accounts.json"
_NOT_SIGNED_IN = (
    "Gemini CLI is not signed in for {agent}: run gemini and sign in, or name a provider with a key under model in"
    " agents.yaml."
)


@dataclass(frozen=True)
class Account:
    """How it signs in, as its settings name it, and what the environment adds."""

    auth_type: str = "gemini-api-key"
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    """What it reads beside its own files."""


def account_of(agent: AgentConfig, configuration: Path) -> Account:
    """Return how an agent reaches its model; a person's own sign-in is copied where it is meant.

    Raises CannotLaunch if there is neither key nor sign-in: it would ask for one before anything else.
    """
    provider = agent.provider
    secret = provider_secret(agent)
    service = {"GOOGLE_GEMINI_BASE_URL": provider.base_url} if provider and provider.base_url else {}
    if provider is not None and provider.auth == "bedrock":
        raise CannotLaunch(f"Gemini CLI cannot use bedrock: give {agent.name} another provider.")
    if provider is not None and provider.auth == "vertex":
        cloud = ambient("vertex")
        return Account("vertex-ai", {**cloud.environment, "GOOGLE_GENAI_USE_VERTEXAI": "true"}, cloud.files)
    if provider is not None and provider.auth == "api_key" and secret is not None:
        return Account(environment={**service, KEY_VARIABLE: secret})
    if provider is not None and provider.auth == "none" and service:
        return Account(environment={**service, KEY_VARIABLE: NO_KEY})
    if secret is not None:
        raise CannotLaunch("Gemini CLI takes no token of a sign-in: give its provider config_dir, or auth: api_key.")
    if KEY_VARIABLE in {*agent.environment, *agent.environment_secrets}:
        return Account(environment=service)
    if not share_sign_in(sign_in_of(agent, configuration)):
        raise CannotLaunch(_NOT_SIGNED_IN.format(agent=agent.name))
    accounts = read_json(sign_in_folder(agent, "~/.gemini") / _ACCOUNTS_FILE)
    if accounts:
        write_private_json(configuration / _ACCOUNTS_FILE, accounts)
    return Account("oauth-personal", service)


def sign_in_of(agent: AgentConfig, configuration: Path) -> SignIn | None:
    """Return the sign-in of a person's own Gemini CLI that the agent shares, or None."""
    provider = agent.provider
    if provider is not None and (
        provider.auth in ("api_key", "vertex") or (provider.auth == "none" and provider.base_url)
    ):
        return None
    if KEY_VARIABLE in {*agent.environment, *agent.environment_secrets}:
        return None
    source = sign_in_folder(agent, "~/.gemini") / SIGN_IN_FILE
    return SignIn(source, configuration / SIGN_IN_FILE, "expiry_date")
