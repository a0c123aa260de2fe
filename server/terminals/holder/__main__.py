"""Start: `python -I -S -c` with the paths of this package and of ptyprocess as arguments, the spec on stdin."""

import errno
import fcntl
import os
import sys
import traceback

from .loop import Holder
from .spec import Spec
from .tree import adopt_orphans_and_hide

EXIT_ALREADY_HELD = 75


def take_lock() -> int | None:
    """Take the agent's lock for life: the kernel's own promise that there is one run of an agent."""
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        return None
    return lock


def main() -> int:
    """Go on in a child that nobody has to wait for, and return 0 as soon as that child holds the agent.

    75 if the agent is held already, 1 if the holder failed; it has said why on standard error.
    """
    with os.fdopen(os.dup(0), "rb") as pipe:
        spec = Spec(pipe.read())
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.umask(0o077)
    os.chdir(spec.run_folder)
    lock = take_lock()
    if lock is None:
        return EXIT_ALREADY_HELD
    receiver, sender = os.pipe()
    if os.fork():
        os.close(sender)
        return 0 if os.read(receiver, 1) == b"1" else 1
    os.close(receiver)
    adopt_orphans_and_hide()
    holder = Holder(spec, lock)
    try:
        holder.start()
        os.write(sender, b"1")
        os.close(sender)
        holder.serve()
    except Exception:  # the top: an agent without its holder would be out of anyone's control
        traceback.print_exc()
        holder.tree.kill()
        return 1
    finally:
        holder.close()
    return 0


def run() -> None:
    """Run and end at once: the finaliser of ptyprocess would sleep."""
    status = main()
    sys.stderr.flush()
    os._exit(status)
