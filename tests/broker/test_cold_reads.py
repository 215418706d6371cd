"""What is not in memory is read by threads: the loop never waits for the disk, and whoever needs it gets it."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.broker import Broker
from broker.cold_reads import ColdReads
from protocol.errors import ErrorCode
from storage.cold_read import ColdRead
from storage.descriptors import CachedFile, DescriptorCache
from storage.filesystem import Filesystem
from tests.support.cold_disk import ColdDisk
from tests.support.record_batches import Record, decode_batches
from tests.support.records_over_the_wire import fetch, list_offset, produce
from tests.support.running_broker import running
from tests.support.wait import DEADLINE_S
from tests.support.wire import ConnectionClosed, WireClient

BATCHES = 500
BATCH_BYTES = 6_000
SEGMENT_BYTES = 1 << 20
# Within the first segment, and within a later one: where these are, only the disk knows.
FIRST, LATER = 37, 400


class World:
    """A broker with one topic of BATCHES batches of a record each, in segments of a megabyte, all of them cold."""

    def __init__(self, broker: Broker, disk: ColdDisk, directory: Path) -> None:
        self.broker = broker
        self.disk = disk
        self.directory = directory
        self.address = broker.server.endpoints()[0]
        self.values = [bytes([index % 256]) * BATCH_BYTES for index in range(BATCHES)]

    async def call(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call a blocking client in a thread."""
        return await asyncio.to_thread(function, *arguments, **keywords)

    async def fetch(self, offset: int, **keywords: Any) -> Any:
        """Fetch on a connection of its own."""

        def on_own_connection() -> Any:
            with WireClient(self.address) as wire:
                return fetch(wire, "t", offset, **keywords)

        return await self.call(on_own_connection)

    def check(self, answer: Any, offset: int) -> None:
        """The records are those that were produced, from the offset on."""
        assert answer.error_code == 0
        batches = decode_batches(answer.records)
        values = [record.value for batch in batches for record in batch.records]
        assert values
        assert values == self.values[offset : offset + len(values)]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Let the loop turn until it is so."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0)

    def pinned(self) -> int:
        """How many times files of the log are pinned."""
        partition = self.broker.partitions.get("t", 0)
        assert partition is not None
        return sum(file.pins for segment in partition.log.segments for file in segment.files)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with _world(tmp_path) as world:
        yield world


@asynccontextmanager
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    disk = ColdDisk()
    async with running(tmp_path, disk) as broker:
        world = World(broker, disk, tmp_path / "broker-0" / "t-0")

        def fill() -> None:
            with WireClient(world.address) as wire:
                config = [{"name": "segment.bytes", "value": str(SEGMENT_BYTES)}]
                topic = {
                    "name": "t",
                    "num_partitions": 1,
                    "replication_factor": 1,
                    "assignments": [],
                    "configs": config,
                }
                (made,) = wire.ask("CreateTopics", 5, topics=[topic], timeout_ms=30_000, validate_only=False).topics
                assert made.error_code == 0
                for index, value in enumerate(world.values):
                    produce(wire, "t", Record(value, timestamp=1_000_000 + index))

        await world.call(fill)
        partition = broker.partitions.get("t", 0)
        assert partition is not None
        assert len(partition.log.segments) == 3
        world.disk.chill(world.directory)
        try:
            yield world
        finally:
            disk.answers.set()
        assert world.disk.held == []


@pytest.mark.parametrize("offset", [0, FIRST, LATER])
async def test_a_fetch_of_cold_data(world: World, offset: int) -> None:
    world.check(await world.fetch(offset), offset)
    assert world.disk.reads
    reads = world.disk.reads
    world.check(await world.fetch(offset), offset)
    assert world.disk.reads == reads, "it is in memory now"
    await world.until(lambda: not world.pinned(), "everything is let go of")


async def test_a_batch_that_is_copied_into_the_reply(world: World) -> None:
    answer = await world.fetch(FIRST, max_bytes=1)
    world.check(answer, FIRST)
    assert len(decode_batches(answer.records)) == 1


@pytest.mark.parametrize("offset", [0, FIRST])
async def test_others_are_answered_while_the_disk_is_silent(world: World, offset: int) -> None:
    world.disk.answers.clear()
    slow = asyncio.create_task(world.fetch(offset))
    await world.until(lambda: world.disk.waiting, "the disk is asked")

    def another() -> None:
        with WireClient(world.address) as wire:
            assert produce(wire, "t", Record(b"new")) == BATCHES
            (new,) = decode_batches(fetch(wire, "t", BATCHES).records)
            assert new.records[0].value == b"new"

    await world.call(another)
    assert not slow.done()
    world.disk.answers.set()
    world.check(await slow, offset)


