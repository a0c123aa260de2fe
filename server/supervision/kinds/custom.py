"""The kind `custom`: any program, in a terminal. It finds the team by its environment: REST, events or MCP."""

from server.config import AgentConfig
from server.supervision.kinds.environment import agent_environment, find_program, working_directory
from server.supervision.kinds.kind import CannotLaunch, Launch, Run
from server.supervision.kinds.mcp_config import write_mcp_config
from server.supervision.kinds.silent import Silent


class Custom(Silent):
    """Adapter of a program that we know nothing about."""

    name = "custom"

    def problem(self, agent: AgentConfig) -> str | None:
        if not agent.command:
            return f"{agent.name} is of kind custom and has no command: add one in agents.yaml."
        if find_program(agent, agent.command[0]) is None:
            return f"There is no program {agent.command[0]}: install it, or correct command of {agent.name}."
        return None

    def prepare(self, run: Run) -> Launch:
        problem = self.problem(run.agent)
        program = None if problem else find_program(run.agent, run.agent.command[0])
        if program is None:
            raise CannotLaunch(problem or f"There is no program for {run.agent.name}.")
        environment = {**agent_environment(run), "BULLPEN_MCP_CONFIG": str(write_mcp_config(run))}
        return Launch((program, *run.agent.command[1:]), environment, working_directory(run))
