"""What an agent is told at its start: how the team works, what its job is, and what its own prompt file adds."""

from string import Template

from server.config import AgentConfig
from server.supervision.kinds.kind import CannotLaunch
from server.supervision.kinds.mcp_config import SERVER_NAME
from templates import ROLES, TEMPLATES


def compose_instructions(agent: AgentConfig) -> str:
    """Return the instructions of one agent as Markdown. Raises CannotLaunch if its prompt file cannot be read.

    Only our own text has fields to fill in; a prompt file is taken as it stands and replaces the one of its job.
    """
    team = Template((TEMPLATES / "team.md").read_text(encoding="utf-8"))
    about = f" {agent.description.rstrip('.')}." if agent.description else ""
    parts = [team.substitute(name=agent.name, about=about, server=SERVER_NAME)]
    if agent.prompt is not None:
        try:
            parts.append(agent.prompt.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise CannotLaunch(f"The prompt {agent.prompt} of {agent.name} cannot be read: correct it.") from None
    else:
        job = ROLES / f"{agent.job}.md"
        if job.is_file():
            parts.append(job.read_text(encoding="utf-8"))
    return "\n\n".join(part.strip() for part in parts) + "\n"
