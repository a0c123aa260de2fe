"""The kinds there are, by the word for each in agents.yaml."""

from collections.abc import Mapping

from server.supervision.kinds.claude.adapter import Claude
from server.supervision.kinds.codex.adapter import Codex
from server.supervision.kinds.custom import Custom
from server.supervision.kinds.demo import Demo
from server.supervision.kinds.external import External
from server.supervision.kinds.gemini.adapter import Gemini
from server.supervision.kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
    "claude": Claude(),
    "codex": Codex(),
    "custom": Custom(),
    "demo": Demo(),
    "external": External(),
    "gemini": Gemini(),
}
