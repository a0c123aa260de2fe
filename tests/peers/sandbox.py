"""Whether agents can be closed in here, for tests that nothing else can satisfy."""

import os
from pathlib import Path

import pytest

from server.config import AgentConfig, Isolation
from server.supervision.sandbox import sandbox_problem


def require_sandbox() -> None:
    """Skip the test where bubblewrap cannot be used; with CI=true that is a failure."""
    agent = AgentConfig(
        name="ada", kind="custom", role="member", job="", workdir=Path("/"), isolation=Isolation("bwrap")
    )
    problem = sandbox_problem(agent)
    if problem is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(problem)
    pytest.skip(problem)
