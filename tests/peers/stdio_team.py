"""A scripted team behind a stdio MCP server, for an agent that is tested alone: `python stdio_team.py FOLDER`.

It answers `get_history` with FOLDER/history and `check_in` with each FOLDER/inbox/* once, appends every tool call to
FOLDER/calls as a JSON line, and makes FOLDER/listed when its tools are listed. It refuses what is not the modern era of
the protocol.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

TOOLS = ("whoami", "check_in", "send_message", "get_history")
_WRITING = threading.Lock()


def main() -> None:
    """Serve until the input ends."""
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        threading.Thread(target=_answer, args=(folder, request), daemon=True).start()


def _answer(folder: Path, request: dict[str, Any]) -> None:
    answer = {"jsonrpc": "2.0", "id": request["id"]}
    if request["params"]["_meta"].get("io.modelcontextprotocol/protocolVersion") != "2026-07-28":
        answer["error"] = {"code": -32600, "message": "not the modern era"}
    else:
        answer["result"] = _result(folder, request["method"], request["params"])
    with _WRITING:
        print(json.dumps(answer), flush=True)


def _result(folder: Path, method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "server/discover":
        return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    if method == "tools/list":
        (folder / "listed").touch()
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    name, arguments = params["name"], params["arguments"]
    if not params["_meta"].get("claudecode/toolUseId"):
        return {"content": [{"type": "text", "text": "no key to repeat it under"}], "isError": True}
    with _WRITING, (folder / "calls").open("a") as calls:
        calls.write(json.dumps([name, arguments]) + "\n")
    return {"content": [{"type": "text", "text": _text(folder, name, arguments)}]}


def _text(folder: Path, name: str, arguments: dict[str, Any]) -> str:
    if name == "get_history":
        return (folder / "history").read_text()
    if name != "check_in":
        return "done"
    until = time.monotonic() + arguments["wait_s"]
    while time.monotonic() < until:
        for waiting in sorted((folder / "inbox").iterdir()):
            text = waiting.read_text()
            waiting.unlink()
            return text
        time.sleep(0.02)
    return "Nothing new. 0 unread in channels."


if __name__ == "__main__":
    main()
