"""Private files: who may read them, what a reader can see, where a socket can be bound."""

import os
import socket
import stat
from pathlib import Path

import pytest

from server.supervision.kinds.files import make_folder, read_json, socket_path, write_private, write_private_json


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "secret", "x")
        make_folder(tmp_path / "a" / "b")
    finally:
        os.umask(before)

    assert _mode(tmp_path / "secret") == 0o600
    assert _mode(tmp_path / "a" / "b") == 0o700


def test_a_link_in_the_place_of_a_private_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("untouched")
    (tmp_path / "file").symlink_to(other)

    write_private(tmp_path / "file", "new")

    assert other.read_text() == "untouched"
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)

    make_folder(tmp_path / "open")

    assert _mode(tmp_path / "open") == 0o700


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null", '"text"'])
def test_a_damaged_json_file_reads_as_empty(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "state.json").write_text(damaged)

    assert read_json(tmp_path / "state.json") == {}


def test_a_json_file_comes_back_as_written(tmp_path: Path) -> None:
    write_private_json(tmp_path / "state.json", {"é": [1, {"x": None}]})

    assert read_json(tmp_path / "state.json") == {"é": [1, {"x": None}]}
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("depth", [1, 12])
def test_a_socket_can_be_bound_however_deep_the_data_folder_lies(tmp_path: Path, depth: int) -> None:
    folder = tmp_path.joinpath(*["a-rather-long-name"] * depth)

    path = socket_path(folder, "claude.sock")

    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    path.unlink()
    assert _mode(path.parent) == 0o700
    assert path == socket_path(folder, "claude.sock")
    assert path != socket_path(folder, "other.sock")
