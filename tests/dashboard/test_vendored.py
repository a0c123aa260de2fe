"""What others wrote is here as they published it."""

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "dashboard" / "vendor"
ROW = re.compile(r"^\| `(?P<file>[^`]+)` \|.*\| `(?P<hash>[0-9a-f]{64})` \|$", re.MULTILINE)


def test_every_vendored_file_has_the_hash_that_is_written_down() -> None:
    told = {row["file"]: row["hash"] for row in ROW.finditer((VENDOR / "VENDORED.md").read_text(encoding="utf-8"))}
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.iterdir()
        if file.suffix not in (".md", ".txt")
    }
    assert found == told
