"""One segment: batches in, positions out, and when it is full."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from protocol.errors import ErrorCode, KafkaError
from protocol.record_batch import rebase
from storage.descriptors import DescriptorCache
from storage.filesystem import Filesystem
from storage.log_config import LogConfig
from storage.segment import RELATIVE_OFFSET_MAX, Segment
from storage.time_index import TimestampOffset
from tests.storage.log_support import NOW_MS, FailingFilesystem, batch_of, broken, headers_of, no_space, take

BASE = 500
END = 1 << 62


def make_segment(directory: Path, config: LogConfig | None = None, filesystem: Filesystem | None = None) -> Segment:
    cache = DescriptorCache(filesystem or Filesystem())
    return Segment.create(cache, str(directory), BASE, config or LogConfig(), NOW_MS)


def reopen(directory: Path, config: LogConfig | None = None) -> Segment:
    filesystem = Filesystem()
    sizes = dict(filesystem.list_files(str(directory)))
    return Segment(DescriptorCache(filesystem), str(directory), BASE, config or LogConfig(), NOW_MS, sizes)


def append(segment: Segment, offset: int, count: int = 1, timestamp: int = NOW_MS, value: bytes = b"v" * 100) -> int:
    """Appends a batch of `count` records and returns its size in bytes."""
    batch = batch_of([value] * count, timestamp)
    rebase(batch, offset, 1)
    segment.append(memoryview(batch), offset + count - 1, timestamp)
    return len(batch)


def test_indexes_are_made_once_there_is_something_to_keep(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    name = "00000000000000000500"
    segment.finish()
    segment.write_out_indexes()
    append(segment, BASE)
    assert os.listdir(tmp_path) == [f"{name}.log"]
    segment.finish()
    assert sorted(os.listdir(tmp_path)) == [f"{name}.index", f"{name}.log", f"{name}.timeindex"]


def test_a_new_segment_is_empty_whatever_was_there(tmp_path: Path) -> None:
    config = LogConfig(index_interval_bytes=1)
    before = make_segment(tmp_path, config)
    for number in range(9):
        append(before, BASE + number)
    before.finish()
    before.close()
    segment = make_segment(tmp_path, config)
    assert segment.size_bytes == 0
    for number in range(3):
        append(segment, BASE + number)
    segment.finish()
    again = reopen(tmp_path, config)
    assert [again.offset_index.entries[i] for i in range(len(again.offset_index.entries))] == [(1, 170), (2, 340)]
    assert again.next_offset() == BASE + 3


def test_index_entries_as_kafka_places_them(tmp_path: Path) -> None:
    # After each 4,096 bytes, the next batch by its last offset and its start.
    segment = make_segment(tmp_path)
    for number in range(10):
        assert append(segment, BASE + 2 * number, 2, NOW_MS + number, b"x" * 1000) == 2079
    entries = segment.offset_index.entries
    assert [entries[i] for i in range(len(entries))] == [(5, 2 * 2079), (9, 4 * 2079), (13, 6 * 2079), (17, 8 * 2079)]
    assert segment.time_index.last() == (NOW_MS + 8, BASE + 17)
    segment.finish()
    assert segment.time_index.last() == (NOW_MS + 9, BASE + 19)
    assert segment.largest_timestamp == reopen(tmp_path).largest_timestamp == (NOW_MS + 9, BASE + 19)


@pytest.mark.parametrize("interval", [1, 300, 4096, 1 << 30])
def test_every_offset_is_found(tmp_path: Path, interval: int) -> None:
    segment = make_segment(tmp_path, LogConfig(index_interval_bytes=interval))
    starts: dict[int, int] = {}
    offset = BASE
    position = 0
    for number in range(60):
        count = number % 3 + 1
        offset += number % 4  # gaps, as compaction leaves them
        for covered in range(offset - number % 4, offset + count):
            starts[covered] = position
        position += append(segment, offset, count)
        offset += count
    segment.finish()
    for candidate in (segment, reopen(tmp_path)):
        assert {known: candidate.position_of(known) for known in starts} == starts
        assert candidate.position_of(offset) == position == candidate.size_bytes
        assert candidate.position_of(0) == 0
        assert candidate.next_offset() == offset
        assert [at for at, _ in candidate.headers()] == sorted(set(starts.values()))


def test_read_cuts_at_batches(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    sizes = {append(segment, BASE + 2 * number, 2) for number in range(50)}
    (size,) = sizes
    whole = take(segment.read(BASE, 1 << 20, END, False))
    assert len(whole) == 50 * size
    assert take(segment.read(BASE + 3, 1 << 20, END, False)) == whole[size:], "the batch that holds the offset"
    assert take(segment.read(BASE, 3 * size + 5, END, False)) == whole[: 3 * size]
    assert take(segment.read(BASE + 40, 3 * size, END, False)) == whole[20 * size : 23 * size]
    assert segment.read(BASE, size - 1, END, False) is None
    assert take(segment.read(BASE, size - 1, END, True)) == whole[:size]
    assert take(segment.read(BASE, 0, END, True)) == whole[:size]
    assert take(segment.read(BASE, 1 << 20, BASE + 10, True)) == whole[: 5 * size]
    assert take(segment.read(BASE, 1 << 20, BASE + 11, True)) == whole[: 5 * size], "whole batches below the end"
    assert segment.read(BASE, 1 << 20, BASE + 1, True) is None
    assert segment.read(BASE + 100, 1 << 20, END, True) is None


def test_reading_on_uses_no_index(tmp_path: Path) -> None:
    filesystem = FailingFilesystem()
    segment = make_segment(tmp_path, filesystem=filesystem)
    for number in range(200):
        append(segment, BASE + number)
    data = take(segment.read(BASE, 10_000, END, True))
    filesystem.calls.clear()
    offset = headers_of(data)[-1].next_offset
    assert segment.position_of(offset) == len(data)
    assert filesystem.calls == []


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    for number in range(500):
        append(segment, BASE + number)
        segment.remember(BASE + number + 1, segment.size_bytes)
    assert len(segment._positions) <= 64
    for number in range(500):
        assert segment.position_of(BASE + number) == number * segment.size_bytes // 500


def test_rolls_by_size(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    size = append(segment, BASE)
    config = LogConfig(segment_bytes=2 * size)
    assert not segment.must_roll(config, size, BASE + 1, NOW_MS, NOW_MS)
    assert segment.must_roll(config, size + 1, BASE + 1, NOW_MS, NOW_MS)


def test_rolls_by_the_age_of_its_batches(tmp_path: Path) -> None:
    config = LogConfig(segment_ms=1000)
    segment = make_segment(tmp_path, config)
    assert not segment.must_roll(config, 100, BASE, NOW_MS + 5000, NOW_MS + 5000), "never while it is empty"
    append(segment, BASE, timestamp=NOW_MS)
    for candidate in (segment, reopen(tmp_path, config)):
        assert not candidate.must_roll(config, 100, BASE + 1, NOW_MS + 1000, NOW_MS + 9999)
        assert candidate.must_roll(config, 100, BASE + 1, NOW_MS + 1001, NOW_MS)


def test_rolls_by_its_own_age_without_timestamps(tmp_path: Path) -> None:
    config = LogConfig(segment_ms=1000)
    segment = make_segment(tmp_path, config)
    append(segment, BASE, timestamp=-1)
    assert not segment.must_roll(config, 100, BASE + 1, -1, NOW_MS + 1000)
    assert segment.must_roll(config, 100, BASE + 1, -1, NOW_MS + 1001)


def test_rolls_where_offsets_leave_int32(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    append(segment, BASE)
    config = LogConfig()
    assert not segment.must_roll(config, 100, BASE + RELATIVE_OFFSET_MAX, NOW_MS, NOW_MS)
    assert segment.must_roll(config, 100, BASE + RELATIVE_OFFSET_MAX + 1, NOW_MS, NOW_MS)


@pytest.mark.parametrize(("index_bytes", "rising", "entries"), [(48, False, 6), (48, True, 3)])
def test_rolls_where_an_index_is_full(tmp_path: Path, index_bytes: int, rising: bool, entries: int) -> None:
    # 48 bytes are 6 entries by offset, and 4 by time, of which one is for the end.
    config = LogConfig(segment_index_bytes=index_bytes, index_interval_bytes=1)
    segment = make_segment(tmp_path, config)
    number = 0
    while not segment.must_roll(config, 100, BASE + number, NOW_MS, NOW_MS):
        append(segment, BASE + number, timestamp=NOW_MS + number * rising)
        number += 1
    assert number == entries + 1
    segment.finish()
    assert all((tmp_path / f"{BASE:020d}{suffix}").stat().st_size <= index_bytes for suffix in (".index", ".timeindex"))


@pytest.mark.parametrize("error", [no_space, broken])
def test_a_failed_append_leaves_nothing(tmp_path: Path, error: object) -> None:
    filesystem = FailingFilesystem()
    segment = make_segment(tmp_path, filesystem=filesystem)
    size = append(segment, BASE)
    filesystem.fail["pwrite"] = error  # type: ignore[assignment]
    with pytest.raises(OSError, match=r"No space|Input/output"):
        append(segment, BASE + 1)
    filesystem.fail.clear()
    assert segment.size_bytes == size == os.path.getsize(segment.file.path)
    append(segment, BASE + 1)
    assert segment.next_offset() == BASE + 2


def test_truncate(tmp_path: Path) -> None:
    segment = make_segment(tmp_path, LogConfig(index_interval_bytes=300))
    for number in range(20):
        append(segment, BASE + 2 * number, 2, NOW_MS + (100 if number == 5 else 0))
    size = segment.size_bytes // 20
    assert segment.truncate_to(BASE + 31) == BASE + 30, "a batch goes whole"
    assert segment.size_bytes == 15 * size
    assert segment.next_offset() == BASE + 30
    assert segment.largest_timestamp == TimestampOffset(NOW_MS + 100, BASE + 11)
    assert segment.truncate_to(BASE + 10) == BASE + 10
    assert segment.largest_timestamp.timestamp == NOW_MS
    append(segment, BASE + 10, 2, NOW_MS + 7)
    assert segment.largest_timestamp == TimestampOffset(NOW_MS + 7, BASE + 11)
    assert segment.truncate_to(BASE) == BASE
    assert (segment.size_bytes, segment.largest_timestamp.timestamp, segment.first_timestamp) == (0, -1, -1)
    assert segment.offset_index.last().position == 0


def test_rebuilt_indexes_are_the_same(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    for number in range(200):
        append(segment, BASE + number, timestamp=NOW_MS + number % 7)
    segment.finish()
    paths = [file.path for file in segment.files[1:]]
    before = [Path(path).read_bytes() for path in paths]
    Path(paths[0]).unlink()
    Path(paths[1]).write_bytes(b"\0" * 100_000)
    again = reopen(tmp_path)
    again.rebuild_indexes()
    again.finish()
    assert [Path(path).read_bytes() for path in paths] == before
    assert all(before)


@pytest.mark.parametrize("damage", [b"\0" * 12, b"\xff" * 12, b"\0\0\0\0\0\0\0\0\x00\x00\x00\x05"])
def test_damaged_headers_on_disk(tmp_path: Path, damage: bytes) -> None:
    segment = make_segment(tmp_path)
    size = append(segment, BASE)
    append(segment, BASE + 1)
    append(segment, BASE + 2)
    segment.filesystem.pwrite(segment.file.descriptor(), damage, size)
    for attempt in (lambda: segment.position_of(BASE + 2), segment.next_offset, lambda: list(segment.headers())):
        with pytest.raises(KafkaError) as raised:
            attempt()
        assert raised.value.code is ErrorCode.CORRUPT_MESSAGE
        assert f"at {size}" in (raised.value.message or "")


def test_a_batch_cut_short_on_disk(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    append(segment, BASE)
    append(segment, BASE + 1)
    for cut in (1, 120):
        segment.truncate_at(segment.size_bytes - cut)
        with pytest.raises(KafkaError):
            segment.next_offset()


def test_removed_files_stay_readable(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    append(segment, BASE)
    (tmp_path / f"{BASE:020d}.txnindex").touch()
    span = segment.read(BASE, 1 << 20, END, True)
    assert span is not None
    segment.remove()
    assert os.listdir(tmp_path) == []
    assert len(take(span)) == segment.size_bytes
    assert segment.file.fd == -1


def test_the_jitter_closes_each_segment_a_bit_earlier(tmp_path: Path) -> None:
    config = LogConfig(segment_ms=1000, segment_jitter_ms=100)
    closed_ms = set()
    for number in range(50):
        (tmp_path / str(number)).mkdir()
        segment = make_segment(tmp_path / str(number), config)
        append(segment, BASE)
        ages_ms = range(1002)
        closed_ms.add(next(age for age in ages_ms if segment.must_roll(config, 100, BASE + 1, NOW_MS + age, NOW_MS)))
    assert len(closed_ms) > 1
    assert closed_ms <= set(range(902, 1002))


@pytest.mark.parametrize("jitter_ms", [1, 10, 999_999_999_999])
def test_the_jitter_is_less_than_the_whole(jitter_ms: int) -> None:
    config = LogConfig(segment_ms=10, segment_jitter_ms=jitter_ms)
    assert {config.random_jitter_ms() for _ in range(300)} == set(range(min(jitter_ms, 10)))


def test_the_newest_record_or_the_last_write(tmp_path: Path) -> None:
    segment = make_segment(tmp_path)
    os.utime(segment.file.path, (0, NOW_MS / 1000 + 5))
    assert segment.newest_ms == NOW_MS + 5000
    append(segment, BASE, timestamp=-1)
    os.utime(segment.file.path, (0, NOW_MS / 1000 + 6))
    assert segment.newest_ms == NOW_MS + 6000
    append(segment, BASE + 1, timestamp=7)
    append(segment, BASE + 2, timestamp=3)
    assert segment.newest_ms == 7


@pytest.mark.parametrize("interval", [1, 250, 1 << 20])
def test_the_end_offset_at_a_position(tmp_path: Path, interval: int) -> None:
    segment = make_segment(tmp_path, LogConfig(index_interval_bytes=interval))
    ends = [0]
    for number in range(20):
        # Every third offset is missing, as after compaction.
        ends.append(ends[-1] + append(segment, BASE + 3 * number, 2))
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        # What lies before a batch ends where the batch begins, also over a gap.
        assert {segment.end_offset_at(position) for position in (start, start + 1, end - 1)} == {BASE + 3 * number}
    assert segment.end_offset_at(ends[-1]) == segment.end_offset_at(ends[-1] + 1) == BASE + 3 * 19 + 2


def test_it_goes_on_with_the_files_of_another_directory(tmp_path: Path) -> None:
    source, target, retired = tmp_path / "a", tmp_path / "b", tmp_path / "retired"
    source.mkdir()
    segment = make_segment(source, LogConfig(index_interval_bytes=1))
    for number in range(200):  # more than an index holds in memory
        append(segment, BASE + number)
    span = segment.read(BASE + 100, 10_000, END, True)
    assert span is not None
    shutil.copytree(source, target)
    source.rename(retired)
    segment.take_over(str(target), str(retired))
    shutil.rmtree(retired)
    assert next(header.base_offset for header in headers_of(take(span))) == BASE + 100
    append(segment, BASE + 200)
    segment.finish()
    segment.close()
    again = reopen(target)
    assert again.next_offset() == BASE + 201
    assert [again.position_of(BASE + number) for number in (0, 100, 200)] == [
        segment.position_of(BASE + number) for number in (0, 100, 200)
    ]
