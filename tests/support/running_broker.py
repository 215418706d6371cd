"""A whole broker in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from broker.broker import Broker
from broker.clock import Clock
from broker.config import Config
from broker.data_directory import DataDirectory
from storage.filesystem import Filesystem


@asynccontextmanager
async def running(
    path: Path,
    filesystem: Filesystem | None = None,
    on_failure: Callable[[], None] = lambda: None,
    settings: dict[str, str] | None = None,
) -> AsyncIterator[Broker]:
    """Start a broker on the directory, on a free port of 127.0.0.1, and stop it at the end."""
    filesystem = filesystem or Filesystem()
    directory = DataDirectory(str(path), filesystem)
    config = Config({"listeners": "PLAINTEXT://127.0.0.1:0", **(settings or {})})
    broker = Broker(config, directory, clock=Clock(), filesystem=filesystem)
    try:
        await broker.start(on_failure)
        try:
            yield broker
        finally:
            await broker.stop()
    finally:
        directory.close()
