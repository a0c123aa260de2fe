"""Files: what is stored is what came, once, within its limits, for those who may have it, and nothing of it can run."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.conftest import Door, OfficeUnderTest, open_office, until
from tests.features.uploads import BAD_NAMES, POLYGLOTS

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


async def put(door: Door, name: str, data: Any, query: str = "", **headers: str) -> tuple[int, Any]:
    """Upload bytes as they are and return status and JSON."""
    headers = {"Authorization": f"Bearer {door.token}", "X-File-Name": quote(name), **headers}
    async with door.session.post(f"{door.url}/api/files{query}", data=data, headers=headers) as response:
        return response.status, await response.json()


async def fetched(door: Door, file_id: str, query: str = "", **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
    headers["Authorization"] = f"Bearer {door.token}"
    async with door.session.get(f"{door.url}/api/files/{file_id}{query}", headers=headers) as response:
        return response, await response.read()


def stored(office: OfficeUnderTest) -> list[Path]:
    """Every file in the folder of files."""
    return [file for file in (office.config.data / "files").rglob("*") if file.is_file()]


async def test_what_is_stored_is_what_came_by_each_of_the_three_ways(office: OfficeUnderTest) -> None:
    data = bytes(range(256)) * 4000
    status, raw = await put(office.chairman, "data.bin", data, "?channel=general")
    form = aiohttp.FormData()
    form.add_field("channel", "general")
    form.add_field("file", data, filename="form.bin")
    async with office.chairman.session.post(
        f"{office.url}/api/files", data=form, headers={"Authorization": f"Bearer {office.chairman.token}"}
    ) as response:
        by_form = await response.json()
    by_json = await office.chairman.post("/api/files", {"name": "a.txt", "content": "aGVsbG8=", "channel": "general"})

    assert (status, raw["size"], raw["sha256"]) == (201, len(data), hashlib.sha256(data).hexdigest())
    assert (raw["file_id"], raw["file_name"], raw["file_size"]) == (raw["id"], "data.bin", len(data))
    assert (by_form["name"], by_form["sha256"], by_form["channel"]) == ("form.bin", raw["sha256"], "general")
    assert (by_json["media_type"], by_json["size"]) == ("text/plain", 5)
    _, back = await fetched(office.chairman, raw["id"])
    assert back == data
    part, some = await fetched(office.chairman, raw["id"], Range="bytes=10-19")
    assert (part.status, some) == (206, data[10:20])
    blobs = stored(office)
    assert len(blobs) == 2, "the same bytes lie there once"
    assert {file.stat().st_mode & 0o777 for file in blobs} == {0o600}
    listed = await office.chairman.get("/api/files?channel=general")
    assert [file["name"] for file in listed["files"]] == ["a.txt", "form.bin", "data.bin"]


async def test_too_much_is_refused_while_it_comes_and_nothing_is_left(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data", longest_file_bytes=200_000, member_file_bytes=300_000) as office:

        async def endless() -> Any:
            for _ in range(100):
                yield bytes(50_000)

        status, refusal = await put(office.chairman, "big.bin", endless())
        assert (status, refusal["error"]["code"], refusal["limit_bytes"]) == (413, "too_large", 200_000)
        status, refusal = await put(office.chairman, "big.bin", bytes(200_001))
        assert (status, stored(office)) == (413, [])

        assert (await put(office.chairman, "one", bytes(190_000)))[0] == 201
        status, refusal = await put(office.chairman, "two", b"x" * 190_000)
        assert (status, refusal["error"]["code"]) == (409, "quota_reached")
        assert (refusal["used_bytes"], refusal["quota_bytes"]) == (190_000, 300_000)
        assert len(stored(office)) == 1


async def test_an_upload_that_breaks_off_leaves_nothing(office: OfficeUnderTest) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(office.url.rpartition(":")[2]))
    head = (
        f"POST /api/files HTTP/1.1\r\nHost: {office.url.removeprefix('http://')}\r\nX-File-Name: half.bin\r\n"
        f"Authorization: Bearer {office.chairman.token}\r\nContent-Length: 2000000\r\n\r\n"
    )
    writer.write(head.encode() + bytes(700_000))
    await writer.drain()
    await until(lambda: stored(office))
    writer.close()
    await until(lambda: not stored(office))
    assert (await office.chairman.get("/api/files"))["files"] == []


async def test_only_who_reads_the_channel_or_the_message_may_have_a_file(office: OfficeUnderTest) -> None:
    ada, bo, eve = await office.member("ada"), await office.member("bo"), await office.member("eve")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "members": ["ada"]})
    _, secret = await put(ada, "plan.txt", b"secret", "?channel=topic:plan")
    _, own = await put(ada, "own.txt", b"mine")
    assert (await put(eve, "x.txt", b"x", "?channel=topic:plan"))[0] == 404

    async def may(door: Door, file: Any) -> list[int]:
        paths = (f"/api/files/{file['id']}/meta", f"/api/files/{file['id']}")
        statuses = []
        for path in paths:
            async with door.session.get(door.url + path, headers={"Authorization": f"Bearer {door.token}"}) as found:
                statuses.append(found.status)
        named = [each["id"] for each in (await door.get("/api/files"))["files"]]
        return [*statuses, 200 if file["id"] in named else 404]

    assert await may(ada, secret) == [200] * 3
    assert await may(office.chairman, secret) == [200] * 3, "who made the topic is in it"
    for file in (secret, own):
        assert await may(eve, file) == [404] * 3
        refused = await eve.ask("POST", "/api/send", {"channel": "general", "content": "look", "files": [file["id"]]})
        assert refused[0] == 404
        assert (await eve.ask("DELETE", f"/api/files/{file['id']}"))[0] == 404

    sent = await ada.send("dm:bo", "here", files=[own["id"]])
    assert sent["files"] == [{"id": own["id"], "name": "own.txt", "size": 4, "media_type": "text/plain"}]
    assert await may(bo, own) == [200] * 3
    assert await may(eve, own) == [404] * 3
    assert (await bo.ask("DELETE", f"/api/files/{own['id']}"))[0] == 403
    (message,) = (await bo.get("/api/history?channel=dm:ada"))["messages"]
    assert message["files"] == sent["files"]
    found = await bo.get("/api/search?q=" + quote("here has:file"))
    assert [hit["id"] for hit in found["results"]] == [sent["id"]]


async def test_deleting_frees_the_quota_at_once_and_the_bytes_when_nobody_needs_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_office(data) as office:
        _, one = await put(office.chairman, "one", b"same", "?channel=general")
        _, two = await put(office.chairman, "two", b"same", "?channel=general")
        assert (await office.chairman.ask("DELETE", f"/api/files/{one['id']}"))[0] == 200
        assert (await fetched(office.chairman, one["id"]))[0].status == 404
        assert (await fetched(office.chairman, two["id"]))[1] == b"same"
        entries = (await office.chairman.get("/api/audit?operation=delete_file"))["entries"]
        assert [entry["actor"] for entry in entries] == ["chairman"]
    (data / "files" / "incoming" / "left").write_bytes(b"of a server that died")
    async with open_office(data) as office:
        assert len(stored(office)) == 1
        await office.chairman.ask("DELETE", f"/api/files/{two['id']}")
    async with open_office(data) as office:
        await until(lambda: stored(office) == [])


async def test_folders_go_five_deep_and_give_their_files_back(office: OfficeUnderTest) -> None:
    chairman = office.chairman
    parents: list[str] = []
    for depth in range(6):
        body = {"name": f"../level {depth}", "channel": "general", **({"parent_id": parents[-1]} if parents else {})}
        status, folder = await chairman.ask("POST", "/api/folders", body)
        if depth == 5:
            assert (status, "5 deep" in folder["error"]["message"]) == (400, True)
        else:
            assert (status, folder["name"]) == (201, f"level {depth}")
            parents.append(folder["id"])
    status, same = await chairman.ask("POST", "/api/folders", {"name": "level 0", "channel": "general"})
    assert (status, same["folder_id"]) == (409, parents[0])
    _, file = await put(chairman, "a.txt", b"a", f"?channel=general&folder_id={parents[4]}")
    assert file["folder_id"] == parents[4]
    listed = await chairman.get(f"/api/files?channel=general&folder_id={parents[4]}")
    assert [each["id"] for each in listed["files"]] == [file["id"]]

    eve = await office.member("eve")
    assert (await eve.ask("DELETE", f"/api/folders/{parents[0]}"))[0] == 403
    assert (await chairman.ask("PUT", f"/api/folders/{parents[0]}", {"name": "top"}))[1]["name"] == "top"
    assert (await chairman.ask("DELETE", f"/api/folders/{parents[0]}"))[1] == {"ok": True, "deleted_folders": 5}
    assert (await chairman.get(f"/api/files/{file['id']}/meta"))["folder_id"] is None
    moved = await chairman.ask("PUT", f"/api/files/{file['id']}/move", {"folder_id": parents[0]})
    assert moved[0] == 404


async def test_a_long_text_becomes_a_file_with_an_excerpt_if_one_wants_it(office: OfficeUnderTest) -> None:
    text = "begin " + "word " * 20_000
    status, refusal = await office.chairman.ask("POST", "/api/send", {"channel": "general", "content": text})
    assert (status, "long_text=file" in refusal["error"]["hint"]) == (413, True)

    body, key = {"channel": "general", "content": text, "long_text": "file"}, {"Idempotency-Key": "long"}
    sent = await office.chairman.post("/api/send", body, **key)
    again = await office.chairman.post("/api/send", body, **key)

    assert (again["id"], len(await _files(office))) == (sent["id"], 1)
    assert sent["content"].startswith("begin word")
    assert len(sent["content"]) < 2000
    _, whole = await fetched(office.chairman, sent["files"][0]["id"])
    assert whole.decode() == text


async def _files(office: OfficeUnderTest) -> list[Any]:
    found: list[Any] = (await office.chairman.get("/api/files"))["files"]
    return found


async def test_nobody_can_name_bytes_that_are_not_theirs(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    _, secret = await put(office.chairman, "secret", b"secret")
    claim = {"name": "x", "sha256": secret["sha256"], "size": 6, "media_type": "text/plain", "quota_bytes": 1}
    for body in (
        {"name": "x", "content": "eA==", "stored": claim},
        {"name": "x", "content": "eA==", "sha256": secret["sha256"]},
    ):
        assert (await ada.ask("POST", "/api/files", body))[0] == 400
    assert (await put(ada, "x", b"x", "?stored=1"))[0] == 400


async def test_no_name_and_no_bytes_can_become_more_than_a_harmless_download(office: OfficeUnderTest) -> None:
    uploads = [(name, b"plain") for name in BAD_NAMES] + [(name, data) for name, data in POLYGLOTS]
    assert len(uploads) >= 60
    for name, data in uploads:
        status, file = await put(office.chairman, name, data, "?channel=general")
        assert status == 201, (name, file)
        shown = file["name"]
        assert 1 <= len(shown) <= 120, name
        assert not set(shown) & set('/\\\r\n\0"<>:|?*\u202e\u200f'), name
        assert shown.strip(". ") == shown
        response, back = await fetched(office.chairman, file["id"])
        assert (response.status, back) == (200, data)
        headers = response.headers
        kind = headers["Content-Type"]
        assert kind in {
            "image/png", "image/jpeg", "image/gif", "image/webp", "text/plain; charset=utf-8",
            "application/octet-stream",
        }, (name, kind)  # fmt: skip
        if kind == "application/octet-stream":
            assert headers["Content-Disposition"].startswith("attachment; ")
        assert "\r" not in headers["Content-Disposition"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert "script-src" not in headers["Content-Security-Policy"]
    inside = (office.config.data / "files").resolve()
    assert {file.parent.parent for file in stored(office)} == {inside}
    assert not (office.config.data / "escaped").exists()


@pytest.mark.parametrize(("name", "data", "kind"), [
    ("a.png", PNG, "image/png"),
    ("a.txt", PNG, "image/png"),
    ("a.svg", PNG, "application/octet-stream"),
    ("notes.md", "# größer".encode(), "text/plain"),
    ("page", b"\xef\xbb\xbf  <!doctype html>", "application/octet-stream"),
    ("a.pdf", b"%PDF-1.7 ", "application/pdf"),
    ("a.txt", b"\x00\x01", "application/octet-stream"),
    ("a.txt", b"\xff\xfe\x41\xd8", "application/octet-stream"),
])  # fmt: skip
async def test_a_type_is_told_by_the_bytes(office: OfficeUnderTest, name: str, data: bytes, kind: str) -> None:
    assert (await put(office.chairman, name, data))[1]["media_type"] == kind


async def test_a_form_that_another_page_could_send_stores_nothing(office: OfficeUnderTest) -> None:
    link = await office.chairman.post("/api/sign-in-links", {"name": "chairman"})
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{office.url}/api/session", json={"link": link["code"]}) as signed_in:
            csrf = (await signed_in.json())["csrf"]
        form = aiohttp.FormData()
        form.add_field("file", b"x", filename="x")
        own = {"X-CSRF": csrf, "Origin": office.url}
        for data, headers, status in (
            (form, own, 403),
            (b"x", {**own, "Content-Type": "text/plain"}, 403),
            (b"x", {**own, "X-File-Name": "x", "Origin": "http://evil.example"}, 403),
            (b"x", {**own, "X-File-Name": "x"}, 201),
        ):
            async with browser.post(f"{office.url}/api/files?name=x", data=data, headers=headers) as response:
                assert response.status == status, (headers, await response.text())
    assert json.dumps([file["name"] for file in await _files(office)]) == '["x"]'
