"""Crashes at every point of a log's life: recovery keeps a run of whole batches from the start, and the log goes on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocol.record_batch import read_header
from storage.descriptors import DescriptorCache
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from storage.recovery import Cut, recover

from .crash_support import Loss, Operation, RecordingFilesystem, files_after, torn_sizes, write_files
from .log_support import NOW_MS, batch_of, read_all, take

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=150)
PRODUCER = 7


@dataclass
class Life:
    """A log's story, and what was true at each point of it."""

    directory: Path
    story: list[Operation]
    batches: list[bytes]
    """All batches appended, as they lie in the log."""
    written: list[int]
    """How many operations had been made when each batch had been appended."""
    recovery_points: list[tuple[int, int]]
    """(operations made, recovery point) after each flush."""

    def batches_after(self, count: int) -> int:
        return sum(made <= count for made in self.written)

    def recovery_point_after(self, count: int) -> int:
        return max((point for made, point in self.recovery_points if made <= count), default=0)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """20 batches of an idempotent producer over five segments and three epochs, a flush after each seventh."""
    directory = tmp_path_factory.mktemp("life") / "orders-0"
    directory.mkdir()
    filesystem = RecordingFilesystem()
    log = Log.create(str(directory), "orders", 0, CONFIG, filesystem, now_ms=NOW_MS)
    life = Life(directory, filesystem.story, [], [], [])
    sequence = 0
    for index in range(20):
        count = 1 + index % 3
        values = [b"%d" % index * 20] * count
        batch = batch_of(values, NOW_MS + index, producer_id=PRODUCER, producer_epoch=0, base_sequence=sequence)
        sequence += count
        log.append(batch, index // 8, NOW_MS)
        life.batches.append(bytes(batch))
        life.written.append(len(filesystem.story))
        if index % 7 == 6:
            log.flush()
            life.recovery_points.append((len(filesystem.story), log.recovery_point))
    assert len(log.segments) >= 5
    log.close_files()
    return life


def open_recovered(
    directory: Path, recovery_point: int, filesystem: Filesystem | None = None
) -> tuple[Log, Cut | None]:
    filesystem = filesystem or Filesystem()
    descriptors = DescriptorCache(filesystem)
    cuts: list[Cut | None] = []

    def run(log: Log) -> None:
        cuts.append(recover(log, recovery_point, descriptors, NOW_MS)[0])

    log = Log.open(
        str(directory),
        "orders",
        0,
        CONFIG,
        filesystem,
        now_ms=NOW_MS,
        descriptors=descriptors,
        recovery_point=recovery_point,
        recover=run,
    )
    return log, cuts[0]


def content(log: Log) -> bytes:
    parts = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = take(log.read(offset, 1 << 20, max_offset=log.log_end_offset, min_one_message=True))
        position = 0
        while position < len(data):
            header = read_header(data, position)
            position += header.size_bytes
            offset = header.next_offset
        parts.append(data)
    return b"".join(parts)


def check(life: Life, log: Log, least: int, most: int) -> int:
    """The log holds between `least` and `most` of the batches, from the first on, and knows what they say."""
    found = content(log)
    kept = next(n for n in range(len(life.batches) + 1) if b"".join(life.batches[:n]) == found)
    assert least <= kept <= most
    headers = [read_header(batch) for batch in life.batches[:kept]]
    assert log.log_end_offset == (headers[-1].next_offset if headers else 0)
    assert log.recovery_point <= log.log_end_offset
    epochs = {header.partition_leader_epoch: header.base_offset for header in reversed(headers)}
    assert dict(log.leader_epochs.entries) == epochs
    entry = log.producers.get(PRODUCER)
    if headers:
        assert entry is not None
        last = [(header.base_sequence, header.base_offset) for header in headers[-5:]]
        assert [(batch.base_sequence, batch.base_offset) for batch in entry.batches] == last
    else:
        assert entry is None
    for header in headers:
        found_at = log.offset_for_timestamp(header.base_timestamp)
        assert found_at is not None
        assert found_at.offset == header.base_offset
    return kept


def go_on(life: Life, log: Log, kept: int, directory: Path) -> None:
    """Appends again what was lost, closes, and finds everything after a clean start."""
    for index, batch in enumerate(life.batches[kept:], kept):
        again = bytearray(batch)
        again[:8] = bytes(8)
        result = log.append(again, index // 8, NOW_MS)
        assert result.base_offset == read_header(batch).base_offset
    log.close()
    reopened = Log.open(str(directory), "orders", 0, CONFIG, Filesystem(), now_ms=NOW_MS)
    check(life, reopened, len(life.batches), len(life.batches))
    for batch in life.batches[-5:]:
        again = bytearray(batch)
        again[:8] = bytes(8)
        assert reopened.append(again, 3, NOW_MS).duplicate
    reopened.close_files()


def test_a_killed_process_loses_nothing_that_was_appended(life: Life, tmp_path: Path) -> None:
    for count in range(len(life.story) + 1):
        directory = tmp_path / str(count)
        write_files(files_after(life.story, count), life.directory, directory)
        log, cut = open_recovered(directory, life.recovery_point_after(count))
        assert cut is None
        appended = life.batches_after(count)
        # The write of a batch may be the last operation before its append is known to be done.
        kept = check(life, log, appended, appended + 1)
        if count % 3:
            log.close_files()
        else:
            go_on(life, log, kept, directory)


def test_a_torn_write_is_cut_off(life: Life, tmp_path: Path) -> None:
    writes = [index for index, operation in enumerate(life.story, 1) if operation.kind == "write"]
    for count, torn_bytes in ((n, size) for n in writes for size in torn_sizes(len(life.story[n - 1].data))):
        directory = tmp_path / f"{count}-{torn_bytes}"
        write_files(files_after(life.story, count, torn_bytes=torn_bytes), life.directory, directory)
        log, cut = open_recovered(directory, life.recovery_point_after(count))
        is_batch = life.story[count - 1].path.endswith(".log")
        assert (cut is not None) == is_batch
        if cut is not None:
            assert (cut.bytes_cut, cut.segments_removed) == (torn_bytes, 0)
            assert cut.end_offset == log.log_end_offset
        appended = life.batches_after(count - 1)
        kept = check(life, log, appended, appended)
        if (count + torn_bytes) % 3:
            log.close_files()
        else:
            go_on(life, log, kept, directory)


@pytest.mark.parametrize("loss", [Loss.ZEROS, Loss.MISSING])
def test_a_power_loss_takes_only_what_was_not_flushed(life: Life, tmp_path: Path, loss: Loss) -> None:
    for count in range(len(life.story) + 1):
        directory = tmp_path / str(count)
        write_files(files_after(life.story, count, loss=loss), life.directory, directory)
        recovery_point = life.recovery_point_after(count)
        log, _ = open_recovered(directory, recovery_point)
        flushed = sum(read_header(batch).next_offset <= recovery_point for batch in life.batches)
        kept = check(life, log, flushed, life.batches_after(count) + 1)
        if count % 3:
            log.close_files()
        else:
            go_on(life, log, kept, directory)


def test_a_later_segment_does_not_outlive_the_end_of_an_earlier_one(life: Life, tmp_path: Path) -> None:
    """Files reach the disk in any order: here all of a segment but its last batch, and all later segments."""
    files = files_after(life.story, len(life.story))
    logs = sorted(path for path in files if path.endswith(".log"))
    for number, (path, nonzero) in enumerate(itertools.product(logs[:-1], (False, True))):
        directory = tmp_path / str(number)
        sizes = []
        position = 0
        while position < len(files[path]):
            sizes.append(read_header(files[path], position).size_bytes)
            position += sizes[-1]
        kept_bytes = sum(sizes[:-1])
        torn = files[path][:kept_bytes] + (b"\0" * sizes[-1] if nonzero else b"")
        write_files({**files, path: torn}, life.directory, directory)
        log, cut = open_recovered(directory, 0)
        assert cut is not None
        assert cut.segments_removed == len(logs) - logs.index(path) - 1
        kept = sum(path_offset(path) > read_header(batch).base_offset for batch in life.batches) + len(sizes) - 1
        assert check(life, log, kept, kept) == kept
        assert sorted(directory.glob("*.deleted"))
        go_on(life, log, kept, directory)
        assert not sorted(directory.glob("*.deleted"))


def path_offset(path: str) -> int:
    return int(Path(path).name.partition(".")[0])


def test_recovery_that_crashes_comes_to_the_same_end(life: Life, tmp_path: Path) -> None:
    files = files_after(life.story, len(life.story))
    logs = sorted(path for path in files if path.endswith(".log"))
    damaged = bytearray(files[logs[2]])
    damaged[-1] ^= 1
    before = {**files, logs[2]: bytes(damaged)}
    first = tmp_path / "first"
    write_files(before, life.directory, first)
    filesystem = RecordingFilesystem()
    log, _ = open_recovered(first, 0, filesystem)
    expected = content(log)
    log.close_files()

    start = [
        step
        for path, data in before.items()
        for step in (
            Operation("create", str(first / Path(path).name)),
            Operation("write", str(first / Path(path).name), 0, data),
            Operation("sync", str(first / Path(path).name)),
        )
    ]
    for count, loss in itertools.product(range(len(filesystem.story) + 1), Loss):
        directory = tmp_path / f"{count}-{loss.value}"
        write_files(files_after(start + filesystem.story, len(start) + count, loss=loss), first, directory)
        log, _ = open_recovered(directory, 0)
        assert content(log) == expected
        kept = len(read_all(log))
        check(life, log, kept, kept)
        go_on(life, log, kept, directory)


def test_rebuilt_indexes_are_those_that_were(life: Life, tmp_path: Path) -> None:
    """Segment by segment as they were at the roll; the active one as its appends would have left it."""
    files = files_after(life.story, len(life.story))
    only_logs = {path: data for path, data in files.items() if path.endswith(".log")}
    directory = tmp_path / "orders-0"
    write_files(only_logs, life.directory, directory)
    log, cut = open_recovered(directory, 0)
    assert cut is None
    log.close_files()
    indexes = sorted(path for path in files if path.endswith(("index",)))
    assert any(files[path] for path in indexes)
    for path in indexes[:-2]:
        assert (directory / Path(path).name).read_bytes() == files[path], path
