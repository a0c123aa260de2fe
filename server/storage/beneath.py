"""Opens files beneath a folder and nowhere else, whatever is swapped for a link meanwhile. Never checks, then opens.

`openat2` (Linux 5.6) decides in one system call; where there is none, each folder on the way is opened by itself
without following links.
"""

import ctypes
import errno
import os
import stat
from pathlib import Path

_OPENAT2 = 437
"""The same number on every architecture."""
_NO_MAGIC_LINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_TRIES = 8
"""`openat2` answers EAGAIN while a folder on the way is being moved."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class OutsideFolder(Exception):
    """The path leads out of the folder, through a link, or to what is no plain file."""


def read_beneath(folder: Path, path: str, *, kernel: bool = True) -> int:
    """Open a regular file beneath a folder for reading and return its descriptor.

    Raises OutsideFolder, FileNotFoundError, PermissionError. `kernel=False` does without `openat2`.
    """
    # O_NONBLOCK: a pipe would otherwise hold us until somebody writes.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = _open(root, relative_path(folder, path), flags, kernel)
    finally:
        os.close(root)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OutsideFolder(f"{path} is no plain file")
    return descriptor


def folder_beneath(folder: Path, path: str) -> int:
    """Open a folder beneath another, making what is missing, and return its descriptor. Raises OutsideFolder."""
    current = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in _parts(path):
        try:
            try:
                below = os.open(part, _FOLDER, dir_fd=current)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=current)
                below = os.open(part, _FOLDER, dir_fd=current)
        except OSError as failure:
            raise _explained(failure, path) from None
        finally:
            os.close(current)
        current = below
    return current


def relative_path(folder: Path, path: str) -> str:
    """Return a path as it is beneath a folder; an absolute one may lead there as written. Raises OutsideFolder."""
    for root in (folder, folder.resolve()):
        if path.startswith(f"{root}/"):
            path = path[len(str(root)) + 1 :]
    if "\0" in path or path.startswith("/") or not path.strip() or len(path) > 4096:
        raise OutsideFolder(f"{path!r} is not beneath the folder")
    return path


def _open(root: int, path: str, flags: int, kernel: bool) -> int:
    try:
        if kernel:
            try:
                return _open_by_kernel(root, path, flags)
            except OSError as failure:
                if failure.errno not in (errno.ENOSYS, errno.EPERM):  # EPERM: a sandbox that does not know the call
                    raise
        return _open_by_steps(root, path, flags)
    except OSError as failure:
        raise _explained(failure, path) from None


def _open_by_kernel(root: int, path: str, flags: int) -> int:
    how = _How(flags, 0, _BENEATH | _NO_SYMLINKS | _NO_MAGIC_LINKS)
    for _ in range(_TRIES):
        found: int = _libc.syscall(_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return found
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            raise OSError(number, os.strerror(number))
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def _open_by_steps(root: int, path: str, flags: int) -> int:
    *folders, name = _parts(path)
    current = os.dup(root)
    try:
        for part in folders:
            below = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
        return os.open(name, flags, dir_fd=current)
    finally:
        os.close(current)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or not parts or path.startswith("/"):
        raise OutsideFolder(f"{path!r} is not beneath the folder")
    return parts


def _explained(failure: OSError, path: str) -> Exception:
    if failure.errno in (errno.ELOOP, errno.EXDEV, errno.ENOTDIR, errno.ENXIO, errno.ENAMETOOLONG, errno.EINVAL):
        return OutsideFolder(f"{path} leads through a link, or out of the folder")
    return failure
