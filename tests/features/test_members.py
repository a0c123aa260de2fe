"""Members and their tokens: who is on the team, and by what they prove it."""

from pathlib import Path

import pytest

from server.config import SecretReference
from tests.conftest import OfficeUnderTest, open_office


async def test_a_rotated_token_replaces_the_old_one_at_once(office: OfficeUnderTest) -> None:
    minted = await office.chairman.post("/api/tokens", {"name": "ci", "kind": "bot"})
    rotated = await office.chairman.post(f"/api/tokens/{minted['id']}/rotate")

    assert (await office.chairman.as_member(minted["token"]).ask("GET", "/api/me"))[0] == 401
    assert (await office.chairman.as_member(rotated["token"]).get("/api/me"))["name"] == "ci"
    listed = (await office.chairman.get("/api/tokens"))["tokens"]
    assert minted["token"] not in str(listed)
    assert [token["revoked_at"] is not None for token in listed if token["member"] == "ci"] == [False, True], (
        "newest first"
    )


async def test_a_token_with_one_wrong_letter_is_none(office: OfficeUnderTest) -> None:
    token = (await office.chairman.post("/api/tokens", {"name": "ci", "kind": "bot"}))["token"]
    for place in range(len(token)):
        wrong = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert (await office.chairman.as_member(wrong).ask("GET", "/api/me"))[0] == 401


async def test_who_is_retired_is_out_at_once_and_the_name_stays_taken(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await office.chairman.ask("DELETE", "/api/members/ada")

    assert (await ada.ask("GET", "/api/me"))[0] == 401
    status, answer = await office.chairman.ask("POST", "/api/tokens", {"name": "ada", "kind": "agent"})
    assert status == 409
    assert "name" in answer["error"]["message"]
    members = {member["name"]: member for member in (await office.chairman.get("/api/members"))["members"]}
    assert members["ada"]["retired"]


@pytest.mark.parametrize("name", ["system", "all", "Ada Lovelace", "1st", "x" * 33, "", "../etc", "ada\n"])
async def test_a_name_that_could_be_misread_is_refused(office: OfficeUnderTest, name: str) -> None:
    status, answer = await office.chairman.ask("POST", "/api/tokens", {"name": name, "kind": "bot"})
    if name == "ada\n":  # white space around a name is dropped
        assert status == 201
        return
    assert status in (400, 409), answer
    assert answer["error"]["message"]


async def test_the_register_secret_lets_bots_in_and_makes_nobody_a_chairman(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOIN", "open sesame")
    async with open_office(tmp_path / "data", register_secret=SecretReference("env", "JOIN")) as office:
        anybody = office.chairman.as_member(None)
        refused = [{"name": "eve"}, {"name": "eve", "secret": "wrong"}]
        refused.append({"name": "eve", "secret": "open sesame", "kind": "human"})
        refused.append({"name": "eve", "secret": "open sesame", "role": "lead"})
        for body in refused:
            assert (await anybody.ask("POST", "/api/register", body))[0] in (400, 403), body

        joined = await anybody.post("/api/register", {"name": "eve", "secret": "open sesame"})

        me = await office.chairman.as_member(joined["apiKey"] if "apiKey" in joined else joined["token"]).get("/api/me")
        assert (me["name"], me["kind"], me["role"]) == ("eve", "bot", "member")
        for file in (tmp_path / "data").glob("team.sqlite3*"):
            assert b"open sesame" not in file.read_bytes()


async def test_a_viewer_reads_and_says_nothing(office: OfficeUnderTest) -> None:
    vera = await office.member("vera", kind="human", role="viewer")

    assert (await vera.ask("POST", "/api/send", {"channel": "general", "content": "hello"}))[0] == 403
    assert (await vera.ask("GET", "/api/history?channel=general"))[0] == 200
