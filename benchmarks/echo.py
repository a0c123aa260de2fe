"""The limit of HTTP: a bare aiohttp handler, JSON in and JSON out; no middleware, no other route, nothing stored."""

import asyncio
import json
import sys

import orjson
from aiohttp import web

from benchmarks.machine import free_port


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=orjson.dumps(orjson.loads(await request.read())), content_type="application/json")


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/api/send", _echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
