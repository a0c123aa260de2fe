"""Search: what is found, by whom, in which order, and that nothing which is typed is an error."""

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core.call import Caller, Transaction
from server.features.messages import search
from server.features.messages.text_index import forget_message, index_message
from server.storage import sqlite
from tests.conftest import Door, OfficeUnderTest, opened_office

ODD_QUERIES = int(os.environ.get("ODD_QUERIES", "300"))


async def _found(door: Door, query: str, **more: Any) -> list[str]:
    rest = "".join(f"&{name}={quote(str(value))}" for name, value in more.items())
    answer = await door.get(f"/api/search?q={quote(query)}{rest}")
    return [hit["content"] for hit in answer["results"]]


async def test_words_phrases_prefixes_and_negations_find_what_they_say(office: OfficeUnderTest) -> None:
    for text in ("the port is taken", "a taken port", "deploy the portal", "Café déjà vu"):
        await office.chairman.send("general", text)
    found = {
        query: sorted(await _found(office.chairman, query))
        for query in ("port", "PORT taken", '"taken port"', "port*", "port* -taken", "cafe", "portal -x", "-port")
    }
    assert found == {
        "port": ["a taken port", "the port is taken"],
        "PORT taken": ["a taken port", "the port is taken"],
        '"taken port"': ["a taken port"],
        "port*": ["a taken port", "deploy the portal", "the port is taken"],
        "port* -taken": ["deploy the portal"],
        "cafe": ["Café déjà vu"],
        "portal -x": ["deploy the portal"],
        "-port": [],
    }


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("数据库端口被占用", "端口"),
        ("这里有一个罕见的词", "罕"),
        ("サーバーのポート番号", "ポート"),
        ("데이터베이스 포트", "포트"),
        ("发布 v2 之前请检查", "v2 检查"),
    ],
)
async def test_a_word_of_one_or_two_characters_is_found_in_unspaced_scripts(
    office: OfficeUnderTest, text: str, query: str
) -> None:
    await office.chairman.send("general", text)
    await office.chairman.send("general", "something else 别的")

    answer = await office.chairman.get(f"/api/search?q={quote(query)}")
    assert [hit["content"] for hit in answer["results"]] == [text]
    marked = [piece["text"] for piece in answer["results"][0]["snippet"] if piece["mark"]]
    assert marked == query.split()


async def test_operators_narrow_by_sender_channel_time_and_file(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await office.chairman.post("/api/channels", {"id": "dev"})
    await ada.send("general", "one build")
    await ada.send("dev", "two build")
    await office.chairman.send("dev", "three build")
    chairman = office.chairman
    assert await _found(chairman, "build from:ada in:#dev") == ["two build"]
    assert sorted(await _found(chairman, "from:@ada")) == ["one build", "two build"]
    assert await _found(chairman, "build", channel="dev", **{"from": "chairman"}) == ["three build"]
    assert await _found(chairman, "build after:2020-01-01 before:2021-01-01") == []
    assert len(await _found(chairman, "build after:today")) == 3
    assert await _found(chairman, "build has:file") == []
    assert await _found(chairman, "is:pinned build") == []
    notes = (await chairman.get(f"/api/search?q={quote('build in:nowhere before:soon has:luck')}"))["notes"]
    assert len(notes) == 3


async def test_what_one_may_not_read_is_neither_found_nor_counted(office: OfficeUnderTest) -> None:
    ada, bo, eve = await office.member("ada"), await office.member("bo"), await office.member("eve")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "members": ["ada"]})
    for number in range(30):
        await ada.send("topic:plan", f"secret plan {number}")
        await ada.send("dm:bo", f"secret between us {number}")
    await ada.send("general", "no secret")

    answer = await eve.get("/api/search?q=secret&limit=5")
    assert ([hit["content"] for hit in answer["results"]], answer["total"]) == (["no secret"], 1)
    assert answer["next_cursor"] is None
    assert (await eve.ask("GET", "/api/search?q=secret&channel=topic:plan"))[0] == 404
    assert await _found(eve, "secret in:topic:plan") == []
    assert len(await _found(bo, "secret in:dm:ada", limit=100)) == 30
    assert len(await _found(ada, "secret", limit=100)) == 61


async def test_pages_follow_each_other_without_gap_or_overlap_while_others_write(office: OfficeUnderTest) -> None:
    sent = {(await office.chairman.send("general", f"tick {number}"))["id"] for number in range(450)}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await office.chairman.get(f"/api/search?q=tick&limit=60&cursor={cursor}")
        seen += [hit["id"] for hit in page["results"]]
        cursor = page["next_cursor"]
        await office.chairman.send("general", "tick again")
    assert len(seen) == len(set(seen)) == len(sent)
    assert set(seen) == sent


