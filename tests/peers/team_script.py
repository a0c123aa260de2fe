"""What a scripted model does when the team writes to its agent, whichever model API and CLI it speaks through."""

from tests.peers.gemini_api import GeminiApi
from tests.peers.model_api import ModelApi, use_tool
from tests.peers.responses_api import ResponsesApi

APIS: dict[str, type[ModelApi]] = {"claude": ModelApi, "codex": ResponsesApi, "gemini": GeminiApi}
"""The API that each CLI speaks."""
MODELS = {"claude": "sonnet", "codex": "gpt-5", "gemini": "gemini-2.5-pro"}
"""A model of each, named so that the CLI asks no other to choose one."""
_TOOLS = {"claude": "mcp__team__", "codex": "mcp__team__", "gemini": "mcp_team_"}
NOTICE = "[bp-"


def team_tool(kind: str, name: str) -> str:
    """Return the whole name under which a CLI offers a tool of the team."""
    return _TOOLS[kind] + name


def answers(api: ModelApi, kind: str, heard: str, said: str) -> None:
    """Have the model answer a message, however it gets it: with its text in a push, or fetched after a notice."""
    reply = use_tool(team_tool(kind, "send_message"), {"channel": "general", "content": said})
    api.when(reply, contains=heard)
    api.when(reply, result=heard)


def fetches(api: ModelApi, kind: str) -> None:
    """Have the model fetch what a notice tells of. Add it last: rules that know a message's text come first."""
    api.when(use_tool(team_tool(kind, "check_in"), {}), contains=NOTICE, with_results=False)


def base_url(kind: str, api: ModelApi) -> str:
    """Return the address of an API as the settings of a CLI name it."""
    return f"{api.url}/v1" if kind == "codex" else api.url
