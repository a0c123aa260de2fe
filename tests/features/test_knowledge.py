"""Findings: the same one once, found by any of its words, withdrawn and revived."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Door, OfficeUnderTest


async def _found(door: Door, words: str, **more: str) -> list[str]:
    async with door.session.get(
        door.url + "/api/knowledge", params={"query": words, **more}, headers={"Authorization": f"Bearer {door.token}"}
    ) as response:
        assert response.status == 200, await response.text()
        return [finding["content"] for finding in (await response.json())["findings"]]


async def test_the_same_finding_twice_is_one_with_two_contributors(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    first = await ada.post("/api/knowledge", {"content": "The port is  8080.", "tags": ["Net"]})
    again = await bo.post("/api/knowledge", {"content": "The port\nis 8080. ", "tags": ["ops"]})
    assert first["finding"]["id"] == again["finding"]["id"]
    assert (first["known_already"], again["known_already"]) == (False, True)
    assert again["finding"]["contributors"] == ["ada", "bo"]
    assert again["finding"]["tags"] == ["net", "ops"]
    seq = again["finding"]["seq"]
    assert (await bo.post("/api/knowledge", {"content": "The port is 8080."}))["finding"]["seq"] == seq, "no news"
    since = (await ada.get(f"/api/knowledge?since_seq={first['finding']['seq']}"))["findings"]
    assert [finding["id"] for finding in since] == [first["finding"]["id"]], "what another confirms is news"


async def test_words_beginnings_phrases_accents_and_unspaced_scripts_are_found(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    contents = [
        "Migrations must run before the deploy step",
        "The café API answers in 40 ms",
        "数据库的端口是八千",
        "Deploy keys are in the vault",
    ]
    for content in contents:
        await ada.post("/api/knowledge", {"content": content, "tags": ["ops"] if "Deploy" in content else []})
    migrations, cafe, database, keys = contents
    assert set(await _found(ada, "deploy")) == {migrations, keys}
    assert await _found(ada, "migr deploy") == [migrations]
    assert await _found(ada, '"deploy step"') == [migrations]
    assert await _found(ada, '"step deploy"') == []
    assert await _found(ada, "cafe") == [cafe]
    assert await _found(ada, "端口") == [database]
    assert await _found(ada, "口端") == []
    assert await _found(ada, "ops") == [keys], "a tag is a word too"
    assert await _found(ada, "", tags="ops") == [keys]
    assert await _found(ada, "!!!") == []
    assert await _found(ada, "") == contents[::-1], "newest first"


async def test_what_proved_wrong_is_withdrawn_and_revived_by_posting_it_again(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    posted = (await ada.post("/api/knowledge", {"content": "It is safe"}))["finding"]
    path = f"/api/knowledge/{posted['id']}/retract"
    gone = await bo.post(path, {"reason": "it is not"})
    assert (gone["retracted_by"], gone["retracted_why"]) == ("bo", "it is not")
    assert (await bo.post(path, {"reason": "again"}))["retracted_why"] == "it is not"
    assert await _found(ada, "safe") == []
    back = await ada.post("/api/knowledge", {"content": "It is safe"})
    assert (back["known_already"], back["finding"]["retracted_at"]) == (True, None)
    assert await _found(ada, "safe") == ["It is safe"]
    assert (await bo.ask("POST", "/api/knowledge/fact_0000000000000000/retract", {"reason": "x"}))[0] == 404
    assert (await bo.ask("POST", "/api/knowledge/fact_x/retract", {"reason": "x"}))[0] == 400


@pytest.mark.parametrize(
    "words", ['"', "*", "AND", "NEAR(", "a OR", "-x", "content:", '"unclosed', "^a", "{a b}: c", "\0"]
)
async def test_no_query_is_an_error(office: OfficeUnderTest, words: str) -> None:
    await _found(office.chairman, words)


async def test_no_text_makes_a_query_fail(office: OfficeUnderTest) -> None:
    loop, ada = asyncio.get_running_loop(), await office.member("ada")
    await ada.post("/api/knowledge", {"content": "a and b or c near d"})

    @given(st.text(max_size=30) | st.text('ab"*()^:{}-+ANDOR ', max_size=20))
    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    def any_text(words: str) -> None:
        asyncio.run_coroutine_threadsafe(_found(ada, words.replace("\ud800", "")), loop).result(5)

    await asyncio.to_thread(any_text)
