"""How much care a decision takes. Pure: what is not known to be harmless is not low.

`low` may be decided by a link from elsewhere; `high` wants a second look: it reaches beyond the folder, or is for good.
"""

import re
import shlex
from pathlib import PurePosixPath

from server.features.approvals.model import ToolRequest

_READING_TOOLS = frozenset({"Read", "Glob", "Grep", "LS", "NotebookRead", "TodoWrite"})
_EDITING_TOOLS = {"Edit": "file_path", "MultiEdit": "file_path", "Write": "file_path", "NotebookEdit": "notebook_path"}
_HARMLESS = frozenset({"ls", "pwd", "cat", "head", "tail", "wc", "grep", "rg", "echo", "date", "which", "stat", "true"})
_HARMLESS_PAIRS = frozenset({("git", "status"), ("git", "diff"), ("git", "log"), ("git", "show")})
_GRAVE = re.compile(
    r"\b(sudo|su|rm|rmdir|dd|mkfs\S*|shred|chmod|chown|kill\w*|curl|wget|ssh|scp|rsync|nc|eval|docker|kubectl"
    r"|terraform|systemctl|publish|push|deploy|force|upgrade|migrate)\b|[a-z]+://|>\s*/|\|\s*(ba|z)?sh\b"
)
_SHELL = re.compile(r"[;&|<>`$(){}\n\\]")


def risk_of(kind: str, request: ToolRequest | None) -> str:
    """Return low, normal or high."""
    if kind == "question":
        return "low"
    if kind in ("spending", "agent"):
        return "high"
    if request is None:
        return "normal"
    if request.tool in _READING_TOOLS:
        return "low"
    if request.tool in _EDITING_TOOLS:
        return "normal" if _is_within(str(request.input.get(_EDITING_TOOLS[request.tool])), request.folder) else "high"
    if request.tool == "Bash":
        return _risk_of_command(str(request.input.get("command", "")))
    return "high" if request.tool in ("WebFetch", "ExitPlanMode") else "normal"


def _risk_of_command(command: str) -> str:
    if _GRAVE.search(command):
        return "high"
    if _SHELL.search(command):
        return "normal"
    try:
        words = shlex.split(command)
    except ValueError:
        return "normal"
    known = words[:1] and (words[0] in _HARMLESS or tuple(words[:2]) in _HARMLESS_PAIRS)
    return "low" if known else "normal"


def _is_within(path: str, folder: str) -> bool:
    target = PurePosixPath(folder, path)
    return ".." not in target.parts and target.is_relative_to(folder)
