"""Nobody comes in who is not expressly let in: credentials, hosts, origins, forms."""

import itertools
import re
from typing import Any

import aiohttp
import pytest

from server.core.operation import Registry
from server.core.permission import ANYBODY
from server.features.catalogue import FEATURES
from tests.conftest import OfficeUnderTest, open_office

OPEN = {"/healthz", "/readyz", "/api/health", "/api/openapi.json", "/api/session", "/api/register"}
BY_LINK = {"/api/decisions", "/api/decisions/look"}
"""Their credential is the code of a link, in the body; without one they refuse the body."""
STATIC = re.compile(r"^/(assets/.*|c/.*|dm/.*|agents.*|tasks.*|m)?$")


async def _routes(office: OfficeUnderTest) -> list[tuple[str, str]]:
    document = await office.chairman.get("/api/openapi.json")
    named = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    beside = [
        ("GET", "/api/events"), ("GET", "/api/events/poll"), ("POST", "/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp"),
        ("GET", "/ws/terminal"), ("POST", "/api/agents/a/terminal/ticket"), ("GET", "/api/agents/a/logs"),
        ("POST", "/api/agents/a/hooks"), ("POST", "/api/agents/a/pushes"), ("GET", "/metrics"),
    ]  # fmt: skip
    return named + beside


async def test_no_route_answers_without_credentials_but_the_open_ones(office: OfficeUnderTest) -> None:
    anybody = office.chairman.as_member(None)
    for method, path in await _routes(office):
        if path in OPEN | BY_LINK:
            continue
        filled = re.sub(r"\{\w+\}", "x", path)
        status, answer = await anybody.ask(method, filled, {} if method == "POST" else None)
        assert status == 401, (method, path, status, answer)
        assert answer["error"]["code"] == "not_signed_in"
    for path in BY_LINK:
        status, answer = await anybody.ask("POST", path, {"code": "x" * 40, "decision": "approve"})
        assert status in (400, 401), (path, status, answer)
        assert "approval" not in answer


async def test_every_route_of_the_router_is_known_and_takes_a_permission(office: OfficeUnderTest) -> None:
    known = {path for _, path in await _routes(office)}
    operations = {operation.path for operation in Registry(FEATURES) if operation.path}
    assert operations <= known
    assert {operation.name for operation in Registry(FEATURES) if operation.allow is ANYBODY} == {
        "register",
        "open_session",
        "look_at_decision",
        "decide_by_link",
    }


@pytest.mark.parametrize("token", ["", "nonsense", "bp_test_" + "A" * 38, "Bearer"])
async def test_a_wrong_token_is_refused_without_a_word_of_why(office: OfficeUnderTest, token: str) -> None:
    status, answer = await office.chairman.as_member(None).ask("GET", "/api/me", Authorization=f"Bearer {token}")

    assert (status, answer["error"]["code"]) == (401, "not_signed_in")


async def test_a_revoked_token_is_refused_at_once(office: OfficeUnderTest) -> None:
    minted = await office.chairman.post("/api/tokens", {"name": "ci", "kind": "bot"})
    bot = office.chairman.as_member(minted["token"])
    await bot.get("/api/me")
    status, _ = await office.chairman.ask("DELETE", f"/api/tokens/{minted['id']}")

    assert status == 200
    assert (await bot.ask("GET", "/api/me"))[0] == 401


HOSTS = [
    *("{own}", "localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}", "evil.example", "evil.example:{port}"),
    *("127.0.0.1", "localhost", "127.0.0.1:1", "{own}.evil.example", "user@{own}", "0.0.0.0:{port}"),
]
ORIGINS = [
    *(None, "", "null", "file://", "http://{host}", "https://{host}", "http://evil.example"),
    *("http://{host}.evil.example", "http://localhost:1", "http://127.0.0.1", "http://[::1]:{port}"),
    "http://localhost:{port}",
]
REQUESTS = [
    ("GET", "/api/me"),
    ("POST", "/api/send"),
    ("DELETE", "/api/tokens/tok_99"),
    ("GET", "/api/events"),
    ("GET", "/ws/terminal?ticket=x"),
    ("POST", "/mcp"),
]


