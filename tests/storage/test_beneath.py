"""Opening beneath a folder: nothing outside is ever read, whatever the path says and whatever is swapped meanwhile."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.storage.beneath import OutsideFolder, folder_beneath, read_beneath

OPENS = int(os.environ.get("PATH_OPENS", "500"))
SECRET = b"from outside"
BY = pytest.mark.parametrize("kernel", [True, False], ids=["openat2", "by steps"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, a folder, and links of every kind that lead out of it."""
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret").write_bytes(SECRET)
    (outside / "deep" / "secret").write_bytes(SECRET)
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (inside / "plain").write_bytes(b"inside")
    (inside / "deep" / "secret").write_bytes(b"inside")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "relative").symlink_to("../outside/secret")
    (inside / "linked").symlink_to(outside)
    (inside / "proc").symlink_to("/proc/self/root")
    (inside / "own").symlink_to("plain")
    os.mkfifo(inside / "pipe")
    return inside


def _read(folder: Path, path: str, *, kernel: bool) -> bytes | None:
    """Return what is read, or None if it is refused."""
    try:
        descriptor = read_beneath(folder, path, kernel=kernel)
    except (OutsideFolder, OSError):
        return None
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read()


@BY
def test_only_plain_files_beneath_the_folder_are_opened(folder: Path, kernel: bool) -> None:
    refused = (
        "link", "relative", "linked/secret", "linked/deep/secret", "proc/etc/passwd", "own", "pipe", "deep", "..", ".",
        "../outside/secret", "deep/../../outside/secret", "/etc/passwd", "//etc/passwd", str(folder.parent / "outside"),
        f"{folder}/../outside/secret", "", " ", "plain\0", "plain/x", "x" * 5000, "a/" * 3000, "missing",
    )  # fmt: skip
    for path in refused:
        assert _read(folder, path, kernel=kernel) is None, path
    for path in ("plain", "./plain", "deep/secret", "deep//secret", f"{folder}/plain"):
        assert _read(folder, path, kernel=kernel) == b"inside", path


@BY
def test_no_random_path_reads_from_outside(folder: Path, kernel: bool) -> None:
    chance = random.Random(11)  # noqa: S311 (the same paths at every run)
    parts = ("..", ".", "", "deep", "link", "linked", "secret", "relative", "proc", "outside", "plain", "root", "self")
    read = 0
    for _ in range(OPENS * 10):
        path = "/".join(chance.choices(parts, k=chance.randrange(1, 7)))
        found = _read(folder, path, kernel=kernel)
        assert found in (None, b"inside"), path
        read += found is not None
    assert read > 0


@contextmanager
def _swapping(folder: Path) -> Iterator[list[int]]:
    """Make `deep` by turns a folder and a link to one outside, as fast as can be."""
    ending, swaps = threading.Event(), [0]
    kept, link = folder / ".kept", folder / ".link"
    link.symlink_to(folder.parent / "outside" / "deep")

    def swap() -> None:
        while not ending.is_set():
            (folder / "deep").rename(kept)
            link.rename(folder / "deep")
            (folder / "deep").rename(link)
            kept.rename(folder / "deep")
            swaps[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield swaps
    finally:
        ending.set()
        thread.join(5)


@BY
def test_a_folder_that_is_swapped_for_a_link_meanwhile_gives_nothing_from_outside(folder: Path, kernel: bool) -> None:
    found = {b"inside": 0, None: 0}
    with _swapping(folder) as swaps:
        until_s = time.monotonic() + 60
        while sum(found.values()) < OPENS or not found[b"inside"]:
            read = _read(folder, "deep/secret", kernel=kernel)
            assert read != SECRET
            found[read] += 1
            assert time.monotonic() < until_s
    assert swaps[0] > 0


def test_a_folder_is_made_beneath_and_never_through_a_link(folder: Path) -> None:
    os.close(folder_beneath(folder, "new/deeper"))
    assert (folder / "new" / "deeper").is_dir()
    for path in ("linked/new", "../new", "/tmp/new", "plain/new"):
        with pytest.raises((OutsideFolder, OSError)):
            os.close(folder_beneath(folder, path))
    assert not (folder.parent / "outside" / "new").exists()
