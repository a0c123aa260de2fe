"""Whether agents can be closed in here, for tests that nothing else can satisfy."""

import os
import shutil
from pathlib import Path

import pytest

from server.config import AgentConfig, Isolation
from server.supervision.sandbox import sandbox_problem


def require_sandbox() -> None:
    """Skip the test where bubblewrap cannot be used; with CI=true it is a failure that it is not installed.

    A kernel that forbids namespaces is nothing that an installation could mend.
    """
    agent = AgentConfig(
        name="ada", kind="custom", role="member", job="", workdir=Path("/"), isolation=Isolation("bwrap")
    )
    problem = sandbox_problem(agent)
    if problem is None:
        return
    if os.environ.get("CI") == "true" and shutil.which("bwrap") is None:
        pytest.fail(problem)
    pytest.skip(problem)
