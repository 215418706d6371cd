"""A broker with two log directories in the test's own process, asked over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from broker.broker import Broker
from broker.core.controller.topic_creation import NewTopic
from storage.filesystem import Filesystem
from tests.support.running_broker import running
from tests.support.wire import WireClient


class Place(NamedTuple):
    """Where DescribeLogDirs shows a log, or the copy of one that is being moved."""

    log_dir: str
    topic: str
    partition: int
    size_bytes: int
    offset_lag: int
    is_future: bool


class LogDirs:
    """The broker, its log directories `a` and `b`, and a client."""

    def __init__(self, broker: Broker, path: Path, wire: WireClient) -> None:
        self.broker = broker
        self.a, self.b = str(path / "a"), str(path / "b")
        self._wire = wire

    async def ask(self, api: str, version: int, **fields: Any) -> Any:
        return await asyncio.to_thread(self._wire.ask, api, version, **fields)

    async def describe(self, topics: Sequence[dict[str, Any]] | None = None, version: int = 5) -> list[Place]:
        """Everything that DescribeLogDirs shows, in its order."""
        answer = await self.ask("DescribeLogDirs", version, topics=topics)
        return [
            Place(
                result.log_dir,
                topic.name,
                partition.partition_index,
                partition.partition_size,
                partition.offset_lag,
                partition.is_future_key,
            )
            for result in answer.results
            for topic in result.topics
            for partition in topic.partitions
        ]

    async def alter(self, *wanted: tuple[str, str, Sequence[int]], version: int = 2) -> dict[tuple[str, int], int]:
        """The code of each partition of a request for moves as (path, topic, partitions)."""
        answer = await self.ask(
            "AlterReplicaLogDirs",
            version,
            dirs=[
                {"path": path, "topics": [{"name": topic, "partitions": [*indexes]}]} for path, topic, indexes in wanted
            ],
        )
        return {
            (topic.topic_name, partition.partition_index): int(partition.error_code)
            for topic in answer.results
            for partition in topic.partitions
        }

    async def create(self, topic: str, *places: str) -> None:
        """Make a topic with a partition in each of these directories."""
        for index, path in enumerate(places):
            self.broker.logs.moves.prefer((topic, index), path)
        await self.broker.topics.create(
            [NewTopic(topic, len(places), 1)], may_create=lambda name: True, timeout_ms=30_000
        )

    def append(self, topic: str, records: bytes | bytearray, index: int = 0) -> None:
        partition = self.broker.partitions.get(topic, index)
        assert partition is not None
        partition.append_as_leader(records, self.broker.clock.now_ms(), acks=1)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.001)


@asynccontextmanager
async def running_with_log_dirs(path: Path, filesystem: Filesystem | None = None) -> AsyncIterator[LogDirs]:
    """Start it, or start it again, on the directory."""
    settings = {"log.dirs": f"{path / 'a'},{path / 'b'}"}
    async with running(path / "data", filesystem, settings=settings) as broker:
        [address] = broker.endpoints()
        with WireClient(address) as wire:
            yield LogDirs(broker, path, wire)