async def test_hosts_and_origins_of_others_are_refused_on_every_kind_of_route(office: OfficeUnderTest) -> None:
    own = office.url.removeprefix("http://")
    port = own.rpartition(":")[2]
    good = {own, f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"}
    headers = {"Authorization": f"Bearer {office.chairman.token}"}
    checked = 0
    timeout = aiohttp.ClientTimeout(sock_connect=5)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=8)) as session:
        for host_form, origin_form, (method, path) in itertools.product(HOSTS, ORIGINS, REQUESTS):
            host = host_form.format(own=own, port=port)
            origin = None if origin_form is None else origin_form.format(host=host, port=port)
            sent = headers | {"Host": host} | ({} if origin is None else {"Origin": origin})
            async with session.request(
                method, office.url + path, headers=sent, json={} if method == "POST" else None
            ) as got:
                status = got.status
                got.close()
            reads = (method, path) == ("GET", "/api/me")
            if host not in good:
                assert status == 421, (host, origin, method, path, status)
            elif origin not in (None, f"http://{host}") and not reads:
                assert status == 403, (host, origin, method, path, status)
            else:
                allowed = {"/api/me": {200}, "/api/events": {200}, "/ws/terminal?ticket=x": {403}}
                assert status in allowed.get(path, {400, 404, 406}), (host, origin, method, path, status)
            checked += 1
    assert checked == 864


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_plain_form_can_send_is_refused(office: OfficeUnderTest, media: str) -> None:
    headers = {"Authorization": f"Bearer {office.chairman.token}", "Content-Type": media}
    async with office.chairman.session.post(
        office.url + "/api/send", data=b'{"channel":"general"}', headers=headers
    ) as got:
        assert got.status == 415


async def _signed_in(office: OfficeUnderTest, session: aiohttp.ClientSession) -> Any:
    code = office.ready.sign_in_url.partition("#k=")[2]
    async with session.post(office.url + "/api/session", json={"link": code}) as got:
        assert got.status == 201
        cookie = got.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        return await got.json()


async def test_a_sign_in_link_works_once_and_a_cookie_writes_only_with_its_csrf_value(office: OfficeUnderTest) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        csrf = (await _signed_in(office, session))["csrf"]
        code = office.ready.sign_in_url.partition("#k=")[2]
        async with session.post(office.url + "/api/session", json={"link": code}) as again:
            assert again.status == 401
        message = {"channel": "general", "content": "hello"}
        for header, status in (({}, 403), ({"X-CSRF": "x"}, 403), ({"X-CSRF": csrf}, 201)):
            async with session.post(office.url + "/api/send", json=message, headers=header) as got:
                assert got.status == status
        async with session.delete(office.url + "/api/session", headers={"X-CSRF": csrf}) as got:
            assert got.status == 200
        async with session.get(office.url + "/api/me") as got:
            assert got.status == 401


async def test_no_secret_is_stored_as_it_is(office: OfficeUnderTest) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        await _signed_in(office, session)
        cookie = next(iter(session.cookie_jar)).value
    minted = await office.chairman.post("/api/tokens", {"name": "ci", "kind": "bot"}, **{"Idempotency-Key": "once"})
    code = office.ready.sign_in_url.partition("#k=")[2]
    kept = b"".join(file.read_bytes() for file in office.config.data.glob("team.sqlite3*"))

    assert all(secret.encode() not in kept for secret in (minted["token"], code, cookie, str(office.chairman.token)))
    assert re.search(rb"bp_test_[0-9A-Za-z]{38}", kept) is None


async def test_every_error_has_one_shape_and_tells_nothing_of_the_inside(office: OfficeUnderTest) -> None:
    door = office.chairman
    cases = [
        ("GET", "/api/nothing", None, 404), ("PUT", "/api/me", None, 405), ("POST", "/api/send", {"chanel": "x"}, 400),
        ("POST", "/api/send", {"channel": "genral", "content": "x"}, 404), ("GET", "/api/history", None, 400),
        ("POST", "/api/send", {"channel": "general", "content": "x" * 40_000}, 413),
        ("POST", "/api/send", {"channel": "general", "content": "x" * 1_000_000}, 413),
        ("GET", "/api/history?channel=general&limit=100000", None, 400), ("GET", "/api/agents/nobody", None, 404),
    ]  # fmt: skip
    for method, path, body, expected in cases:
        status, answer = await door.ask(method, path, body)
        assert status == expected, (path, answer)
        assert set(answer["error"]) == {"code", "message", "hint", "field"}
        assert "Traceback" not in str(answer)


async def test_two_teams_with_the_same_names_see_nothing_of_each_other(tmp_path: Any) -> None:
    async with open_office(tmp_path / "one") as one, open_office(tmp_path / "two") as two:
        ada = await one.member("ada")
        await two.member("ada")
        await ada.send("general", "only for team one")

        assert (await two.chairman.get("/api/history?channel=general"))["messages"] == []
        assert (await two.chairman.as_member(ada.token).ask("GET", "/api/me"))[0] == 401
