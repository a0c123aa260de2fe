"""The agent's token, read from its file whenever it is refused; never in argv, in the environment or in a log."""

import _thread


class TokenFile:
    """One token in one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = _thread.allocate_lock()
        self.token = self._read()

    def renew(self, refused: str) -> bool:
        """Read the file again; tell whether the token is another than the refused one now."""
        with self._lock:
            if self.token == refused:  # otherwise another thread has read the new one already
                self.token = self._read()
            return self.token != refused

    def _read(self) -> str:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return file.readline().strip()
        except OSError:
            return ""
