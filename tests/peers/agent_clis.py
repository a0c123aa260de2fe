"""Where the real agent CLIs are, for tests that a double must not satisfy. They talk to scripted models only."""

import os
import shutil
from pathlib import Path

import pytest

VERSIONS = {"claude": "2.1.329", "codex": "0.169.0", "gemini": "0.61.0"}
"""The versions whose behaviour docs/agent-clis.md describes; `make test-deps` installs them."""

_ROOT = Path(__file__).resolve().parents[2]


def find_cli(name: str) -> str | None:
    """Return a CLI's path: BULLPEN_TEST_NAME, else what `make test-deps` installed, else the one on PATH."""
    named = os.environ.get(_variable(name))
    if named:
        return named
    installed = _ROOT / ".cache/cli/node_modules/.bin" / name
    return str(installed) if installed.exists() else shutil.which(name)


def require_cli(name: str) -> str:
    """Return a CLI's path, or skip the test; with CI=true a missing CLI is a failure."""
    found = find_cli(name)
    if found:
        return found
    message = f"{name} {VERSIONS[name]} is not here: `make test-deps` installs it, or set {_variable(name)} to its path"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _variable(name: str) -> str:
    return f"BULLPEN_TEST_{name.upper()}"
