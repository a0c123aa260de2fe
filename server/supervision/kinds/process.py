"""A process as it sees itself: in a namespace of its own it has another number there than here."""

from pathlib import Path


def own_number(pid: int) -> int:
    """Return the number that a process has in its own namespace; the same one outside of a sandbox."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return pid
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return int(numbers[-1]) if numbers else pid
