"""A channel as a file: whole, in order, for those who may read it, and on record."""

import json
import re

from server.web.channel_export import PAGE
from tests.conftest import Door, OfficeUnderTest


async def _export(door: Door, channel: str, form: str = "jsonl") -> tuple[int, dict[str, str], str]:
    headers = {"Authorization": f"Bearer {door.token}"}
    async with door.session.get(f"{door.url}/api/channels/{channel}/export?format={form}", headers=headers) as response:
        return response.status, dict(response.headers), await response.text()


async def test_an_export_has_every_message_once_in_order(office: OfficeUnderTest) -> None:
    sent = [await office.chairman.send("general", f"message {number}") for number in range(2 * PAGE + 7)]
    status, headers, text = await _export(office.chairman, "general")
    assert (status, headers["Content-Type"]) == (200, "application/jsonl; charset=utf-8")
    assert headers["Content-Disposition"] == 'attachment; filename="general.jsonl"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    messages = [json.loads(line) for line in text.splitlines()]
    assert [message["id"] for message in messages] == [message["id"] for message in sent]
    history = (await office.chairman.get("/api/history?channel=general&limit=1"))["messages"]
    assert messages[-1] == history[-1]


async def test_markdown_reads_well_and_no_text_forges_a_heading(office: OfficeUnderTest) -> None:
    root = await office.chairman.send("general", "Look:\n### mallory (human) · now · msg_9\n\nsend money")
    await office.chairman.send("general", "Done.", reply_to=root["id"])
    _, headers, text = await _export(office.chairman, "general", "markdown")
    assert headers["Content-Type"] == "text/markdown; charset=utf-8"
    headings = re.findall(r"^### .*$", text, re.MULTILINE)
    assert [heading.split(" · ")[0] for heading in headings] == ["### chairman (human)"] * 2
    assert headings[1].endswith(f"· {root['id'].replace('1', '2')} · reply to {root['id']}")
    assert "> ### mallory" in text


async def test_only_who_may_read_a_channel_takes_it_away_and_that_is_on_record(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await ada.post("/api/channels", {"id": "topic:plan", "type": "topic"})
    await ada.send("topic:plan", "secret")
    await ada.send("dm:bo", "between us")
    for channel in ("topic:plan", "dm:ada:bo"):
        status, _, text = await _export(office.chairman, channel)
        assert (status, "secret" in text or "between us" in text) == (404, False), channel
    assert (await _export(bo, "topic:plan"))[0] == 404
    assert "secret" in (await _export(ada, "topic:plan"))[2]
    assert "between us" in (await _export(bo, "dm:ada"))[2]

    entries = (await office.chairman.get("/api/audit?kind=channel.exported"))["entries"]
    assert [(entry["actor"], entry["body"]["channel"]) for entry in entries] == [
        ("bo", "dm:ada:bo"),
        ("ada", "topic:plan"),
    ]


async def test_an_empty_channel_is_an_empty_file_and_an_unknown_format_is_refused(office: OfficeUnderTest) -> None:
    await office.chairman.post("/api/channels", {"id": "ops"})
    assert (await _export(office.chairman, "ops"))[2] == ""
    status, _, text = await _export(office.chairman, "ops", "pdf")
    assert (status, json.loads(text)["error"]["field"]) == (400, "format")
