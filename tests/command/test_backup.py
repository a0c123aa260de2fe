"""`bullpen backup`: made while the team is at work or not, checked, and restored whole or not at all."""

import asyncio
import gzip
import hashlib
import json
import shutil
import sqlite3
import tarfile
import zlib
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.app import offline
from server.backup import restoring
from server.cli.client import Client
from server.cli.failure import CommandFailed
from server.cli.main import cli
from server.config import Config
from server.core.errors import BullpenError
from server.storage import migrate
from tests.command.conftest import Desk


def bullpen(data: Path, *arguments: str, team: str = "shop") -> tuple[int, str]:
    """Run a command in this process, on a data folder; return its exit code and all that it printed or failed with."""
    (data.parent / "agents.yaml").write_text(f"team: {team}\nagents: {{}}\n")
    where = ["--data", str(data), "--config", str(data.parent / "agents.yaml")]
    result = CliRunner().invoke(cli, [*arguments, *where], standalone_mode=False)
    if isinstance(result.exception, CommandFailed):
        return int(result.exception.code), f"{result.output}{result.exception.message}\n{result.exception.hint}"
    if isinstance(result.exception, BullpenError):
        return 1, f"{result.exception.message}\n{result.exception.hint}"
    if result.exception is not None:
        raise result.exception
    return 0, result.output


