"""The agent's token, read from its file whenever it may have changed; never in argv, in the environment or in a log."""

import os
import threading


class TokenFile:
    """One token in one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self.token = ""
        self.reload()

    def reload(self) -> bool:
        """Read the file again if it was written since; tell whether the token is another now."""
        with self._lock:
            try:
                status = os.stat(self._path)
                stamp = (status.st_mtime_ns, status.st_ino)
                if stamp == self._stamp:
                    return False
                with open(self._path, encoding="utf-8") as file:
                    token = file.read().strip()
            except OSError:
                return False
            self._stamp = stamp
            changed, self.token = token != self.token, token
            return changed

    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}
