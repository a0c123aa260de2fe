"""What an agent is furnished with: what every member is told (`team.md`), and one file per job in `roles/`."""

from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent
ROLES = TEMPLATES / "roles"
