"""The server as one agent sees it: requests under its token, which may be exchanged for another at any time."""

from __future__ import annotations

from bridge import VERSION
from bridge.http import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.http import Address, Connection, Limit, Response
    from bridge.token_file import TokenFile


class Refused(Exception):
    """The server will not do it, and did not. The text is for the model."""


class Endpoint:
    """Requests with the agent's token. A refused token is read again from its file, and the request repeated once."""

    def __init__(self, address: Address, token_file: TokenFile, run_id: str) -> None:
        self._client = Client(address)
        self._token_file = token_file
        self._headers = {
            "Content-Type": "application/json",
            "X-Bullpen-Client": f"bridge/{VERSION}",
            "X-Bullpen-Run": run_id,
        }

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        limit: Limit,
        carried_by: Callable[[Connection], None] = lambda connection: None,
    ) -> Response:
        """Return the answer, which must be given to `done`. Raises NothingSent, Cut, Refused."""
        while True:
            token = self._token_file.token
            every = {**self._headers, "Authorization": f"Bearer {token}", **headers}
            response = self._client.send(method, path, every, body, limit, carried_by)
            if response.status != 401:
                return response
            self.done(response)
            if not self._token_file.renew(token):
                raise Refused("not_signed_in: your token is not accepted. Tell your operator.")

    def done(self, response: Response) -> None:
        """Take an answer back that is read, or that nobody reads any further."""
        self._client.done(response)