async def _say(data: Path, *contents: str) -> str:
    """Say something in a team that nobody serves, and return a new token's secret."""
    async with offline(Config(team="shop", host="127.0.0.1", port=0, data=data)) as store:
        await store.run("ensure_channel", id="general")
        for content in contents:
            await store.run("send_message", channel="general", content=content)
        minted = await store.run("create_token", name="ci", kind="bot")
    return str(minted.token)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team that was backed up, and has said more since."""
    data = tmp_path_factory.mktemp("original") / "data"
    (data / "files" / "ab").mkdir(parents=True, mode=0o700)
    data.chmod(0o700)
    (data / "files" / "ab" / "plan").write_text("the plan")
    asyncio.run(_say(data, "before the backup"))
    code, printed = bullpen(data, "backup", "create")
    assert code == 0, printed
    asyncio.run(_say(data, "after the backup"))
    (data / "files" / "ab" / "later").write_text("came later")
    return data


@pytest.fixture
def team(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "data"))


def _backup(data: Path) -> Path:
    (file,) = (data / "backups").glob("shop-*Z.tar.gz")
    return file


def _messages(data: Path) -> list[str]:
    with closing(sqlite3.connect(data / "team.sqlite3")) as database:
        return [content for (content,) in database.execute("SELECT content FROM message ORDER BY id")]


def _epoch(data: Path) -> str:
    with closing(sqlite3.connect(data / "team.sqlite3")) as database:
        (epoch,) = database.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
    return str(epoch)


def test_a_restored_team_is_as_it_was_and_what_was_there_is_kept(team: Path) -> None:
    before, name = _epoch(team), _backup(team).name
    code, printed = bullpen(team, "backup", "verify", name)
    assert (code, "1 messages" in printed, "1 files" in printed) == (0, True, True), printed

    code, printed = bullpen(team, "backup", "restore", name, "--plan")
    assert (code, "1 messages" in printed, "in place of    2 messages" in printed) == (0, True, True), printed
    assert (_epoch(team), _messages(team)) == (before, ["before the backup", "after the backup"])

    assert bullpen(team, "backup", "restore", name)[0] == 0
    assert _epoch(team) != before
    assert _messages(team) == ["before the backup"]
    assert [file.name for file in (team / "files" / "ab").iterdir()] == ["plan"]

    rows = json.loads(bullpen(team, "backup", "list", "--json")[1])
    assert [row["purpose"] for row in rows] == ["before-restore", "manual"]
    assert bullpen(team, "backup", "restore", rows[0]["name"])[0] == 0
    assert (team / "files" / "ab" / "later").read_text() == "came later"
    assert _messages(team) == ["before the backup", "after the backup"]


def test_while_the_team_is_at_work_a_backup_is_made_and_a_restore_refused(desk: Desk) -> None:
    assert desk.bullpen("up", "--detach", "--only-server", "--team", "shop").returncode == 0
    data = desk.teams / "shop"
    client = Client(desk.url("shop"), (data / "run" / "operator.token").read_text().strip())
    client.post("/api/send", {"channel": "general", "content": "before the backup"})
    made = desk.bullpen("backup", "create", "--team", "shop")
    assert made.returncode == 0, made.stderr
    (entry,) = client.get("/api/audit", kind="backup.created")["entries"]
    assert (entry["actor"], entry["subject"]) == ("chairman", made.stdout.strip())
    before = client.get("/api/snapshot")
    refused = desk.bullpen("backup", "restore", made.stdout.strip(), "--team", "shop")
    assert (refused.returncode, "bullpen down" in refused.stderr) == (1, True), refused.stderr
    desk.bullpen("down", "--team", "shop")

    done = desk.bullpen("backup", "restore", made.stdout.strip(), "--team", "shop")
    assert done.returncode == 0, done.stderr
    assert desk.bullpen("up", "--detach", "--only-server", "--team", "shop").returncode == 0

    client = Client(desk.url("shop"), (data / "run" / "operator.token").read_text().strip())
    assert [row["content"] for row in client.get("/api/history", channel="general")["messages"]] == [
        "before the backup"
    ]
    assert client.get("/api/events/poll", since=f"{before['epoch']}-{before['seq']}")["reset"]
    assert client.get("/api/audit/verify")["ok"]
    (restored,) = client.get("/api/audit", kind="team.restored")["entries"]
    assert restored["body"]["backup"] == made.stdout.strip()


def test_a_backup_holds_no_secret_in_clear_and_agents_homes_only_if_asked(team: Path) -> None:
    token = asyncio.run(_say(team))
    home = team / "agents" / "ada" / "claude"
    home.mkdir(parents=True)
    (home / "history").write_text("what was said")
    (home / ".credentials.json").write_text("sign-in")
    (home.parent / "token").write_text(token)
    for arguments in ((), ("--with-agents",)):
        code, printed = bullpen(team, "backup", "create", *arguments, "--json")
        assert code == 0, printed
        file = team / "backups" / json.loads(printed)[0]["name"]
        assert file.stat().st_mode & 0o777 == 0o600
        content = gzip.decompress(file.read_bytes())
        assert token.encode() not in content
        assert b"sign-in\0" not in content
        assert (b"what was said" in content) == bool(arguments)
        assert bullpen(team, "backup", "verify", str(file))[0] == 0
    assert bullpen(team, "backup", "restore", str(file))[0] == 0
    assert (home / "history").read_text() == "what was said"
    assert [entry.name for entry in (team / "backups").iterdir() if entry.name.startswith(".")] == []


def _means_the_same(changed: bytes, whole: bytes) -> bool:
    """Say whether both unpack to the same: a copy of zeros may as well be taken from another place."""
    try:
        return gzip.decompress(changed) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False


def test_damage_is_found_wherever_it_is(team: Path) -> None:
    file = _backup(team)
    whole = file.read_bytes()
    for place in (*range(200, len(whole), len(whole) // 12), len(whole) - 3):
        changed = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        if _means_the_same(changed, whole):
            continue
        file.write_bytes(changed)
        code, printed = bullpen(team, "backup", "verify", file.name)
        assert (code, "cannot be relied on" in printed) == (1, True), (place, printed)
    file.write_bytes(whole[: len(whole) // 2])
    assert bullpen(team, "backup", "restore", file.name)[0] == 1
    file.write_bytes(b"not a backup")
    assert "damaged" in bullpen(team, "backup", "verify", file.name)[1]
    assert [path.name for path in (team / "backups").iterdir()] == [file.name]
    assert _messages(team) == ["before the backup", "after the backup"]


def _repack(file: Path, folder: Path, change: str = "", **more: str) -> None:
    """Change what a backup holds, with hashes that fit."""
    with tarfile.open(file) as archive:
        archive.extractall(folder, filter="data")
    with closing(sqlite3.connect(folder / "team.sqlite3")) as database:
        database.executescript(change)
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / "team.sqlite3").read_bytes()
    manifest["parts"] = [
        {"name": "team.sqlite3", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        *({"name": name, "bytes": 0, "sha256": digest} for name, digest in more.items()),
    ]
    if "user_version" in change:
        manifest["schema"] = 999
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(file, "w:gz") as archive:
        for name in ("manifest.json", "team.sqlite3"):
            archive.add(folder / name, name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("PRAGMA user_version = 999", "install the newer Bullpen"),
        ("UPDATE event SET actor = 'nobody' WHERE seq = 3", "audit trail, row 3"),
        ("DELETE FROM event WHERE seq = 4", "audit trail, row 4"),
        ("DELETE FROM message", "not the one that its manifest tells of"),
        ("PRAGMA foreign_keys = OFF; UPDATE message SET channel = 'nowhere'", "refers to a missing one of channel"),
    ],
)
def test_a_backup_that_was_changed_or_is_newer_is_refused(team: Path, tmp_path: Path, change: str, says: str) -> None:
    _repack(_backup(team), tmp_path / "unpacked", change)
    for command in ("verify", "restore"):
        code, printed = bullpen(team, "backup", command, _backup(team).name)
        assert (code, says in printed) == (1, True), printed
    assert _messages(team) == ["before the backup", "after the backup"]


@pytest.mark.parametrize("name", ["files/../../escaped", "/etc/escaped", "run/server.json", "agents/../team.sqlite3"])
def test_a_name_that_leads_out_of_its_folder_is_no_part_of_a_backup(team: Path, tmp_path: Path, name: str) -> None:
    _repack(_backup(team), tmp_path / "unpacked", **{name: "0" * 64})
    code, printed = bullpen(team, "backup", "verify", _backup(team).name)
    assert (code, "no part of a backup" in printed) == (1, True), printed


def test_a_team_whose_database_is_damaged_is_restored_and_the_damaged_files_are_kept(team: Path) -> None:
    database = team / "team.sqlite3"
    database.write_bytes(b"\0" * 4096 + database.read_bytes()[4096:])
    code, printed = bullpen(team, "backup", "restore", _backup(team).name)
    assert code == 0, printed
    (kept,) = (team / "backups").glob("replaced-*")
    assert (kept / "team.sqlite3").read_bytes()[:4096] == b"\0" * 4096
    assert _messages(team) == ["before the backup"]


def test_another_team_is_not_overwritten(team: Path, tmp_path: Path) -> None:
    code, printed = bullpen(tmp_path / "lab", "backup", "restore", str(_backup(team)), team="lab")
    assert (code, "--team shop" in printed) == (5, True), printed


def test_a_team_is_restored_where_there_was_none(team: Path, tmp_path: Path) -> None:
    code, printed = bullpen(tmp_path / "new", "backup", "restore", str(_backup(team)))
    assert code == 0, printed
    assert _messages(tmp_path / "new") == ["before the backup"]
    code, printed = bullpen(tmp_path / "new", "backup", "restore", "nothing.tar.gz")
    assert (code, "bullpen backup list" in printed) == (4, True)


def test_a_list_passes_over_what_is_no_backup_and_names_the_schema(team: Path) -> None:
    (team / "backups" / "other.tar.gz").write_text("no backup")
    rows = json.loads(bullpen(team, "backup", "list", "--json=schema,team")[1])
    assert rows == [{"schema": len(migrate.migrations()), "team": "shop"}]


@pytest.mark.parametrize("steps", range(7))
def test_a_restore_that_was_cut_short_is_wholly_done_or_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    data = tmp_path / "data"
    old = {"team.sqlite3": "old", "team.sqlite3-wal": "old", "files/b": "old"}
    new = {"team.sqlite3": "new", "files/a": "new"}
    staged = data / "backups" / ".restoring-x"
    for folder, files in ((data, old), (staged, new)):
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
    left = steps
    rename = Path.rename

    def rename_until_the_power_goes(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(Path, "rename", rename_until_the_power_goes)
        restoring.commit(data, staged, keep_replaced=False)

    restoring.complete(data)

    places = [*data.glob("team*"), *data.glob("files/*")]
    found = {str(file.relative_to(data)): file.read_text() for file in places}
    assert found == (old if steps == 0 else new)
    assert left >= 0 or steps < 6, "each step was cut once"
