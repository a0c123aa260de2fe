"""What the server asks a holder to hold."""

import json


class Spec:
    """What to hold. Comes by standard input, never by argv or environment, which others can read."""

    def __init__(self, text: bytes) -> None:
        value = json.loads(text)
        self.run_folder: str = value["run_folder"]
        self.spool_folder: str = value["spool_folder"]
        self.run_id: str = value["run_id"]
        self.generation: int = value["generation"]
        self.nonce: str = value["nonce"]
        self.argv: list[str] = value["argv"]
        self.cwd: str = value["cwd"]
        self.environment: dict[str, str] = value["environment"]
        self.columns: int = value["columns"]
        self.rows: int = value["rows"]
        self.limits: dict[str, int] = value["limits"]
        self.group: str = value["group"]
        self.umask: int = value["umask"]
        self.after_offset: int = value["after_offset"]
        self.segment_bytes: int = value["segment_bytes"]
        self.lag_bytes: int = value["lag_bytes"]
        self.pause_s: float = value["pause_s"]
        self.linger_s: float = value["linger_s"]
