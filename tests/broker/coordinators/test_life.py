"""A coordinator's partition comes, is loaded, serves, and goes: nobody is left waiting, no timer outlives it."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.core.result import CoordinatorRecord, Moment, Result
from broker.partition import ACKS_ALL
from protocol.checksum import crc32c
from protocol.errors import ErrorCode
from protocol.records import Record
from storage.filesystem import Filesystem
from storage.log_config import LogConfig
from tests.support import record_batches
from tests.support.built_batches import build_batch
from tests.support.toy_coordinator import HeldBackPartition, ToyRuntime, Toys, turns

NOW_MS = 1_700_000_000_000


class FailingReads(Filesystem):
    """Reads fail, or come short, once a test says so."""

    error: OSError | None = None
    short: bool = False

    def pread(self, fd: int, count: int, position: int) -> bytes:
        if self.error is not None:
            raise self.error
        return super().pread(fd, count // 2 if self.short and count > 100 else count, position)


def write(partition: HeldBackPartition, batch: bytes) -> None:
    partition.append_as_leader(batch, NOW_MS, ACKS_ALL)


def batch_of(*records: tuple[bytes | None, bytes | None], attributes: int = 0) -> bytes:
    return bytes(build_batch([Record(i, NOW_MS, *pair) for i, pair in enumerate(records)], attributes=attributes))


def count(toys: ToyRuntime, name: bytes) -> None:
    assert isinstance(toys.call(lambda shard: shard.add(name)), int)


def put(toys: ToyRuntime, records: list[CoordinatorRecord]) -> None:
    assert toys.call(lambda shard: Result("written", records)) == "written"


async def restarted(toys: ToyRuntime, index: int = 0) -> HeldBackPartition:
    """Lead the partition anew, as after a restart, and wait until it is loaded."""
    toys.leave(index)
    partition = toys.lead(index)
    await toys.loaded()
    return partition


# --- loading -----------------------------------------------------------------------------------------------------


async def test_a_partition_without_records_serves_at_once(toys: ToyRuntime) -> None:
    toys.clock.advance(5)
    toys.lead()
    assert toys.call(lambda shard: shard.get(b"a")) == 0
    assert toys.shards[0].loaded_at == Moment(toys.clock.now_ms(), 5)


async def test_the_state_is_what_the_log_says(toys: ToyRuntime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    toys.lead()
    for name in (b"a", b"b", b"a"):
        count(toys, name)
    toys.call(lambda shard: Result("gone", [CoordinatorRecord(b"b", None)]))
    toys.leave()
    toys.lead()
    assert toys.call(lambda shard: shard.get(b"a")) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    await toys.loaded()
    lived, loaded = toys.shards
    assert loaded.replayed == lived.replayed
    assert toys.call(lambda shard: shard.get(b"a")) == 2
    assert "[toys] 1 partitions were loaded in 0 ms: 4 records" in caplog.text


async def test_records_that_are_not_committed_yet_are_loaded_and_not_shown(toys: ToyRuntime) -> None:
    toys.lead()
    toys.call(lambda shard: shard.add(b"a"))
    toys.leave()
    partition = toys.host()
    partition.high_watermark = 0
    toys.runtime.follow(toys.partitions)
    while isinstance(read := toys.call(lambda shard: shard.get(b"a")), ErrorCode):
        await asyncio.sleep(0)
    await turns()
    assert not read.done()
    partition.commit()
    assert await read == 1


async def test_large_logs_are_read_in_chunks_and_segments(tmp_path: Path) -> None:
    toys = ToyRuntime(tmp_path, LogConfig(segment_bytes=100_000))
    partition = toys.lead()
    for start in range(0, 20_000, 100):
        records = [CoordinatorRecord(b"%d" % number, b"%d" % number) for number in range(start, start + 100)]
        put(toys, records)
    assert len(partition.log.segments) > 2
    await restarted(toys)
    assert toys.shards[-1].replayed == [(b"%d" % number, b"%d" % number) for number in range(20_000)]
    await toys.close()


async def test_loading_goes_on_in_slices_with_others_turns_in_between(toys: ToyRuntime) -> None:
    toys.lead()
    put(toys, [CoordinatorRecord(b"%d" % i, b"1") for i in range(5_000)])
    toys.leave()

    def takes_time(shard: Toys) -> None:
        replay = shard.replay

        def slowly(key: bytes, value: bytes | None) -> None:
            toys.clock.advance(1)
            replay(key, value)

        shard.replay = slowly  # type: ignore[method-assign]

    toys.prepare_shard = takes_time
    toys.lead()
    shard = toys.shards[-1]
    slices = []
    async with asyncio.timeout(30):
        while len(shard.replayed) < 5_000:
            before = len(shard.replayed)
            await asyncio.sleep(0)
            slices.append(len(shard.replayed) - before)
    assert max(slices) < 5_000 / 10
    await toys.loaded()


async def test_compressed_batches_are_read_and_control_batches_passed_over(toys: ToyRuntime) -> None:
    partition = toys.lead()
    records = [record_batches.Record(b"1", key, timestamp=NOW_MS) for key in (b"a", b"b")]
    write(partition, record_batches.encode_batch(records, codec="zstd"))
    control = bytearray(batch_of((b"\0\0\0\1", b"\0\0\0\0\0\0"), attributes=0x30))
    position = partition.log.size_bytes
    write(partition, batch_of((b"\0\0\0\1", b"\0\0\0\0\0\0")))
    replace_stored(partition, position, control)
    await restarted(toys)
    assert toys.shards[-1].replayed == [(b"a", b"1"), (b"b", b"1")]


def replace_stored(partition: HeldBackPartition, position: int, batch: bytes | bytearray) -> None:
    """Put other bytes where a batch lies, but for its base offset: what no append would take."""
    log = partition.log
    with open(log.segments[-1].file.path, "r+b") as file:
        file.seek(position + 8)
        file.write(batch[8:])


async def test_what_cannot_be_read_stays_and_is_passed_over(toys: ToyRuntime, caplog: pytest.LogCaptureFixture) -> None:
    partition = toys.lead()
    write(partition, batch_of((b"a", b"1")))
    damaged = partition.log.size_bytes
    write(partition, batch_of((b"x", b"1"), (b"x", b"2")))
    bad_crc = partition.log.size_bytes
    write(partition, batch_of((b"y", b"1")))
    write(partition, batch_of((None, b"1"), (b"b", b"1"), (b"c", b"not a number")))
    lying = bytearray(batch_of((b"x", b"1"), (b"x", b"2")))
    lying[61] = 0x70  # the length of the first record, under a good CRC
    lying[17:21] = crc32c(lying[21:]).to_bytes(4, "big")
    replace_stored(partition, damaged, lying)
    flipped = bytearray(batch_of((b"y", b"1")))
    flipped[-2] ^= 1
    replace_stored(partition, bad_crc, flipped)
    size_bytes = partition.log.size_bytes
    partition = await restarted(toys)
    assert toys.shards[-1].replayed == [(b"a", b"1"), (b"b", b"1")]
    assert partition.log.size_bytes == size_bytes
    assert "[toys-0] 4 batches or records of the coordinator are unreadable" in caplog.text
    assert "the batch at offset 1: Record says 56 bytes where" in caplog.text


async def test_a_damaged_batch_header_ends_the_loading(toys: ToyRuntime, caplog: pytest.LogCaptureFixture) -> None:
    partition = toys.host()
    for _ in range(3):
        write(partition, batch_of((b"a", b"1")))
    old_format = bytearray(batch_of((b"a", b"1")))
    old_format[16] = 1
    replace_stored(partition, len(old_format), old_format)
    toys.runtime.follow(toys.partitions)
    async with asyncio.timeout(30):
        while toys.call(lambda shard: shard.get(b"a")) is not ErrorCode.NOT_COORDINATOR:
            await asyncio.sleep(0)
    assert "[toys-0] The coordinator cannot be loaded: CORRUPT_MESSAGE: Batch has magic 1, not 2" in caplog.text


@pytest.mark.parametrize("fault", ["error", "short"])
async def test_a_read_error_ends_the_loading_and_is_reported(tmp_path: Path, fault: str) -> None:
    filesystem = FailingReads()
    toys = ToyRuntime(tmp_path, filesystem=filesystem)
    partition = toys.lead()
    for _ in range(100):
        write(partition, batch_of((b"a", b"1")))
    toys.leave()
    toys.lead()
    if fault == "error":
        filesystem.error = OSError(errno.EIO, "broken")
    else:
        filesystem.short = True
    async with asyncio.timeout(30):
        while toys.call(lambda shard: shard.get(b"a")) is not ErrorCode.NOT_COORDINATOR:
            await asyncio.sleep(0)
    assert [error.errno for error in toys.storage_errors] == [errno.EIO]
    filesystem.error = None
    await toys.close()


async def test_our_own_error_while_loading_leaves_the_others_serving(
    toys: ToyRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    for index in (0, 1):
        toys.lead(index)
        toys.call(lambda shard: shard.add(b"a"), index)
    for index in (0, 1):
        toys.leave(index)

    def fails(shard: Toys) -> None:
        if len(toys.shards) == 2:
            shard.on_loaded = lambda now: 1 / 0  # type: ignore[assignment, method-assign, return-value]

    toys.prepare_shard = fails
    toys.host(0)
    toys.host(1)
    toys.runtime.follow(toys.partitions)
    async with asyncio.timeout(30):
        while toys.call(lambda shard: shard.get(b"a"), 1) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            await asyncio.sleep(0)
    assert toys.call(lambda shard: shard.get(b"a"), 0) is ErrorCode.NOT_COORDINATOR
    assert toys.call(lambda shard: shard.get(b"a"), 1) == 1
    assert "ZeroDivisionError" in caplog.text


async def test_what_begins_with_serving_is_written_and_armed(toys: ToyRuntime) -> None:
    toys.lead()
    toys.call(lambda shard: shard.add(b"a"))
    toys.leave()
    armed, written = Result(), Result(records=[CoordinatorRecord(b"b", b"7")])
    armed.timers["t"] = 10
    toys.prepare_shard = lambda shard: setattr(shard, "loaded", [armed, written])
    toys.lead()
    await toys.loaded()
    shard = toys.shards[-1]
    assert shard.counts == {b"a": 1, b"b": 7}
    await toys.advance(10)
    assert [key for key, _ in shard.fired] == ["t"]


async def test_work_for_all_partitions_reaches_those_that_are_loading(toys: ToyRuntime) -> None:
    toys.lead()
    toys.call(lambda shard: shard.add(b"a"))
    toys.leave()
    toys.lead()
    await toys.runtime.run_on_each(lambda shard, now: shard.add(b"a"))
    await toys.loaded()
    assert toys.call(lambda shard: shard.get(b"a")) == 2


# --- leaving -----------------------------------------------------------------------------------------------------


async def leave(toys: ToyRuntime) -> None:
    toys.leave()


async def lose_directory(toys: ToyRuntime) -> None:
    """As PartitionTable.take_offline: the runtime is not asked to follow anything."""
    toys.partitions.pop(0).leave()


async def close(toys: ToyRuntime) -> None:
    await toys.runtime.close()


@pytest.mark.parametrize(
    ("end", "then"),
    [
        (leave, ErrorCode.NOT_COORDINATOR),
        (lose_directory, ErrorCode.NOT_COORDINATOR),
        (close, ErrorCode.COORDINATOR_NOT_AVAILABLE),
    ],
)
async def test_the_end_answers_who_waits_and_cancels_timers(
    toys: ToyRuntime, end: Callable[[ToyRuntime], Any], then: ErrorCode
) -> None:
    partition = toys.lead()
    waiting = toys.wait_for(b"a", 7)
    toys.arm({"t": 10})
    partition.held_back = True
    held = toys.call(lambda shard: shard.add(b"a"))
    await end(toys)
    assert await waiting is await held is ErrorCode.NOT_COORDINATOR
    assert toys.runtime.waiting_count == len(toys.delayed) == 0
    assert toys.call(lambda shard: shard.get(b"a")) is then
    await toys.advance(10)
    assert toys.shards[0].fired == []


async def test_timers_that_wait_for_their_turn_do_not_fire_after_the_end(toys: ToyRuntime) -> None:
    toys.lead()
    toys.arm({"t": 10})
    toys.clock.advance(10)
    toys.delayed.complete_due()
    await toys.runtime.close()
    await turns()
    assert toys.shards[0].fired == []


async def test_closing_ends_a_loading(toys: ToyRuntime) -> None:
    toys.lead()
    put(toys, [CoordinatorRecord(b"%d" % i, b"1") for i in range(5_000)])
    toys.leave()
    toys.lead()
    await turns(1)
    await toys.runtime.close()
    assert len(toys.shards[-1].replayed) < 5_000
    assert toys.shards[-1].loaded_at is None


async def test_a_partition_that_leaves_while_it_is_loaded_is_not_served(toys: ToyRuntime) -> None:
    for index in (0, 1):
        toys.lead(index)
        toys.call(lambda shard: shard.add(b"a"), index)
        toys.leave(index)
    for index in (0, 1):
        toys.host(index)
    toys.runtime.follow(toys.partitions)
    toys.partitions.pop(0).leave()
    async with asyncio.timeout(30):
        while toys.call(lambda shard: shard.get(b"a"), 1) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            await asyncio.sleep(0)
    assert toys.call(lambda shard: shard.get(b"a"), 0) is ErrorCode.NOT_COORDINATOR
    assert toys.shards[-2].loaded_at is None


async def test_a_partition_that_leaves_before_it_is_loaded_is_not_read(toys: ToyRuntime, tmp_path: Path) -> None:
    for index in (0, 1):
        toys.lead(index)
        toys.call(lambda shard: shard.add(b"a"), index)
        toys.leave(index)
    toys.lead(0)
    toys.lead(1)
    toys.leave(1)
    shutil.rmtree(tmp_path / "toys-1")
    await toys.loaded()
    await turns(10)
    assert toys.call(lambda shard: shard.get(b"a"), 0) == 1
    assert toys.storage_errors == []


async def test_a_closed_runtime_leads_nothing_any_more(toys: ToyRuntime) -> None:
    await toys.runtime.close()
    toys.lead()
    assert toys.shards == []
    assert toys.call(lambda shard: shard.get(b"a")) is ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_a_failing_disk_in_the_middle_of_a_request_ends_the_partition(tmp_path: Path) -> None:
    class FailingWrites(Filesystem):
        error: OSError | None = None

        def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
            if self.error is not None:
                raise self.error
            return super().pwrite(fd, data, position)

    filesystem = FailingWrites()
    toys = ToyRuntime(tmp_path, filesystem=filesystem)
    toys.lead()
    waiting = toys.wait_for(b"a", 1)
    filesystem.error = OSError(errno.EIO, "broken")

    def operation(shard: Toys) -> Result:
        result = shard.add(b"b")
        result.on_refused = lambda code: pytest.fail("nothing is left to be set right")
        return result

    assert toys.call(operation) is ErrorCode.NOT_COORDINATOR
    assert await waiting is ErrorCode.NOT_COORDINATOR
    assert toys.runtime.waiting_count == 0
    filesystem.error = None
    await toys.close()


async def test_a_new_leader_epoch_changes_nothing(toys: ToyRuntime) -> None:
    partition = toys.lead()
    toys.call(lambda shard: shard.add(b"a"))
    waiting = toys.wait_for(b"a", 2)
    partition.lead(2, 0)
    assert toys.call(lambda shard: shard.add(b"a")) == 2
    assert await waiting == 2