async def test_replies_stay_in_order(world: World) -> None:
    def pipeline() -> None:
        with WireClient(world.address) as wire:
            fields = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20}
            asked = []
            for offset in (FIRST, 0, LATER):
                wanted = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
                asked.append(wire.send("Fetch", 12, topics=[{"topic": "t", "partitions": [wanted]}], **fields))
                asked.append(wire.send("ApiVersions", 2))
            for index, offset in enumerate((FIRST, 0, LATER)):
                (topic,) = wire.receive("Fetch", 12, asked[2 * index]).responses
                world.check(topic.partitions[0], offset)
                wire.receive("ApiVersions", 2, asked[2 * index + 1])

    await world.call(pipeline)


@pytest.mark.parametrize("offset", [0, FIRST])
async def test_a_client_that_leaves_meanwhile(world: World, offset: int) -> None:
    world.disk.answers.clear()
    with WireClient(world.address) as wire:
        wanted = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
        topics = [{"topic": "t", "partitions": [wanted]}]
        wire.send("Fetch", 12, topics=topics, max_wait_ms=0, min_bytes=0, max_bytes=1 << 20)
        await world.until(lambda: world.disk.waiting, "the disk is asked")
        (connection,) = world.broker.server._connections
        connection.close()
    assert world.pinned(), "what is being read stays open"
    world.disk.answers.set()
    await world.until(lambda: not world.pinned(), "it is let go of")
    world.check(await world.fetch(offset), offset)


async def test_a_segment_that_is_deleted_while_it_is_sent(world: World) -> None:
    world.disk.answers.clear()
    slow = asyncio.create_task(world.fetch(0))
    await world.until(lambda: world.disk.waiting, "the disk is asked")
    await _delete_records(world, 200)
    assert len(list(world.directory.glob("*.log"))) == 2
    world.disk.answers.set()
    world.check(await slow, 0)


async def test_a_segment_that_is_deleted_while_it_is_searched(world: World) -> None:
    world.disk.answers.clear()
    slow = asyncio.create_task(world.fetch(FIRST))
    await world.until(lambda: world.disk.waiting, "the disk is asked")
    await _delete_records(world, 200)
    world.disk.answers.set()
    assert (await slow).error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def _delete_records(world: World, offset: int) -> None:
    def delete() -> None:
        with WireClient(world.address) as wire:
            wanted = [{"name": "t", "partitions": [{"partition_index": 0, "offset": offset}]}]
            (topic,) = wire.ask("DeleteRecords", 2, topics=wanted, timeout_ms=30_000).topics
            assert topic.partitions[0].error_code == 0

    await world.call(delete)


async def test_a_file_that_is_cut_short(world: World) -> None:
    first = min(world.directory.glob("*.log"))
    world.disk.answers.clear()
    slow = asyncio.create_task(world.fetch(0))
    await world.until(lambda: world.disk.waiting, "the disk is asked")
    os.truncate(first, 5 * BATCH_BYTES)
    world.disk.answers.set()
    with pytest.raises(ConnectionClosed):
        await slow
    world.check(await world.fetch(LATER), LATER)


async def test_a_disk_that_fails_while_records_are_searched(world: World) -> None:
    world.disk.answers.clear()
    slow = asyncio.create_task(world.fetch(FIRST))
    await world.until(lambda: world.disk.waiting, "the disk is asked")
    world.disk.error = OSError(errno.EIO, "broken")
    world.disk.answers.set()
    assert (await slow).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    # It is asked once more, so that the error is met where errors of a partition are.
    assert len(world.disk.held) == 1
    world.disk.held.clear()
    world.disk.error = None


async def test_a_disk_that_fails_while_records_are_sent(world: World) -> None:
    world.disk.error = OSError(errno.EIO, "broken")
    with pytest.raises(ConnectionClosed):
        await world.fetch(0)
    world.disk.error = None
    await world.until(lambda: not world.pinned(), "everything is let go of")
    world.check(await world.fetch(0), 0)


