"""A led partition: appends move the high watermark and tell the watchers; epochs fence; reads stop where they must."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.delayed import DelayedRequests
from broker.partition import Partition, PartitionListener, PartitionWatcher
from protocol.errors import ErrorCode, KafkaError
from storage.file_span import FileSpan
from storage.filesystem import Filesystem
from storage.leader_epochs import EpochEnd
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.hosted_topics import batch
from tests.support.manual_clock import ManualClock


class FailingFilesystem(Filesystem):
    """Fails every write and read of a position with one error once told to."""

    error: OSError | None = None

    def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        if self.error is not None:
            raise self.error
        return super().pwrite(fd, data, position)

    def pread(self, fd: int, count: int, position: int) -> bytes:
        if self.error is not None:
            raise self.error
        return super().pread(fd, count, position)


class Watcher(PartitionWatcher):
    def __init__(self) -> None:
        self.committed: list[int] = []
        self.completed = 0

    def on_committed(self, size_bytes: int) -> None:
        self.committed.append(size_bytes)

    def complete(self) -> None:
        self.completed += 1


class Hosted:
    """One partition on a real log, and the errors it reported."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.filesystem = FailingFilesystem()
        self.log = Log.create(str(directory), "t", 0, LogConfig(), self.filesystem, now_ms=0)
        self.delayed = DelayedRequests(ManualClock())
        self.reported: list[OSError] = []
        self.partition = Partition("t", bytes(16), 0, self.log, self.delayed, self._report)
        self.partition.lead(5, 0)

    def _report(self, partition: Partition, error: OSError) -> KafkaError:
        assert partition is self.partition
        self.reported.append(error)
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)

    def append(self, *values: bytes, acks: int = 1, **producer: int) -> int:
        appended = self.partition.append_as_leader(memoryview(batch(*values, **producer)), 0, acks)
        return appended.base_offset

    def read(self, offset: int, max_bytes: int = 1 << 20, *, min_one_message: bool = True) -> int:
        """Return the size of what was read, 0 for nothing."""
        span = self.partition.read(offset, max_bytes, committed=False, min_one_message=min_one_message)
        return size_and_release(span)


def size_and_release(span: FileSpan | None) -> int:
    if span is None:
        return 0
    size = len(span)
    span.release()
    return size


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[Hosted]:
    made = Hosted(tmp_path / "t-0")
    yield made
    made.filesystem.error = None
    made.log.close()


def refused(code: ErrorCode) -> pytest.RaisesExc[KafkaError]:
    return pytest.RaisesExc(KafkaError, check=lambda error: error.code == code)


def test_an_append_is_committed_at_once_and_told(hosted: Hosted) -> None:
    watcher = Watcher()
    hosted.partition.watch(watcher)
    assert hosted.append(b"a", b"b") == 0
    assert hosted.partition.high_watermark == hosted.partition.last_stable_offset == 2
    assert hosted.append(b"c") == 2
    assert watcher.committed == [len(batch(b"a", b"b")), len(batch(b"c"))]
    hosted.partition.unwatch(watcher)
    hosted.partition.unwatch(watcher)
    hosted.append(b"d")
    assert len(watcher.committed) == 2


def test_a_duplicate_commits_nothing(hosted: Hosted) -> None:
    hosted.append(b"a", producer_id=7, producer_epoch=0, base_sequence=0)
    watcher = Watcher()
    hosted.partition.watch(watcher)
    assert hosted.append(b"a", producer_id=7, producer_epoch=0, base_sequence=0) == 0
    assert watcher.committed == []
    assert hosted.partition.high_watermark == 1


def test_acks_all_needs_enough_in_sync_replicas(hosted: Hosted) -> None:
    hosted.partition.lead(5, 1)
    with refused(ErrorCode.NOT_ENOUGH_REPLICAS):
        hosted.append(b"a", acks=-1)
    assert hosted.append(b"a", acks=1) == 0
    hosted.partition.lead(5, 0)
    assert hosted.append(b"a", acks=-1) == 1


def test_leader_epochs_fence_older_and_newer_clients(hosted: Hosted) -> None:
    for known in (-1, 5):
        hosted.partition.check_leader_epoch(known)
    with refused(ErrorCode.FENCED_LEADER_EPOCH):
        hosted.partition.check_leader_epoch(4)
    with refused(ErrorCode.UNKNOWN_LEADER_EPOCH):
        hosted.partition.check_leader_epoch(6)


async def test_a_new_epoch_and_the_end_wake_the_watchers(hosted: Hosted) -> None:
    watcher = Watcher()
    hosted.partition.watch(watcher)
    hosted.delayed.park(watcher, 1000)
    hosted.partition.lead(6, 0)
    await asyncio.sleep(0)
    assert watcher.completed == 1
    hosted.delayed.park(watcher, 1000)
    hosted.partition.leave()
    await asyncio.sleep(0)
    assert watcher.completed == 2
    assert not hosted.partition.hosted


class Listener(PartitionListener):
    def __init__(self) -> None:
        self.told: list[tuple[int, bool]] = []

    def on_committed(self, size_bytes: int) -> None:
        raise AssertionError("nothing is written")

    def on_changed(self, partition: Partition) -> None:
        self.told.append((partition.leader_epoch, partition.hosted))


