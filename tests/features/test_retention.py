"""How long messages and the audit trail are kept, and what goes with them and what does not."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from server.config import ChannelConfig, Retention, parse_keep
from server.features.retention.removal import ATTACHED, BATCH, HOLDS
from server.features.retention.sweeping import REPEATS_MS
from tests.conftest import OfficeUnderTest, open_office, opened_office, until
from tests.features.timed import DAY, HOUR, MINUTE, Timed, open_timed
from tests.following import following


async def _say(timed: Timed, content: str, *, by: str = "chairman", channel: str = "general", **more: Any) -> str:
    sent = await timed.call(by, "send_message", channel=channel, content=content, **more)
    return str(sent["id"])


async def _contents(timed: Timed, channel: str = "general") -> list[str]:
    history = await timed.call("chairman", "get_history", channel=channel, limit=200)
    return [message["content"] for message in history.messages]


async def _remove(timed: Timed) -> None:
    while await timed.tick("remove_old_messages") == timed.clock.now:
        pass


async def _rows(timed: Timed, sql: str) -> Sequence[Any]:
    return await timed.database.read(lambda transaction: transaction.all(sql))


async def test_what_is_older_than_it_is_kept_goes_and_with_it_all_that_hung_on_it(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.member("ada")
        await timed.call("chairman", "set_retention", id="general", keep="30d")
        old = await _say(timed, "an old heron @ada")
        await timed.call("ada", "check_in")
        await timed.call("ada", "ack_inbox", items=[{"channel": "general", "ack_id": old, "skip": True}])
        timed.clock.now += 29 * DAY
        await _say(timed, "a new heron")
        await _remove(timed)
        assert await _contents(timed) == ["an old heron @ada", "a new heron"]

        timed.clock.now += DAY + MINUTE
        await _remove(timed)

        assert await _contents(timed) == ["a new heron"]
        assert await _rows(timed, "SELECT id FROM delivery") == []
        matching = await _rows(timed, "SELECT rowid FROM message_text WHERE message_text MATCH 'heron'")
        assert [row["rowid"] for row in matching] == [2]
        assert (await timed.call("chairman", "verify_audit")).ok


async def test_of_a_channel_that_keeps_so_many_the_newest_stay(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        for number in range(12):
            await _say(timed, f"{number}")
        await timed.call("chairman", "set_retention", id="general", keep="5")
        await _remove(timed)
        assert await _contents(timed) == ["7", "8", "9", "10", "11"]


async def test_what_somebody_has_not_seen_is_kept_until_they_have(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.member("ada")
        await timed.call("chairman", "set_retention", id="general", keep="1h")
        owed = await _say(timed, "@ada look")
        await _say(timed, "by the way")
        timed.clock.now += DAY
        await _remove(timed)
        assert await _contents(timed) == ["@ada look"]

        await timed.call("ada", "check_in")
        await timed.call("ada", "ack_inbox", items=[{"channel": "general", "ack_id": owed, "skip": True}])
        await _remove(timed)
        assert await _contents(timed) == []


async def test_a_thread_goes_as_a_whole_when_its_last_reply_is_due(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.call("chairman", "set_retention", id="general", keep="1d")
        root = await _say(timed, "root")
        first = await _say(timed, "first", reply_to=root)
        timed.clock.now += 20 * HOUR
        await _say(timed, "second", reply_to=first)
        timed.clock.now += 20 * HOUR
        await _remove(timed)
        assert await _contents(timed) == ["root", "first", "second"]

        timed.clock.now += 20 * HOUR
        await _remove(timed)
        assert await _contents(timed) == []


async def test_what_a_task_was_made_from_is_kept(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.call("chairman", "set_retention", id="general", keep="1h")
        pinned = await _say(timed, "make it so")
        await _say(timed, "or not")
        await timed.call("chairman", "pin_task", message_id=pinned)
        timed.clock.now += DAY
        await _remove(timed)
        assert await _contents(timed) == ["make it so"]


async def test_what_is_pinned_stays_and_the_text_of_what_goes_is_given_to_nobody_any_more(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        pinned = await _say(timed, "the rules")
        edited = await _say(timed, "a secret")
        await timed.call("chairman", "pin_message", message_id=pinned)
        await timed.call("chairman", "edit_message", id=edited, content="another secret")
        await timed.call("chairman", "set_retention", id="general", keep="1h")
        timed.clock.now += DAY
        await _remove(timed)
        assert await _contents(timed) == ["the rules"]
        trail = await timed.call("chairman", "list_audit", limit=200)
        assert "secret" not in str(trail.entries)
        assert (await timed.call("chairman", "verify_audit")).ok


async def test_a_long_thread_goes_in_batches_of_which_each_is_told_once(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        root = await _say(timed, "root")
        for number in range(BATCH + 20):
            await _say(timed, f"{number}", reply_to=root)
        await timed.call("chairman", "set_retention", id="general", keep="1h")
        timed.clock.now += DAY

        assert await timed.tick("remove_old_messages") == timed.clock.now, "more is due at once"
        (left,) = await _rows(timed, "SELECT count(*) AS count FROM message")
        assert left["count"] == 21
        await _remove(timed)

        assert await _contents(timed) == []
        told = await timed.call("chairman", "list_audit", kind="messages.removed")
        assert [len((entry.body or {})["ids"]) for entry in told.entries] == [21, BATCH]


async def test_unread_counts_follow_what_was_removed(office: OfficeUnderTest) -> None:
    ada = await office.member("ada", kind="human", role="operator")
    for number in range(8):
        await office.chairman.send("general", f"{number}")
    before = {read["channel"]: read["unread"] for read in (await ada.get("/api/snapshot"))["reads"]}
    async with following(ada) as follower:
        status, answer = await office.chairman.ask("PUT", "/api/channels/general/retention", {"keep": 3})
        assert (status, answer["keep"]) == (200, "3")
        await follower.wait_until(lambda found: "messages.removed" in found.kinds() and "read.updated" in found.kinds())

    (removed,) = [event for event in follower.events if event["kind"] == "messages.removed"]
    assert (removed["channel"], removed["ids"]) == ("general", [f"msg_{number}" for number in range(1, 6)])
    (read,) = [event["read"] for event in follower.events if event["kind"] == "read.updated"]
    assert (before["general"], read["unread"]) == (8, 3)
    after = {found["channel"]: found for found in (await ada.get("/api/snapshot"))["reads"]}
    assert after["general"] == read


async def test_the_teams_rule_holds_where_a_channel_has_none_and_the_file_wins_at_each_start(tmp_path: Path) -> None:
    channels = (ChannelConfig("general"), ChannelConfig("ops", keep=parse_keep("100")))
    rules = Retention(messages=parse_keep("30d"), audit=parse_keep("400d"))
    async with open_office(tmp_path / "data", channels=channels, retention=rules) as office:
        found = await office.chairman.get("/api/retention")
        assert (found["messages"], found["audit"]) == ("30d", "400d")
        kept = {row["channel"]: (row["keep"], row["is_own"]) for row in found["channels"]}
        assert kept == {"general": ("30d", False), "ops": ("100", True)}
        await office.chairman.ask("PUT", "/api/channels/general/retention", {"keep": "forever"})
        await office.chairman.ask("PUT", "/api/channels/ops/retention", {"keep": "200"})
    async with open_office(tmp_path / "data", channels=channels, retention=rules) as office:
        rows = (await office.chairman.get("/api/retention"))["channels"]
        assert {row["channel"]: row["keep"] for row in rows} == {"general": "forever", "ops": "100"}
    async with open_office(tmp_path / "data") as office:
        rows = (await office.chairman.get("/api/retention"))["channels"]
        assert {row["channel"]: row["keep"] for row in rows} == {"general": "forever", "ops": "forever"}


async def test_only_the_chairman_says_how_long_and_only_in_words_that_mean_something(office: OfficeUnderTest) -> None:
    for role in ("operator", "viewer"):
        other = await office.member(f"a-{role}", kind="human", role=role)
        assert (await other.ask("PUT", "/api/channels/general/retention", {"keep": "1d"}))[0] == 403
    for keep in ("0d", "soon", "-5", "1y", "", 0):
        status, answer = await office.chairman.ask("PUT", "/api/channels/general/retention", {"keep": keep})
        assert (status, answer["error"]["field"]) == (400, "keep"), keep


async def test_the_chain_of_a_trimmed_trail_holds_from_its_anchor_and_old_cursors_are_reset(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.dispatch.as_system("apply_retention", messages="forever", audit="30d")
        await _say(timed, "old")
        head = (await timed.call("chairman", "verify_audit")).head
        timed.clock.now += 31 * DAY
        await _say(timed, "new")
        await timed.tick("trim_audit")

        found = await timed.call("chairman", "verify_audit")
        assert (found.ok, found.anchor) == (True, head)
        assert await timed.tick("trim_audit") != timed.clock.now, "nothing more to do"
        oldest = int(head.split()[0]) + 1
        await timed.database.write(
            lambda transaction: transaction.run("DELETE FROM event WHERE seq = :seq", {"seq": oldest})
        )
        assert [broken.seq for broken in (await timed.call("chairman", "verify_audit")).broken] == [oldest]


async def test_rows_cut_off_by_hand_are_found_even_with_an_anchor_to_match(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        for number in range(5):
            await _say(timed, f"{number}")

        def cut(transaction: Any) -> None:
            row = transaction.one("SELECT seq, hash FROM event WHERE seq = 4")
            transaction.run("DELETE FROM event WHERE seq <= 4")
            value = {"value": f"{row['seq']} {row['hash'].hex().upper()}"}
            transaction.run("INSERT INTO meta (key, value) VALUES ('audit_anchor', :value)", value)

        await timed.database.write(cut)
        found = await timed.call("chairman", "verify_audit")
        assert (found.ok, found.broken[0].seq) == (False, 4)


async def test_a_cursor_from_before_the_trim_is_reset(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        await office.chairman.send("general", "old")
        since = (await office.chairman.get("/api/snapshot"))["seq"]
        for number in range(3):
            await office.chairman.send("general", f"older than a week, let us say {number}")
        await office.store.database.write(lambda transaction: transaction.run("UPDATE event SET at = at - 9000000000"))
        await office.store.run("apply_retention", messages="forever", audit="7d")
        await office.store.run("trim_audit")
        async with following(office.chairman, f"?since={since}") as follower:
            await follower.wait_until(lambda found: "reset" in found.kinds())
        answer = await office.chairman.get(f"/api/events/poll?since={since}")
        assert answer["reset"]


async def test_answers_to_repeats_and_expired_sessions_are_forgotten_in_time(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        operation = timed.dispatch.registry["send_message"]
        arguments = {"channel": "general", "content": "once"}
        caller = timed.callers["chairman"]
        await timed.dispatch.run(operation, caller, arguments, door="rest", idempotency_key="k")
        link = await timed.call("chairman", "create_sign_in_link", name="chairman")
        await timed.dispatch.as_system("open_session", link=link.code)

        await timed.tick("sweep_expired", REPEATS_MS - MINUTE)
        again = await timed.dispatch.run(operation, caller, arguments, door="rest", idempotency_key="k")
        assert again.replayed
        assert len(await _rows(timed, "SELECT hash FROM session")) == 1
        await timed.tick("sweep_expired", 10 * DAY)

        for table in ("idempotency", "session", "sign_in_link"):
            assert await _rows(timed, f"SELECT 1 FROM {table}") == [], table  # noqa: S608


def test_every_table_that_refers_to_a_message_goes_with_it_or_holds_it(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "server" / "storage" / "migrations"
    database = sqlite3.connect(tmp_path / "schema.sqlite3")
    for file in sorted(folder.glob("*.sql")):
        database.executescript(file.read_text(encoding="utf-8"))
    referring = database.execute(
        'SELECT schema.name, key."from" FROM sqlite_schema AS schema, pragma_foreign_key_list(schema.name) AS key'
        " WHERE key.\"table\" = 'message' AND schema.name <> 'message' AND key.on_delete <> 'CASCADE'"
    ).fetchall()
    database.close()
    assert set(referring) == {*ATTACHED, *HOLDS}


@pytest.mark.parametrize("text", ["forever", "12h", "30d", "10000"])
def test_how_long_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_keep(text)) == text


async def test_the_clock_removes_without_being_asked(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data") as office:
        for number in range(6):
            await office.chairman.send("general", f"{number}")
        await office.chairman.ask("PUT", "/api/channels/general/retention", {"keep": "2"})

        async def left() -> bool:
            return len((await office.chairman.get("/api/history?channel=general"))["messages"]) == 2

        await until(left)
