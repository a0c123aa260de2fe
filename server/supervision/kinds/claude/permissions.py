"""What Claude Code asks by its PermissionRequest hook, and how it is answered. Nothing in the payload is to be trusted.

The hook's answer races with the dialog in the terminal; who is first, wins, and the CLI does not say so.
"""

import difflib
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from server.supervision.kinds.kind import Asked, Decided
from server.supervision.prompt_text import revealed_text

QUESTION_TOOL = "AskUserQuestion"
_LARGEST = 100_000
"""Characters of a tool's input that a request holds; one with more is answered where it is shown whole."""
_LONGEST_SUMMARY = 200
_TWO_WORDS = frozenset(
    {"git", "npm", "pnpm", "yarn", "uv", "cargo", "go", "make", "docker", "kubectl", "pip", "poetry", "gh", "dotnet"}
)
"""Programs whose second word says what is done."""
_ONLY_EXACTLY = frozenset(
    {"bash", "sh", "zsh", "eval", "exec", "sudo", "su", "env", "xargs", "python", "python3", "node", "ruby", "perl",
     "ssh", "rm", "dd", "curl", "wget", "nohup", "time", "timeout", "find"}
)  # fmt: skip
"""Programs that can do anything, depending on what follows."""
_JOINTS = frozenset({"&&", "||", ";", "|", "&"})
_EDITS = frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"})


def asked_by(payload: Mapping[str, object]) -> Asked:
    """Return what a PermissionRequest asks."""
    tool, folder = str(payload.get("tool_name") or "?")[:200], str(payload.get("cwd") or "")[:4000]
    given = payload.get("tool_input")
    arguments: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    shown, is_whole = _bounded(arguments)
    questions = _questions(arguments) if tool == QUESTION_TOOL else []
    if questions:
        options = [option["label"] for option in questions[0]["options"]] if len(questions) == 1 else []
        return Asked(
            "question", _summary(questions[0]["question"]), _question_details(questions), options, tool, shown, folder,
            questions=questions, is_whole=is_whole,
        )  # fmt: skip
    pattern, rules = pattern_of(tool, arguments, folder)
    summary, details = _summary(_one_line(tool, arguments)), revealed_text(_details(tool, shown))
    return Asked(
        "permission", summary, details, [], tool, shown, folder, pattern=pattern, rules=rules, is_whole=is_whole
    )


def answer_of(asked: Asked, payload: Mapping[str, object], decided: Decided) -> Mapping[str, object]:
    """Return the hook's answer that carries a decision; none at all leaves it to the dialog in the terminal."""
    if decided.status == "answered":
        given = payload.get("tool_input")
        arguments = dict(given) if isinstance(given, Mapping) else {}
        return _decision(behavior="allow", updatedInput={**arguments, "answers": _answers(asked, decided.answer)})
    if decided.status == "approved":
        changed = {} if decided.changed_input is None else {"updatedInput": dict(decided.changed_input)}
        return _decision(behavior="allow", **changed, **_remembered(asked, decided.scope))
    if decided.status in ("rejected", "expired"):
        return _decision(behavior="deny", message=_refusal(decided))
    return {}


def pattern_of(tool: str, arguments: Mapping[str, Any], folder: str) -> tuple[str | None, list[dict[str, str]]]:
    """Return in words what more may be allowed than this one call, and the same as rules of the CLI."""
    if tool == "Bash":
        return _command_pattern(str(arguments.get("command", "")))
    if tool in _EDITS or tool == "Read":
        path = PurePosixPath(folder, str(arguments.get("file_path") or arguments.get("notebook_path") or ""))
        place = PurePosixPath(folder) if tool in _EDITS else path.parent
        if not folder or ".." in path.parts or not path.is_relative_to(place) or len(place.parts) < 2:
            return None, []
        words = f"any edit of a file in {place}" if tool in _EDITS else f"reading any file in {place}"
        return words, [{"toolName": "Edit" if tool in _EDITS else "Read", "ruleContent": f"/{place}/**"}]
    if tool == "WebFetch":
        host = str(arguments.get("url", "")).partition("://")[2].partition("/")[0]
        return (f"fetching anything from {host}", [{"toolName": tool, "ruleContent": f"domain:{host}"}]) if host else (
            None, []
        )  # fmt: skip
    if tool.startswith("mcp__"):
        return f"any call of {tool}", [{"toolName": tool}]
    return None, []


def _command_pattern(command: str) -> tuple[str | None, list[dict[str, str]]]:
    parts = _simple_commands(command)
    if not parts:
        return None, []
    heads = [_head(words) for words in parts]
    if None in heads:
        exact = " ".join(command.split())
        if exact != command or len(command) > _LONGEST_SUMMARY or "*" in command:
            return None, []
        return f"exactly `{command}`", [{"toolName": "Bash", "ruleContent": command}]
    names = list(dict.fromkeys(str(head) for head in heads))
    words = ", ".join(f"any `{name} …`" for name in names)
    return words, [{"toolName": "Bash", "ruleContent": f"{name}:*"} for name in names]


