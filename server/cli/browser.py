"""Opening the dashboard in the person's browser, without showing the sign-in link to others."""

import os
import sys
import threading
import webbrowser
from pathlib import Path


def is_wanted(asked: bool | None) -> bool:
    """Tell whether to open a browser: as asked, else where there is a terminal and a screen."""
    if asked is not None:
        return asked
    screen = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) and sys.stdout.isatty() and not os.environ.get("CI")


def open_link(link: str, folder: Path) -> threading.Thread:
    """Open a link by way of a private file in a folder: every user of the machine can read a browser's arguments.

    A browser may take seconds to start, or block; who ends soon waits for the thread.
    """
    page = folder / "open.html"
    page.unlink(missing_ok=True)
    with os.fdopen(os.open(page, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><title>Bullpen</title><script>location.replace("{link}")</script>')
    opening = threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True)
    opening.start()
    return opening
