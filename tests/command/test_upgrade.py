"""Whether a newer version is published, asked of a package index on this machine."""

import http.server
import os
import threading
from collections.abc import Iterator

import pytest

import server
from tests.command.conftest import Desk


class _Index(http.server.BaseHTTPRequestHandler):
    versions: tuple[str, ...] = ()

    def do_GET(self) -> None:
        links = "".join(f'<a href="/bullpen-{one}-py3-none-any.whl">bullpen-{one}</a>' for one in self.versions)
        body = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        self.send_response(200 if "/bullpen/" in self.path else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name it has)
        """Say nothing."""


@pytest.fixture
def index() -> Iterator[dict[str, str]]:
    """Serve a package index, and return the environment that makes pip ask it and no other."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Index) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{serving.server_address[1]}/simple"
        yield {"PIP_INDEX_URL": address, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}
        serving.shutdown()
        thread.join()


def test_a_newer_version_is_named_with_how_to_get_it(desk: Desk, index: dict[str, str]) -> None:
    desk.environment |= index
    _Index.versions = ("0.0.1", "99.1.0")
    done = desk.bullpen("upgrade", "--check")
    assert (done.returncode, done.stdout) == (0, "99.1.0\n"), done.stderr
    assert "pipx upgrade bullpen" in done.stderr


def test_the_newest_is_said_to_be_so(desk: Desk, index: dict[str, str]) -> None:
    desk.environment |= index
    _Index.versions = (server.__version__,)
    done = desk.bullpen("upgrade", "--check")
    assert done.stdout == f"{server.__version__}\n"
    assert "is the newest" in done.stderr


def test_an_index_that_knows_of_none_is_told(desk: Desk, index: dict[str, str]) -> None:
    desk.environment |= index
    _Index.versions = ()
    done = desk.bullpen("upgrade", "--check")
    assert done.returncode == 7
    assert "could not be asked" in done.stderr
    assert desk.bullpen("upgrade").returncode == 2
