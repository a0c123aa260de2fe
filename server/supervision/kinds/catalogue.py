"""The kinds there are, by the word for each in agents.yaml."""

from collections.abc import Mapping

from server.supervision.kinds.claude.adapter import Claude
from server.supervision.kinds.custom import Custom
from server.supervision.kinds.demo import Demo
from server.supervision.kinds.external import External
from server.supervision.kinds.kind import Kind

KINDS: Mapping[str, Kind] = {
    "claude": Claude(),
    "custom": Custom(),
    "demo": Demo(),
    "external": External(),
}
