"""Paths and addresses of the team file: `~`, `${VARIABLE:-default}` and what is relative to the file."""

import os
import re
from pathlib import Path

from server.config.section import Section

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def expanded(text: str) -> str:
    """Replace `${NAME}` and `${NAME:-default}` by the environment's value. Only paths and addresses may hold these."""
    return _VARIABLE.sub(lambda match: os.environ.get(match[1]) or match[2] or "", text)


def path_from(section: Section, key: str, folder: Path) -> Path | None:
    """Read a path, absolute or relative to the folder of the team file; None if it is not given."""
    text = expanded(section.text(key))
    return Path(os.path.normpath(folder / Path(text).expanduser())) if text else None
