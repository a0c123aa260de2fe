"""Where the server's log goes: always into DATA/log/server.log, and warnings to the terminal. No token enters it.

The file holds JSON lines: `at`, `level`, `logger`, `message`, and `exception` where there is one.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from server.core.secret import redacted

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LARGEST_BYTES = 20 * 1024 * 1024
_KEPT = 9
"""Files beside the present one."""


def log_file(data: Path) -> Path:
    """Return the path of the server's log."""
    return data / "log" / "server.log"


def set_up_logging(data: Path, *, verbose: bool) -> None:
    """Send the log to its file (INFO and above) and what needs attention to stderr."""
    file = log_file(data)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    to_file = _PrivateFileHandler(file, maxBytes=_LARGEST_BYTES, backupCount=_KEPT, encoding="utf-8")
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setLevel(logging.INFO if verbose else logging.WARNING)
    to_file.setFormatter(_JsonLines())
    to_terminal.setFormatter(_Redacting(_FORMAT))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[to_file, to_terminal], force=True)
    for library in ("mcp", "aiohttp", "asyncio"):
        logging.getLogger(library).setLevel(logging.DEBUG if verbose else logging.WARNING)


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redacted(json.dumps(line, ensure_ascii=False))


class _PrivateFileHandler(RotatingFileHandler):
    """Opens its file with mode 0600."""

    def _open(self):  # type: ignore[no-untyped-def]
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        return super()._open()