async def test_edits_deletions_and_pins_are_followed_also_within_one_batch(office: OfficeUnderTest) -> None:
    first = await office.chairman.send("general", "the first text")
    second = await office.chairman.send("general", "second 端口")

    async def change(number: int) -> None:
        """Send, edit, and delete or pin beside others: many of these come into one batch."""
        sent = await office.chairman.send("general", f"before {number}")
        body = {"content": f"after {number}"}
        assert (await office.chairman.ask("PUT", f"/api/messages/{sent['id']}", body))[0] == 200
        path = f"/api/messages/{sent['id']}"
        method, path = ("DELETE", path) if number % 2 else ("POST", f"{path}/pin")
        assert (await office.chairman.ask(method, path))[0] in (200, 201)

    edited = office.chairman.ask("PUT", f"/api/messages/{first['id']}", {"content": "other words"})
    await asyncio.gather(
        edited, office.chairman.ask("DELETE", f"/api/messages/{second['id']}"), *map(change, range(20))
    )
    last = await office.chairman.send("general", "last word")
    await office.chairman.ask("DELETE", f"/api/messages/{last['id']}")
    await office.chairman.send("general", "really last")

    chairman = office.chairman
    assert await _found(chairman, "first") == []
    assert await _found(chairman, "端口") == []
    assert await _found(chairman, "before", limit=100) == []
    assert sorted(await _found(chairman, "after", limit=100)) == sorted(f"after {number}" for number in range(0, 20, 2))
    assert len(await _found(chairman, "is:pinned", limit=100)) == 10
    assert await _found(chairman, "is:pinned other") == []
    assert await _found(chairman, "other") == ["other words"]
    assert await _found(chairman, "last") == ["really last"]


async def test_what_is_sent_and_edited_or_deleted_in_one_transaction_is_found_as_it_ended(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:

        def unit(transaction: Transaction) -> None:
            for content in ("one", "two", "three"):
                number = transaction.insert(
                    "INSERT INTO message (seq, channel, sender, sender_kind, content, mentions, priority, metadata,"
                    " created_at) VALUES (0, 'general', 'chairman', 'human', :content, '[]', 'next', '{}', 1)",
                    {"content": f"draft {content}"},
                )
                if content == "two":
                    forget_message(transaction, number)
                    transaction.run("UPDATE message SET deleted_at = 1 WHERE id = :id", {"id": number})
                else:
                    transaction.run(
                        "UPDATE message SET content = :content WHERE id = :id", {"content": content, "id": number}
                    )
                    index_message(transaction, number)

        await office.store.database.write(unit)
        assert await _found(office.chairman, "draft") == []
        assert await _found(office.chairman, "two") == []
        assert [await _found(office.chairman, word) for word in ("one", "three")] == [["one"], ["three"]]


async def test_a_search_that_takes_too_long_is_ended_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "AT_MOST_S", 0.0)
    monkeypatch.setattr(sqlite, "STEPS_BETWEEN_LOOKS", 1)
    async with opened_office(tmp_path / "data") as office:
        await office.chairman.send("general", "a needle")
        status, answer = await office.chairman.ask("GET", "/api/search?q=needle")
        assert (status, answer["error"]["code"]) == (503, "took_too_long")
        assert "Narrow it" in answer["error"]["hint"]
        assert (await office.chairman.ask("GET", "/api/history?channel=general"))[0] == 200, "only the search is ended"


async def test_the_best_stands_first_and_shows_why(office: OfficeUnderTest) -> None:
    await office.chairman.send("general", "gateway " + "and much else " * 200)
    await office.chairman.send("general", "gateway: restart the gateway")
    long = "x " * 1000 + "then the gateway, <b>at last</b>"
    await office.chairman.send("general", long)

    hits = (await office.chairman.get("/api/search?q=gateway"))["results"]

    assert hits[0]["content"] == "gateway: restart the gateway"
    assert [piece["text"] for piece in hits[0]["snippet"] if piece["mark"]] == ["gateway", "gateway"]
    (deep,) = [hit for hit in hits if hit["content"] == long]
    assert "gateway" in [piece["text"] for piece in deep["snippet"] if piece["mark"]]
    assert sum(len(piece["text"]) for piece in deep["snippet"]) < 300
    assert (hits[0]["channel_id"], hits[0]["from_agent"]) == ("general", "chairman"), "the names others use"


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
async def test_nothing_that_is_typed_is_an_error(tmp_path: Any) -> None:
    operators = st.sampled_from(
        ["from:", "in:", "before:", "after:", "has:file", "is:pinned", '"', "*", "-", "(", "AND", "NOT", "NEAR(", "^",
         "端口", ":", "{", "content:", "\x00", "'", "a*", '"a', "-a", "before:9999999-1", "after:99999d", "\U0001f600"]
    )  # fmt: skip
    queries: list[str] = []

    @settings(max_examples=ODD_QUERIES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(operators | st.text(max_size=12), max_size=10).map(" ".join))
    def gather(query: str) -> None:
        queries.append(query)

    gather()
    async with opened_office(tmp_path / "data") as office:
        await office.chairman.send("general", "a port 端口 of content")
        dispatch = office.store.dispatch
        operation, caller = dispatch.registry["search_messages"], Caller("chairman", "human", "chairman")
        for query in queries:
            answer = await dispatch.run(operation, caller, {"query": query}, door="rest")
            assert answer.value.total <= 1, query
    assert len(queries) >= ODD_QUERIES
