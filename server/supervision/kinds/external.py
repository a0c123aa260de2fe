"""The kind `external`: a member with a token and no process of ours. It connects by itself, from wherever it runs."""

from server.supervision.kinds.kind import CannotLaunch, Launch, Run
from server.supervision.kinds.silent import Silent


class External(Silent):
    """Adapter of an agent that somebody else runs."""

    name = "external"
    has_process = False

    def prepare(self, run: Run) -> Launch:
        raise CannotLaunch(f"{run.agent.name} is external: start it where it runs, with its token.")
