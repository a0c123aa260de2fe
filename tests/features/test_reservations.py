"""Reservations: who works on what is known before two of them meet in one file."""

from pathlib import Path

import pytest

from server.core.glob import can_meet, plain_path
from tests.conftest import OfficeUnderTest
from tests.features.timed import MINUTE, open_timed


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("src/a.py", "src/a.py", True),
        ("src/a.py", "src/b.py", False),
        ("src", "src/x/y.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/x/a.py", False),
        ("**/*.py", "src/x/a.py", True),
        ("**/a.py", "a.py", True),
        ("src/*_test.py", "src/api_*.py", True),
        ("src/*.py", "src/*.js", False),
        ("a*b", "ab", True),
        ("a?", "a*", True),
        ("*x", "y*", True),
        ("*x*", "y", False),
        ("src/[ab].py", "src/a.py", True),
        ("src/**", "lib/**", False),
        ("a", "ab", False),
        ("/".join(["**", "*a*"] * 12), "/".join(["**", "*b*"] * 12), True),
    ],
)
def test_two_paths_meet_if_some_file_is_meant_by_both(one: str, other: str, meets: bool) -> None:
    assert (can_meet(one, other), can_meet(other, one)) == (meets, meets)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a/./b", "\0"])
def test_what_is_no_path_of_the_project_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="relative to the project"):
        plain_path(path)


async def test_what_another_holds_is_told_and_not_granted(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    mine = await ada.post("/api/reservations", {"paths": ["./src//api.py", "docs/**"], "reason": "new route"})
    assert [granted["path"] for granted in mine["granted"]] == ["src/api.py", "docs/**"]
    theirs = await bo.post("/api/reservations", {"paths": ["src/*.py", "tests"]})
    assert [granted["path"] for granted in theirs["granted"]] == ["tests"]
    ((conflict),) = theirs["conflicts"]
    assert (conflict["path"], conflict["held"]["member"], conflict["held"]["reason"]) == (
        "src/*.py",
        "ada",
        "new route",
    )
    assert [held["path"] for held in (await bo.get("/api/reservations?path=docs/a.md"))["reservations"]] == ["docs/**"]
    checked = await bo.post("/api/reservations/check", {"paths": ["docs/a.md", "tests/x.py", "README.md"]})
    assert [conflict["path"] for conflict in checked["conflicts"]] == ["docs/a.md"]
    assert (await ada.post("/api/reservations/check", {"paths": ["docs/a.md"]}))["conflicts"] == []

    await ada.post("/api/reservations/release", {"paths": ["docs/**"]})
    assert (await bo.post("/api/reservations", {"paths": ["docs/a.md"]}))["conflicts"] == []
    assert (await bo.ask("POST", "/api/reservations/release", {"member": "ada"}))[0] == 403
    assert len((await office.chairman.post("/api/reservations/release", {"member": "ada"}))["reservations"]) == 1


async def test_shared_ones_do_not_meet_each_other(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    for door in (ada, bo):
        shared = await door.post("/api/reservations", {"paths": ["src"], "mode": "shared"})
        assert shared["conflicts"] == []
    assert len((await ada.post("/api/reservations", {"paths": ["src/a.py"]}))["conflicts"]) == 1
    assert (await ada.post("/api/reservations/check", {"paths": ["src/a.py"]}))["conflicts"] == []


async def test_a_reservation_ends_with_its_time_its_run_and_its_member(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        for name in ("ada", "bo", "cy"):
            await team.member(name, run_id="run-1" if name == "bo" else None)
        await team.dispatch.as_system(
            "ensure_agent", name="bo", kind="demo", description="", command_line="", autostart=False, session_id="s"
        )
        await team.dispatch.as_system("begin_run", name="bo", run_id="run-1")
        await team.call("ada", "reserve_files", paths=["a"], ttl_s=60)
        await team.call("bo", "reserve_files", paths=["b"], ttl_s=3600)
        await team.call("cy", "reserve_files", paths=["c"], ttl_s=3600)

        async def held() -> list[str]:
            await team.tick("expire_reservations")
            return [each.path for each in (await team.call("chairman", "list_reservations")).reservations]

        assert await held() == ["a", "b", "c"]
        team.clock.now += MINUTE
        assert await held() == ["b", "c"]
        await team.dispatch.as_system("end_run", run_id="run-1", code=0, signal=None, reason="exited", tail="")
        assert await held() == ["c"]
        await team.call("chairman", "retire_member", name="cy")
        assert await held() == []


async def test_two_who_edit_one_file_are_told_once(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        for name in ("ada", "bo"):
            await team.member(name)
        edit = {"path": "/work/src/api.py", "project_path": "src/api.py"}

        async def report(name: str) -> list[str]:
            told: list[str] = await team.dispatch.as_system("report_edit", member=name, **edit)
            return told

        assert await report("ada") == []
        assert await report("ada") == []
        assert await report("bo") == ["ada"]
        assert (await report("bo"), await report("ada")) == ([], [])
        for name, words in (("ada", "bo has just edited"), ("bo", "is edited by ada too")):
            (channel,) = (await team.call(name, "get_inbox")).channels
            assert [words in message["content"] for message in channel.messages] == [True]
        team.clock.now += 31 * MINUTE
        assert await report("bo") == [], "that was long ago"


async def test_who_edits_what_another_has_reserved_is_told(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        for name in ("ada", "bo"):
            await team.member(name)
        await team.call("ada", "reserve_files", paths=["src/**"])
        edit = {"path": "/elsewhere/src/api.py", "project_path": "src/api.py"}
        assert await team.dispatch.as_system("report_edit", member="bo", **edit) == ["ada"]
        assert await team.dispatch.as_system("report_edit", member="ada", **edit) == [], "its own"
