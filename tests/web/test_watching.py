"""What monitoring programs ask: is it alive, does it store, and how much is there."""

import sqlite3

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import OfficeUnderTest


async def test_the_figures_are_as_prometheus_reads_them_and_tell_nothing_that_was_said(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await office.chairman.send("general", "@ada the secret plan")
    await office.chairman.post("/api/tasks", {"title": "Look into it"})
    headers = {"Authorization": f"Bearer {ada.token}"}

    async with ada.session.get(f"{office.url}/metrics", headers=headers) as response:
        text = await response.text()

    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["bullpen_members", "human"] == found["bullpen_members", "agent"] == 1
    assert found["bullpen_deliveries_open", "stored"] == 1
    assert found["bullpen_tasks", "todo"] == 1
    assert found["bullpen_messages",] == 1
    assert found["process_resident_memory_bytes",] > 1e6
    assert "secret plan" not in text


async def test_it_is_ready_while_it_stores_and_alive_all_the_while(office: OfficeUnderTest) -> None:
    async def ask(path: str) -> int:
        async with aiohttp.ClientSession() as session, session.get(office.url + path) as response:
            return response.status

    assert await ask("/healthz") == 200
    other = sqlite3.connect(office.config.data / "team.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        # Storage is asked before it says so; another program holds it for longer than it waits.
        assert await ask("/readyz") == 503
        assert await ask("/healthz") == 200
    finally:
        other.close()
    assert await ask("/readyz") == 200