def _simple_commands(command: str) -> list[list[str]]:
    """Split a command line at what joins commands; nothing, if it holds what cannot be told apart safely."""
    if any(mark in command for mark in ("`", "$(", "<", ">", "\n", "\\", "{", "}")):
        return []
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return []
    parts: list[list[str]] = [[]]
    for word in words:
        if word in _JOINTS:
            parts.append([])
        elif not word.strip(";&|()"):
            return []
        else:
            parts[-1].append(word)
    return parts if all(parts) else []


def _head(words: Sequence[str]) -> str | None:
    """Return the words that name what a command does, or None if only the whole command does."""
    program = words[0]
    if program in _ONLY_EXACTLY or "=" in program or not program.replace("-", "").replace("_", "").isalnum():
        return None
    if program not in _TWO_WORDS:
        return program
    if len(words) > 1 and words[1].replace("-", "").isalnum() and not words[1].startswith("-"):
        return f"{program} {words[1]}"
    return None


def _remembered(asked: Asked, scope: str | None) -> dict[str, object]:
    """Return what has the CLI itself remember: it then does not ask at all."""
    if scope not in ("session", "always") or not asked.rules:
        return {}
    destination = "session" if scope == "session" else "userSettings"
    grant = {"type": "addRules", "rules": asked.rules, "behavior": "allow", "destination": destination}
    return {"updatedPermissions": [grant]}


def _refusal(decided: Decided) -> str:
    if decided.status == "expired":
        return (
            "Denied by time: nobody decided in time. No person has seen and refused it. Go on without it, or ask again"
            " when somebody is there."
        )
    return f"{decided.by} does not allow this" + (f": {decided.comment}" if decided.comment else ".")


def _decision(**decision: object) -> Mapping[str, object]:
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}


def _questions(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    asked = arguments.get("questions")
    for item in asked[:10] if isinstance(asked, list) else []:
        if isinstance(item, Mapping) and isinstance(item.get("question"), str):
            given = item.get("options")
            options = [
                {"label": str(option.get("label", ""))[:200], "description": str(option.get("description", ""))[:1000]}
                for option in (given if isinstance(given, list) else [])
                if isinstance(option, Mapping)
            ]
            found.append({
                "question": item["question"][:2000], "options": options[:20], "several": item.get("multiSelect") is True
            })  # fmt: skip
    return found


def _question_details(questions: Sequence[Mapping[str, Any]]) -> str:
    lines: list[str] = []
    for question in questions:
        lines.append(question["question"])
        lines += [f"  {option['label']}: {option['description']}" for option in question["options"]]
    return revealed_text("\n".join(lines))


def _answers(asked: Asked, answer: str) -> dict[str, str]:
    """Return answers by question: of several, each begins a line with its question's words."""
    if len(asked.questions) == 1:
        return {asked.questions[0]["question"]: answer}
    answers = {}
    for question in (item["question"] for item in asked.questions):
        given = [line[len(question) :].strip() for line in answer.splitlines() if line.startswith(question)]
        answers[question] = given[0] if given else answer
    return answers


def _bounded(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    if len(json.dumps(arguments, ensure_ascii=False)) <= _LARGEST:
        return dict(arguments), True
    short = {}
    for name, value in arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        left = len(text) - 2000
        short[name[:200]] = value if left <= 0 else f"{text[:2000]}… ({left} more characters)"
    return dict(list(short.items())[:20]), False


def _one_line(tool: str, arguments: Mapping[str, Any]) -> str:
    match tool:
        case "Bash":
            return f"wants to run: {arguments.get('command', '')}"
        case "Edit" | "MultiEdit" | "Write" | "NotebookEdit":
            path = arguments.get("file_path") or arguments.get("notebook_path")
            return f"wants to {'write' if tool == 'Write' else 'change'} {path}"
        case "ExitPlanMode":
            return "has a plan and wants to begin"
    return f"wants to use {tool}"


def _details(tool: str, arguments: Mapping[str, Any]) -> str:
    if tool == "Bash" and isinstance(arguments.get("command"), str):
        return str(arguments["command"])
    if tool == "Edit" and all(isinstance(arguments.get(name), str) for name in ("old_string", "new_string")):
        old, new = arguments["old_string"].splitlines(), arguments["new_string"].splitlines()
        diff = [line for line in difflib.unified_diff(old, new, lineterm="", n=3) if line[:3] not in ("---", "+++")]
        return "\n".join([str(arguments.get("file_path")), *diff])
    if tool == "Write" and isinstance(arguments.get("content"), str):
        return f"{arguments.get('file_path')}\n" + "\n".join(f"+{line}" for line in arguments["content"].splitlines())
    if tool == "ExitPlanMode" and isinstance(arguments.get("plan"), str):
        return str(arguments["plan"])
    return json.dumps(arguments, indent=2, ensure_ascii=False)


def _summary(text: str) -> str:
    line = " ".join(revealed_text(text).split())
    return line if len(line) <= _LONGEST_SUMMARY else line[: _LONGEST_SUMMARY - 1] + "…"
