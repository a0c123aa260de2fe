"""A scripted server, and CLIs that start the compiled bridge under its shell loop, each in a folder of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.command import bridge_command, compile_bridge
from tests.bridge.cli import Cli
from tests.bridge.scripted_server import ScriptedServer, scripted_server

ERAS = ("modern", "handshake")
Launch = Callable[..., Awaitable[Cli]]


@dataclass
class Bridge:
    """How to start bridges of one agent."""

    url: str
    folder: Path
    compiled: Path
    clis: list[Cli] = field(default_factory=list)

    @property
    def token_file(self) -> Path:
        return self.folder / "token"

    @property
    def state_folder(self) -> Path:
        return self.folder / "bridge"

    def command(self, **options: float) -> tuple[str, list[str]]:
        entry = bridge_command(
            python=sys.executable, compiled=self.compiled, url=self.url, token_file=self.token_file, agent="dev",
            run_id="run-1", state_folder=self.state_folder,
        )  # fmt: skip
        more = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        return str(entry["command"]), [*entry["args"], *more]

    async def launch(
        self,
        era: str = "modern",
        *,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
        stdin: str = "socket",
        stdout: int = asyncio.subprocess.PIPE,
        **options: float,
    ) -> Cli:
        """Start a CLI whose bridge has these options."""
        command, arguments = self.command(**options)
        variables = {"PATH": os.environ["PATH"], **(environment or {})}
        cli = await Cli.launch(
            command, arguments, era, cwd=cwd or self.folder, environment=variables, stdin=stdin, stdout=stdout
        )
        self.clis.append(cli)
        return cli


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_bridge(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as started:
        yield started


@pytest.fixture
async def bridge(server: ScriptedServer, compiled: Path, tmp_path: Path) -> AsyncIterator[Bridge]:
    started = Bridge(server.url, tmp_path, compiled)
    started.token_file.write_text(server.token + "\n")
    yield started
    for cli in started.clis:
        await cli.clear_away()