def test_listeners_are_told_of_changes_at_once(hosted: Hosted) -> None:
    listener = Listener()
    hosted.partition.watch(listener)
    hosted.partition.lead(5, 1)
    hosted.partition.lead(6, 1)
    hosted.partition.leave()
    assert listener.told == [(6, True), (6, False)]
    hosted.partition.unwatch(listener)
    hosted.partition.lead(7, 1)
    assert len(listener.told) == 2


async def test_listeners_are_told_of_a_new_start(hosted: Hosted) -> None:
    told: list[int] = []

    class StartListener(Watcher):
        def on_start_moved(self, partition: Partition) -> None:
            told.append(partition.log_start_offset)

    for _ in range(3):
        hosted.append(b"a")
    listener, watcher = StartListener(), Watcher()
    for each in (listener, watcher):
        hosted.partition.watch(each)
        hosted.delayed.park(each, 1000)
    hosted.partition.delete_records(2)
    hosted.partition.delete_records(1)
    assert told == [2]
    hosted.log.config = LogConfig(retention_bytes=0)
    assert hosted.partition.expire(0) is not None
    assert hosted.partition.expire(0) is None
    assert told == [2, 3]
    await asyncio.sleep(0)
    assert watcher.completed == listener.completed == 0, "whom it concerns wakes itself"


def test_records_are_deleted_up_to_what_is_committed(hosted: Hosted) -> None:
    for _ in range(4):
        hosted.append(b"a")
    hosted.partition.high_watermark = 3
    for offset in (4, -2):
        with refused(ErrorCode.OFFSET_OUT_OF_RANGE):
            hosted.partition.delete_records(offset)
    hosted.log.config = LogConfig(cleanup_policy=frozenset(("compact",)))
    with refused(ErrorCode.POLICY_VIOLATION):
        hosted.partition.delete_records(1)
    assert hosted.partition.log_start_offset == 0
    hosted.log.config = LogConfig(cleanup_policy=frozenset(("compact", "delete")))
    hosted.partition.delete_records(1)
    assert hosted.partition.log_start_offset == 1
    hosted.log.config = LogConfig(cleanup_policy=frozenset())
    hosted.partition.delete_records(-1)
    assert hosted.partition.log_start_offset == 3


async def test_the_same_epoch_wakes_nobody(hosted: Hosted) -> None:
    watcher = Watcher()
    hosted.partition.watch(watcher)
    hosted.delayed.park(watcher, 1000)
    hosted.partition.lead(5, 1)
    await asyncio.sleep(0)
    assert watcher.completed == 0


def test_reading_stops_at_the_high_watermark_and_the_limits(hosted: Hosted) -> None:
    size = len(batch(b"a"))
    assert hosted.read(0) == 0
    for _ in range(3):
        hosted.append(b"a")
    assert hosted.read(0) == 3 * size
    assert hosted.read(1, 2 * size) == 2 * size
    assert hosted.read(1, 2 * size - 1) == size
    assert hosted.read(1, 0) == size
    assert hosted.read(1, 0, min_one_message=False) == 0
    assert hosted.read(3) == 0
    for offset in (-1, 4):
        with refused(ErrorCode.OFFSET_OUT_OF_RANGE):
            hosted.read(offset)


def test_epochs_end_where_the_next_one_starts(hosted: Hosted) -> None:
    partition = hosted.partition
    assert partition.end_offset_for_epoch(5) == EpochEnd(5, 0)
    assert partition.epoch_of(0) == 5
    hosted.append(b"a")
    hosted.append(b"a")
    partition.lead(7, 0)
    assert partition.end_offset_for_epoch(5) == EpochEnd(5, 2)
    assert partition.end_offset_for_epoch(6) == EpochEnd(5, 2)
    assert partition.end_offset_for_epoch(7) == EpochEnd(7, 2)
    assert partition.end_offset_for_epoch(8) == EpochEnd(-1, -1)
    assert [partition.epoch_of(offset) for offset in range(3)] == [5, 5, 7]
    hosted.append(b"b")
    assert [partition.epoch_of(offset) for offset in range(4)] == [5, 5, 7, 7]


def test_a_reader_with_another_history_is_told_where_it_departs(hosted: Hosted) -> None:
    partition = hosted.partition
    hosted.append(b"a")
    hosted.append(b"a")
    partition.lead(7, 0)
    hosted.append(b"b")
    assert partition.diverging_epoch(5, 2) is None
    assert partition.diverging_epoch(7, 3) is None
    assert partition.diverging_epoch(5, 3) == EpochEnd(5, 2)
    assert partition.diverging_epoch(6, 2) == EpochEnd(5, 2)
    with refused(ErrorCode.OFFSET_OUT_OF_RANGE):
        partition.diverging_epoch(8, 3)
    hosted.log.delete_records(2)
    with refused(ErrorCode.OFFSET_OUT_OF_RANGE):
        partition.diverging_epoch(7, 1)


def test_disk_errors_are_reported_and_become_kafka_errors(hosted: Hosted) -> None:
    hosted.append(b"a")
    hosted.append(b"a")
    hosted.filesystem.error = OSError(errno.EIO, "broken")
    with refused(ErrorCode.KAFKA_STORAGE_ERROR):
        hosted.append(b"a")
    assert hosted.reported == [hosted.filesystem.error]
    assert hosted.partition.high_watermark == 2
