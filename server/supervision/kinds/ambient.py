"""Model services of a cloud, which the machine itself is signed in to: the variables and files that say so."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_VARIABLES = {
    "bedrock": (
        "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION",
    ),
    "vertex": (
        "CLOUD_ML_REGION", "ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION",
    ),
}  # fmt: skip
_FILES = {
    "bedrock": {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"},
    "vertex": {"GOOGLE_APPLICATION_CREDENTIALS": "~/.config/gcloud/application_default_credentials.json"},
}
"""By the variable that names it, where a file is looked for that is in no variable: an agent has a home of its own."""


@dataclass(frozen=True)
class Ambient:
    """What of the server's environment a cloud's sign-in is."""

    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def ambient(service: str) -> Ambient:
    """Return what lets a CLI reach `bedrock` or `vertex` as this machine is signed in to it."""
    passed = {name: os.environ[name] for name in _VARIABLES[service] if os.environ.get(name)}
    named = {name: Path(os.environ.get(name) or path).expanduser() for name, path in _FILES[service].items()}
    files = {name: path for name, path in named.items() if path.is_file()}
    return Ambient({**passed, **{name: str(path) for name, path in files.items()}}, tuple(files.values()))
