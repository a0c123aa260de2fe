"""Backups over HTTP: `GET /api/backups` lists them, `POST /api/backups` makes one. Restoring takes the server down."""

import sqlite3
from dataclasses import asdict

from aiohttp import web

from server.backup.archive import BackupFile
from server.backup.keeper import Backups
from server.core.errors import BadArgument, StorageFull
from server.core.permission import MANAGE_DATA
from server.dispatch import Dispatch
from server.web.routes import json_object, json_response
from server.web.security import CALLER, add_route, door_of


class BackupRoutes:
    """The two routes. What is made is recorded in the name of whoever asked."""

    def __init__(self, dispatch: Dispatch, backups: Backups) -> None:
        self._dispatch = dispatch
        self._backups = backups

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/backups", self._list, MANAGE_DATA)
        add_route(app, "POST", "/api/backups", self._make, MANAGE_DATA)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return json_response({"backups": [asdict(backup) for backup in await self._backups.listed()]})

    async def _make(self, request: web.Request) -> web.StreamResponse:
        asked = await json_object(request)
        with_agents = asked.pop("with_agents", False)
        if asked or not isinstance(with_agents, bool):
            raise BadArgument("A backup takes `with_agents`: true or false, and nothing else.", field="with_agents")
        caller, door = request[CALLER], door_of(request)

        async def record(made: BackupFile) -> None:
            operation = self._dispatch.registry["record_backup"]
            await self._dispatch.run(operation, caller, {"backup": made}, door=door)

        try:
            made = await self._backups.make("manual", record, with_agents=with_agents)
        except (OSError, sqlite3.OperationalError) as failure:
            raise StorageFull(
                f"The backup could not be written: {failure}.", hint="Make room on the disk."
            ) from failure
        return json_response(asdict(made), status=201)
