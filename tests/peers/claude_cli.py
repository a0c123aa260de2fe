"""Where the real Claude Code is; see agent_clis for all of them."""

from tests.peers.agent_clis import VERSIONS, find_cli, require_cli

VERSION = VERSIONS["claude"]


def find_claude() -> str | None:
    return find_cli("claude")


def require_claude() -> str:
    """Return the path of the CLI, or skip the test; with CI=true a missing CLI is a failure."""
    return require_cli("claude")
