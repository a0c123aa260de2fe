"""The kind `demo`: a scripted agent of our own in a real terminal, with real tools; it needs no account."""

import sys
from collections.abc import Sequence
from pathlib import Path

from server.supervision.kinds.environment import agent_environment, working_directory
from server.supervision.kinds.files import make_folder, read_json
from server.supervision.kinds.kind import Activity, Launch, Run
from server.supervision.kinds.mcp_config import write_mcp_config
from server.supervision.kinds.process import own_number
from server.supervision.kinds.silent import Silent

_PROGRAM = Path(__file__).with_name("demo_agent.py")
_PARTNERS = {"ada-demo": "bo-demo", "bo-demo": "ada-demo"}
"""Who talks with whom, unless the option `partner` says another name, or none with an empty one."""
_ACTIVITIES = {"idle": "idle", "busy": "working"}


class Demo(Silent):
    """Adapter of the demo agent."""

    name = "demo"
    has_bridge = True
    polite_exit: Sequence[bytes] = (b"/exit\r",)

    def prepare(self, run: Run) -> Launch:
        workdir = working_directory(run)
        record = make_folder(run.folder / "demo") / "demo.json"
        partner = run.agent.options.get("partner", _PARTNERS.get(run.agent.name, ""))
        argv = [
            sys.executable,
            *("-I", str(_PROGRAM)),
            *("--mcp-config", str(write_mcp_config(run))),
            *("--name", run.agent.name),
            *("--record", str(record)),
            *("--partner", str(partner)),
        ]
        return Launch(tuple(argv), agent_environment(run), workdir)

    def observe(self, run: Run, pid: int) -> Activity | None:
        record = read_json(run.folder / "demo" / "demo.json")
        activity = _ACTIVITIES.get(str(record.get("status")))
        if activity is None or record.get("pid") != own_number(pid):
            return None
        return Activity(activity, str(record.get("reason", ""))[:120], "session file")