async def test_a_search_by_timestamp(world: World) -> None:
    world.disk.answers.clear()

    def search(timestamp: int) -> Any:
        with WireClient(world.address) as wire:
            return list_offset(wire, "t", timestamp)

    slow = asyncio.create_task(world.call(search, 1_000_000 + LATER))
    await world.until(lambda: world.disk.waiting, "the disk is asked")
    assert (await world.call(search, -1)).offset == BATCHES
    world.disk.answers.set()
    assert (await slow).offset == LATER
    world.disk.chill(world.directory)
    assert (await world.call(search, -3)).offset == BATCHES - 1
    assert (await world.call(search, 2_000_000)).offset == -1


async def test_a_segment_that_is_deleted_while_a_timestamp_is_searched(world: World) -> None:
    world.disk.answers.clear()

    def search() -> Any:
        with WireClient(world.address) as wire:
            return list_offset(wire, "t", 1_000_000 + FIRST)

    slow = asyncio.create_task(world.call(search))
    await world.until(lambda: world.disk.waiting, "the disk is asked")
    await _delete_records(world, 200)
    world.disk.answers.set()
    assert (await slow).offset == 200


async def test_the_end_while_the_disk_is_read(tmp_path: Path) -> None:
    async with _world(tmp_path) as world:
        world.disk.answers.clear()
        slow = asyncio.create_task(world.fetch(0))
        await world.until(lambda: world.disk.waiting, "the disk is asked")
        world.disk.answers.set()
    await asyncio.gather(slow, return_exceptions=True)


# --- the threads ---------------------------------------------------------------------------------------------------


class Disks(Filesystem):
    """Files of which those of one inode are read when a test says so, or with an error of any kind."""

    def __init__(self) -> None:
        super().__init__()
        self.hung = -1
        self.answers = threading.Event()
        self.error: Exception | None = None

    def read_in(self, fd: int, position: int, count: int) -> None:
        if self.error is not None:
            raise self.error
        if os.fstat(fd).st_ino == self.hung:
            assert self.answers.wait(DEADLINE_S)


def made_file(cache: DescriptorCache, path: Path) -> CachedFile:
    path.parent.mkdir(parents=True)
    file = CachedFile(cache, str(path))
    file.create()
    return file


async def test_a_disk_that_hangs_does_not_hold_up_another(tmp_path: Path) -> None:
    disks = Disks()
    cache = DescriptorCache(disks)
    hung = made_file(cache, tmp_path / "a/t-0/0.log")
    healthy = made_file(cache, tmp_path / "b/t-1/0.log")
    disks.hung = os.stat(hung.path).st_ino
    threads = ColdReads()
    answered: list[Exception | None] = []
    for _ in range(20):
        threads.read_in((ColdRead(healthy, 0, 1), ColdRead(hung, 0, 1)), answered.append)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await threads.wait_for(ColdRead(healthy, 0, 1))
        assert answered == []
        assert hung.pins == 20
    finally:
        disks.answers.set()
    async with asyncio.timeout(DEADLINE_S):
        while len(answered) < 20:
            await asyncio.sleep(0)
    assert answered == [None] * 20
    assert (hung.pins, healthy.pins) == (0, 0)
    await threads.close()
    cache.close_all()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ValueError("a mistake of ours")])
async def test_whoever_waits_is_told_of_any_error(tmp_path: Path, error: Exception) -> None:
    disks = Disks()
    cache = DescriptorCache(disks)
    file = made_file(cache, tmp_path / "a/t-0/0.log")
    disks.error = error
    threads = ColdReads()
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(type(error), match=r"broken|mistake"):
            await threads.wait_for(ColdRead(file, 0, 1))
    assert file.pins == 0
    await threads.close()
    cache.close_all()


async def test_a_file_that_cannot_be_opened_leaves_nothing_pinned(tmp_path: Path) -> None:
    cache = DescriptorCache(Disks())
    file = made_file(cache, tmp_path / "a/t-0/0.log")
    other = made_file(cache, tmp_path / "b/t-0/0.log")
    gone = CachedFile(cache, str(tmp_path / "a/t-0/1.log"))
    threads = ColdReads()
    answered: list[Exception | None] = []
    threads.read_in([ColdRead(each, 0, 1) for each in (file, other, gone)], answered.append)
    assert not answered, "never at once"
    async with asyncio.timeout(DEADLINE_S):
        while not answered:
            await asyncio.sleep(0)
    (error,) = answered
    assert isinstance(error, FileNotFoundError)
    assert (file.pins, other.pins) == (0, 0)
    await threads.close()
    cache.close_all()
