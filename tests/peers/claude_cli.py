"""Where the real Claude Code is, for tests that a double must not satisfy. It talks to model_api, never to a model."""

import os
import shutil
from pathlib import Path

import pytest

VERSION = "2.1.329"
"""The version whose behaviour docs/agent-clis.md describes; `make test-deps` installs it."""

_ROOT = Path(__file__).resolve().parents[2]


def find_claude() -> str | None:
    """Return the path of the CLI: BULLPEN_TEST_CLAUDE, else what `make test-deps` installed, else the one on PATH."""
    named = os.environ.get("BULLPEN_TEST_CLAUDE")
    if named:
        return named
    installed = _ROOT / ".cache/cli/node_modules/.bin/claude"
    return str(installed) if installed.exists() else shutil.which("claude")


def require_claude() -> str:
    """Return the path of the CLI, or skip the test; with CI=true a missing CLI is a failure."""
    found = find_claude()
    if found:
        return found
    message = f"Claude Code {VERSION} is not here: `make test-deps` installs it, or set BULLPEN_TEST_CLAUDE to its path"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
