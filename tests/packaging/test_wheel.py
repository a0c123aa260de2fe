"""The wheel holds all that runs, and what is run from it is what is run from a checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (file,) = folder.glob("*.whl")
    return file


def shipped(folder: str) -> set[str]:
    """Return the files of a folder that belong to the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--", folder], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.mark.parametrize("folder", ["server", "bridge", "dashboard", "templates"])
def test_every_file_of_the_four_packages_is_in_the_wheel(wheel: Path, folder: str) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = shipped(folder)
    assert expected
    assert expected - inside == set()


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops - {"server", "bridge", "dashboard", "templates"} == {wheel.name.split("-py3")[0] + ".dist-info"}


def test_the_wheel_runs_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(unpacked)
    script = (
        "import sys, pathlib, dashboard, templates, server.app\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "assert pathlib.Path(dashboard.__file__).is_relative_to(root), dashboard.__file__\n"
        "assert (pathlib.Path(dashboard.__file__).parent / 'index.html').is_file()\n"
        "assert (templates.ROLES / 'lead.md').is_file()\n"
        "assert pathlib.Path(server.app.__file__).is_relative_to(root)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(unpacked)], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="fetches packages; with CI=true it runs")
def test_installed_into_a_fresh_environment_it_serves_the_demo_team(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", wheel], check=True, timeout=600)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "BULLPEN_DATA": str(tmp_path / "data"), "BULLPEN_PORT": "0",
    }  # fmt: skip

    def bullpen(*arguments: str) -> str:
        done = subprocess.run(
            [programs / "bullpen", *arguments], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    assert bullpen("version").startswith("bullpen ")
    try:
        assert "/#k=" in bullpen("up", "--demo", "--detach", "--no-open")
        assert "ada-demo" in bullpen("status")
    finally:
        bullpen("down")
