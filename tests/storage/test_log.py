"""A partition's log: appends and their refusals, reads, time, cuts, rolls, durability and the end."""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path
from typing import Any

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from crc32c import crc32c

from protocol.errors import ErrorCode, KafkaError
from protocol.record_batch import TIMESTAMP_TYPE_BIT, crc_matches, read_header
from protocol.records import Record, iterate
from storage.descriptors import DescriptorCache
from storage.file_span import FileSpan
from storage.filesystem import Filesystem
from storage.leader_epochs import EpochStart
from storage.log import AppendResult, Log
from storage.log_config import LogConfig
from storage.timestamp_search import TimestampAndOffset
from tests.storage.log_support import (
    NOW_MS,
    FailingFilesystem,
    batch_of,
    broken,
    create_log,
    headers_of,
    no_descriptor,
    no_space,
    open_log,
    read_all,
    take,
)
from tests.support.built_batches import build_batch

EPOCH = 4


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "orders-0")


@pytest.fixture
def log(directory: str) -> Log:
    return create_log(directory)


def append(log: Log, count: int = 1, timestamp: int = NOW_MS, epoch: int = EPOCH, **fields: int) -> AppendResult:
    return log.append(batch_of([b"v" * 50] * count, timestamp, **fields), epoch, NOW_MS)


def read(log: Log, offset: int, max_bytes: int = 1 << 20, max_offset: int | None = None, least: bool = True) -> bytes:
    limit = log.log_end_offset if max_offset is None else max_offset
    return take(log.read(offset, max_bytes, max_offset=limit, min_one_message=least))


def code_of(raised: pytest.ExceptionInfo[KafkaError]) -> ErrorCode:
    return raised.value.code


# Appending


def test_a_new_log(log: Log, directory: str) -> None:
    assert (log.log_start_offset, log.log_end_offset, log.recovery_point, log.size_bytes) == (0, 0, 0, 0)
    name = "00000000000000000000"
    assert os.listdir(directory) == [f"{name}.log"]
    assert log.read(0, 100, max_offset=0, min_one_message=True) is None
    assert log.offset_for_timestamp(0) is None
    assert log.max_timestamp() == TimestampAndOffset(-1, -1, -1)


def test_append_places_batches_one_after_another(log: Log) -> None:
    assert append(log, 3) == AppendResult(0, 2, -1, 0, False)
    assert append(log, 2) == AppendResult(3, 4, -1, 0, False)
    assert log.log_end_offset == 5
    headers = read_all(log)
    assert [(h.base_offset, h.last_offset, h.partition_leader_epoch) for h in headers] == [(0, 2, EPOCH), (3, 4, EPOCH)]
    assert log.size_bytes == sum(h.size_bytes for h in headers)


def test_a_writable_view_is_patched_in_place_and_bytes_are_not(log: Log) -> None:
    data = batch_of([b"a"])
    log.append(bytes(data), EPOCH, NOW_MS)
    assert read_header(data).partition_leader_epoch == -1
    scratch = bytearray(1000)
    scratch[100 : 100 + len(data)] = data
    log.append(memoryview(scratch)[100 : 100 + len(data)], EPOCH, NOW_MS)
    assert read_header(scratch, 100).base_offset == 1
    scratch[:] = bytes(1000)
    scratch.extend(b"no view of it is kept")
    assert [record.value for record in iterate(read(log, 1))] == [b"a"]


@pytest.mark.parametrize("codec", range(5))
def test_compressed_batches_are_stored_as_they_came(log: Log, codec: int) -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for index in range(10):
        builder.append(index, NOW_MS + index, b"key", b"value " * 20, [])
    sent = bytes(builder.build())
    append(log)
    log.append(sent, EPOCH, NOW_MS)
    stored = read(log, 1)
    assert stored[16:] == sent[16:]
    assert [record.offset for record in iterate(stored)] == list(range(1, 11))
    assert log.offset_for_timestamp(NOW_MS + 4) == TimestampAndOffset(NOW_MS + 4, 5, EPOCH)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:-1], ErrorCode.INVALID_RECORD),
        (lambda data: data + data, ErrorCode.INVALID_RECORD),
        (lambda data: data[:40] + b"\xff" + data[41:], ErrorCode.CORRUPT_MESSAGE),
        (lambda data: b"", ErrorCode.INVALID_RECORD),
    ],
)
def test_refused_batches_leave_nothing(log: Log, change: object, code: ErrorCode) -> None:
    append(log)
    with pytest.raises(KafkaError) as raised:
        log.append(change(bytes(batch_of())), EPOCH, NOW_MS)  # type: ignore[operator]
    assert code_of(raised) is code
    assert (log.log_end_offset, len(read_all(log))) == (1, 1)


def test_sizes(directory: str) -> None:
    size = len(batch_of([b"v" * 50]))
    log = create_log(directory, LogConfig(max_message_bytes=size))
    append(log)
    with pytest.raises(KafkaError) as raised:
        append(log, 2)
    assert code_of(raised) is ErrorCode.MESSAGE_TOO_LARGE
    log.config = LogConfig(segment_bytes=size)
    append(log)
    with pytest.raises(KafkaError) as raised:
        append(log, 2)
    assert code_of(raised) is ErrorCode.RECORD_LIST_TOO_LARGE
    assert log.log_end_offset == 2


def test_log_append_time(directory: str) -> None:
    log = create_log(directory, LogConfig(message_timestamp_type="LogAppendTime"))
    assert append(log, 2, timestamp=5) == AppendResult(0, 1, NOW_MS, 0, False)
    stored = read(log, 0)
    header = read_header(stored)
    assert header.is_log_append_time
    assert crc_matches(memoryview(stored), header)
    assert [record.timestamp for record in iterate(stored)] == [NOW_MS, NOW_MS]
    assert log.offset_for_timestamp(NOW_MS) == TimestampAndOffset(NOW_MS, 0, EPOCH)
    log.append(batch_of([b"x", b"y"]), EPOCH, NOW_MS + 5)
    assert log.max_timestamp() == TimestampAndOffset(NOW_MS + 5, 2, EPOCH)


def test_create_time_takes_back_what_a_producer_says(log: Log) -> None:
    append(log, attributes=TIMESTAMP_TYPE_BIT)
    stored = read(log, 0)
    assert not read_header(stored).is_log_append_time
    assert crc_matches(memoryview(stored), read_header(stored))


def test_leader_epochs_begin_with_their_first_batch(log: Log, directory: str) -> None:
    path = Path(directory) / "leader-epoch-checkpoint"
    assert not path.exists()
    append(log, epoch=3)
    append(log, epoch=3)
    append(log, epoch=5)
    assert log.leader_epochs.entries == (EpochStart(3, 0), EpochStart(5, 2))
    assert path.read_text() == "0\n2\n3 0\n5 2\n"


# Idempotent producers


def idempotent(log: Log, sequence: int, count: int = 1, producer_id: int = 7, epoch: int = 0) -> AppendResult:
    return append(log, count, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)


def test_duplicates_are_answered_and_not_written(log: Log) -> None:
    first = [idempotent(log, 2 * number, 2) for number in range(5)]
    size_bytes = log.size_bytes
    for number in range(5):
        assert idempotent(log, 2 * number, 2) == first[number]._replace(duplicate=True, log_append_time_ms=NOW_MS)
    assert log.size_bytes == size_bytes
    with pytest.raises(KafkaError) as raised:
        idempotent(log, 12)
    assert code_of(raised) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert idempotent(log, 10).base_offset == 10
    with pytest.raises(KafkaError):
        idempotent(log, 0, 2)  # No longer one of the last five.
    with pytest.raises(KafkaError) as raised:
        idempotent(log, 11, epoch=-1)
    assert code_of(raised) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_duplicates_across_rolls_and_restarts(directory: str) -> None:
    config = LogConfig(segment_bytes=250)
    log = create_log(directory, config)
    for number in range(9):
        idempotent(log, number)
    assert len(log.segments) > 3
    for number in range(4, 9):
        assert idempotent(log, number).base_offset == number
    log.close()
    log = open_log(directory, config)
    for number in range(4, 9):
        result = idempotent(log, number)
        assert (result.base_offset, result.duplicate) == (number, True)
    assert idempotent(log, 9).base_offset == 9


def test_a_failed_write_does_not_count_as_sent(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, filesystem=filesystem)
    idempotent(log, 0)
    filesystem.fail["pwrite"] = no_space
    with pytest.raises(OSError, match="No space"):
        idempotent(log, 1)
    filesystem.fail.clear()
    assert idempotent(log, 1) == AppendResult(1, 1, -1, 0, False)


# Reading


def test_read_needs_an_offset_within(log: Log) -> None:
    append(log)
    for offset in (-1, 2):
        with pytest.raises(KafkaError) as raised:
            log.read(offset, 100, max_offset=1, min_one_message=True)
        assert code_of(raised) is ErrorCode.OFFSET_OUT_OF_RANGE
    assert log.read(1, 100, max_offset=1, min_one_message=True) is None


def test_read_within_a_batch_returns_it_whole(log: Log) -> None:
    append(log, 5)
    append(log, 5)
    whole = read(log, 0)
    assert read(log, 4) == whole
    assert read(log, 5) == read(log, 9) == whole[len(whole) // 2 :]


def test_max_offset_is_exclusive_and_whole_batches(log: Log) -> None:
    for _ in range(4):
        append(log, 5)
    size = log.size_bytes // 4
    assert len(read(log, 0, max_offset=10)) == 2 * size
    assert len(read(log, 0, max_offset=14)) == 2 * size
    assert read(log, 10, max_offset=10) == b""
    assert read(log, 12, max_offset=14) == b"", "the batch is not whole below that"
    assert len(read(log, 0, max_offset=1000)) == 4 * size


def test_at_least_one_batch_if_asked(log: Log) -> None:
    append(log, 100)
    append(log)
    size = read_all(log)[0].size_bytes
    assert len(read(log, 0, 10)) == size
    assert len(read(log, 0, size)) == size
    assert len(read(log, 50, 10)) == size
    assert read(log, 0, 10, least=False) == b""
    assert read(log, 0, size - 1, least=False) == b""


def test_reads_end_with_their_segment(directory: str) -> None:
    log = create_log(directory, LogConfig(segment_bytes=400))
    for _ in range(20):
        append(log)
    assert len(log.segments) > 4
    for segment, later in zip(log.segments, log.segments[1:], strict=False):
        assert headers_of(read(log, segment.base_offset))[-1].next_offset == later.base_offset
    assert [header.base_offset for header in read_all(log)] == list(range(20))
    assert [header.base_offset for header in read_all(log, 1)] == list(range(20))
    assert headers_of(read(log, 0, max_offset=2))[-1].next_offset == 2


def test_reads_skip_what_compaction_left_out(directory: str) -> None:
    log = create_log(directory, LogConfig(segment_bytes=400))
    for _ in range(9):
        append(log)
    log.close()
    # The first segment as compaction may leave it: without its last batch, and the second one without any.
    first, second, third = log.segments[:3]
    assert (first.base_offset, second.base_offset, third.base_offset) == (0, 3, 6)
    os.truncate(first.file.path, first.size_bytes * 2 // 3)
    os.truncate(second.file.path, 0)
    for segment in (first, second):
        for index in segment.indexes:
            os.truncate(index.file.path, 1)  # Of no sound size: made anew.
    log = open_log(directory)
    assert [header.base_offset for header in read_all(log)] == [0, 1, 6, 7, 8]
    assert headers_of(read(log, 2))[0].base_offset == 6
    assert read(log, 2, max_offset=6) == b""
    assert log.log_end_offset == 9


def test_a_consumer_at_the_tail_costs_no_reads(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, filesystem=filesystem)
    for _ in range(300):
        append(log)
    filesystem.calls.clear()
    offset = 300
    for _ in range(50):
        assert log.read(offset, 1 << 20, max_offset=offset, min_one_message=True) is None
        append(log)
        append(log)
        span = log.read(offset, 1 << 20, max_offset=offset + 2, min_one_message=True)
        assert span is not None
        span.release()
        offset += 2
    assert "pread" not in filesystem.calls


def test_a_consumer_of_old_data_reads_on_without_searching(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=20_000), filesystem=filesystem)
    for _ in range(600):
        append(log)
    assert [header.base_offset for header in read_all(log, 5000)] == list(range(600))
    filesystem.calls.clear()
    append(log)
    spans: list[FileSpan] = []
    offset = 0
    while offset < log.log_end_offset:
        span = log.read(offset, 5000, max_offset=log.log_end_offset, min_one_message=True)
        assert span is not None
        offset = headers_of(span.read())[-1].next_offset
        spans.append(span)
    # Besides the span itself, only the walk that looks for its end.
    assert filesystem.calls.count("pread") <= 5 * len(spans)
    for span in spans:
        span.release()


# Rolling


def test_rolls_by_time_of_the_batches(directory: str) -> None:
    log = create_log(directory, LogConfig(segment_ms=1000))
    append(log, timestamp=NOW_MS - 5000)
    append(log, timestamp=NOW_MS - 4000)
    append(log, timestamp=NOW_MS - 3999)
    assert [segment.base_offset for segment in log.segments] == [0, 2]
    assert log.segments[0].time_index.last() == (NOW_MS - 4000, 1)


def test_a_roll_leaves_a_snapshot_and_whole_indexes(directory: str) -> None:
    log = create_log(directory, LogConfig(segment_bytes=250))
    for number in range(5):
        idempotent(log, number)
    assert [segment.base_offset for segment in log.segments] == [0, 2, 4]
    names = set(os.listdir(directory))
    assert {"00000000000000000002.snapshot", "00000000000000000004.snapshot"} <= names
    assert os.path.getsize(f"{directory}/00000000000000000002.timeindex") == 12


@pytest.mark.parametrize("call", ["create", "write_atomically", "rename"])
@pytest.mark.parametrize("error", [no_space, broken])
def test_a_failed_roll_goes_on_with_the_old_segment(directory: str, call: str, error: object) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=250), filesystem=filesystem)
    idempotent(log, 0)
    idempotent(log, 1)
    filesystem.fail[call] = error  # type: ignore[assignment]
    with pytest.raises(OSError, match=r"No space|Input/output"):
        idempotent(log, 2)
    assert (len(log.segments), log.log_end_offset) == (1, 2)
    assert len(read_all(log)) == 2
    filesystem.fail.clear()
    assert idempotent(log, 2).base_offset == 2
    assert len(log.segments) == 2
    assert [header.base_offset for header in read_all(log)] == [0, 1, 2]


def test_a_failed_roll_leaves_no_empty_segment(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=250), filesystem=filesystem)
    append(log)
    created = iter([None, no_space()])
    filesystem.fail["create"] = lambda path: next(created) if "000001." in path else None
    with pytest.raises(OSError, match="No space"):
        append(log, 3)
    filesystem.fail.clear()
    assert "00000000000000000001.log" not in os.listdir(directory)
    append(log)  # Small enough for the old segment, where offset 1 then is.
    append(log, 3)
    log.close()
    assert [header.base_offset for header in read_all(open_log(directory))] == [0, 1, 2]


# A full disk


def test_a_full_disk_at_any_write(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=1000, index_interval_bytes=100), filesystem=filesystem)
    sent = 0
    for number in range(60):
        if number % 3 == 2:
            filesystem.fail["pwrite"] = no_space
        try:
            append(log, number % 4 + 1, epoch=number // 10)
        except OSError:
            sizes = [os.path.getsize(segment.file.path) for segment in log.segments]
            assert sum(sizes) == log.size_bytes, "nothing half-written stays"
            filesystem.fail.clear()
        else:
            sent += number % 4 + 1
        assert log.log_end_offset == sent
    assert sum(header.records_count for header in read_all(log)) == sent
    filesystem.fail.clear()
    log.close()
    assert open_log(directory).log_end_offset == sent


def test_a_shortage_of_descriptors_at_any_file(directory: str) -> None:
    """Every file is closed before each batch, and of what the log opens for it the first, second ... cannot be."""
    config = LogConfig(segment_bytes=2000, index_interval_bytes=100)
    log = create_log(directory, config)
    for _ in range(8):
        append(log)
    log.close()
    sent = 8
    refused = 0
    for attempt in range(60):
        filesystem = FailingFilesystem()
        log = open_log(directory, config, filesystem)
        for number in range(5):
            opened = itertools.count()

            def nth(*_: Any, opened: Any = opened, wanted: int = attempt % 6) -> OSError | None:
                return no_descriptor() if next(opened) >= wanted else None

            for segment in log.segments:
                segment.close()
            filesystem.fail["open"] = filesystem.fail["create"] = nth
            try:
                append(log, number % 3 + 1)
            except OSError:
                refused += 1
                assert {int(path.stem) for path in Path(directory).glob("*.log")} == {
                    segment.base_offset for segment in log.segments
                }
            else:
                sent += number % 3 + 1
            filesystem.fail.clear()
            assert log.log_end_offset == sent
            assert sum(os.path.getsize(segment.file.path) for segment in log.segments) == log.size_bytes
        assert sum(header.records_count for header in read_all(log)) == sent
        log.close()
    assert refused > 20
    assert open_log(directory).log_end_offset == sent


def test_a_cut_that_fails_is_the_error(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, filesystem=filesystem)
    append(log)
    filesystem.fail["pwrite"] = no_space
    filesystem.fail["truncate"] = broken
    with pytest.raises(OSError, match="Input/output"):
        append(log)


# Time


def by_time(log: Log, timestamp: int) -> int | None:
    found = log.offset_for_timestamp(timestamp)
    return None if found is None else found.offset


def test_offsets_by_time_as_kafka_answers(log: Log) -> None:
    # Tried on Apache Kafka 4.3.1.
    def send(*timestamps: int) -> None:
        log.append(build_batch([Record(i, t, None, b"") for i, t in enumerate(timestamps)]), 0, NOW_MS)

    send(100, 300, 300)
    send(300, 200)
    send(250)
    assert log.max_timestamp() == TimestampAndOffset(300, 1, 0)
    expected = {0: (100, 0), 99: (100, 0), 100: (100, 0), 101: (300, 1), 200: (300, 1), 250: (300, 1), 300: (300, 1)}
    for timestamp, (found, offset) in expected.items():
        assert log.offset_for_timestamp(timestamp) == TimestampAndOffset(found, offset, 0)
    assert log.offset_for_timestamp(301) is None
    log.delete_records(2)
    assert log.offset_for_timestamp(0) == TimestampAndOffset(300, 2, 0)
    log.delete_records(4)
    assert log.offset_for_timestamp(201) == TimestampAndOffset(250, 5, 0)
    assert log.offset_for_timestamp(251) is None


def test_records_without_timestamps(log: Log) -> None:
    append(log, timestamp=-1)
    append(log, timestamp=-1)
    assert log.max_timestamp() == TimestampAndOffset(-1, 0, EPOCH)
    assert log.offset_for_timestamp(0) is None


@pytest.mark.parametrize("restart", [False, True])
def test_offsets_by_time_across_segments(directory: str, restart: bool) -> None:
    config = LogConfig(segment_bytes=1000, index_interval_bytes=200)
    log = create_log(directory, config)
    timestamps = [NOW_MS + (number * 37) % 101 for number in range(100)]
    for timestamp in timestamps:
        append(log, timestamp=timestamp)
    if restart:
        log.close()
        log = open_log(directory, config)
    assert len(log.segments) > 5
    for wanted in range(NOW_MS - 1, NOW_MS + 103):
        assert by_time(log, wanted) == next((i for i, t in enumerate(timestamps) if t >= wanted), None)
    assert log.max_timestamp().offset == timestamps.index(max(timestamps))


def test_a_hostile_body_is_answered_by_its_base_offset(log: Log) -> None:
    append(log, 2)
    hostile = batch_of([b"x" * 30], NOW_MS + 50)
    hostile[61:] = b"\xff" * (len(hostile) - 61)
    struct.pack_into(">I", hostile, 17, crc32c(hostile[21:]))
    log.append(hostile, EPOCH, NOW_MS)
    assert log.offset_for_timestamp(NOW_MS + 1) == TimestampAndOffset(NOW_MS + 50, 2, EPOCH)
    assert log.max_timestamp() == TimestampAndOffset(NOW_MS + 50, 2, EPOCH)


def test_a_hostile_body_that_holds_the_log_start_is_answered_by_the_log_start(log: Log) -> None:
    hostile = batch_of([b"x" * 30] * 3, NOW_MS + 50)
    hostile[61:] = b"\xff" * (len(hostile) - 61)
    struct.pack_into(">I", hostile, 17, crc32c(hostile[21:]))
    log.append(hostile, EPOCH, NOW_MS)
    log.delete_records(2)
    assert log.offset_for_timestamp(NOW_MS) == TimestampAndOffset(NOW_MS + 50, 2, EPOCH)


def test_a_header_that_promises_a_later_timestamp_ends_the_search(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, filesystem=filesystem)
    append(log)
    for _ in range(20):
        lying = batch_of([b"x" * 5000], NOW_MS)
        struct.pack_into(">q", lying, 35, NOW_MS + 50)
        struct.pack_into(">I", lying, 17, crc32c(lying[21:]))
        log.append(lying, EPOCH, NOW_MS)
    filesystem.calls.clear()
    assert log.offset_for_timestamp(NOW_MS + 1) == TimestampAndOffset(NOW_MS + 50, 1, EPOCH)
    assert filesystem.calls.count("pread") < 4, "one batch was opened"
    assert log.max_timestamp() == TimestampAndOffset(NOW_MS + 50, 1, EPOCH)


def test_more_records_than_a_search_may_walk_over_are_answered_by_their_base_offset(log: Log) -> None:
    records = [Record(0, NOW_MS - 1, None, bytes(20 << 20)), Record(1, NOW_MS, None, b"x")]
    bomb = build_batch(records, attributes=4)
    bomb[61:] = bytes(cramjam.zstd.compress(bytes(bomb[61:])))
    struct.pack_into(">i", bomb, 8, len(bomb) - 12)
    struct.pack_into(">I", bomb, 17, crc32c(bomb[21:]))
    log.append(bomb, EPOCH, NOW_MS)
    assert log.offset_for_timestamp(NOW_MS) == TimestampAndOffset(NOW_MS, 0, EPOCH)


# Cutting


@pytest.mark.parametrize("segment_bytes", [300, 1 << 20])
def test_truncate(directory: str, segment_bytes: int) -> None:
    log = create_log(directory, LogConfig(segment_bytes=segment_bytes))
    for number in range(10):
        append(log, 2, epoch=number // 4, timestamp=NOW_MS + number)
    log.flush()
    assert log.recovery_point == 20
    log.truncate_to(30)
    assert log.log_end_offset == 20
    log.truncate_to(13)
    assert log.log_end_offset == 12, "a batch goes whole"
    assert log.recovery_point == 12
    assert log.leader_epochs.entries == (EpochStart(0, 0), EpochStart(1, 8))
    assert log.max_timestamp().offset == 10
    assert append(log, 1, epoch=7).base_offset == 12
    assert [header.base_offset for header in read_all(log)] == [0, 2, 4, 6, 8, 10, 12]
    log.truncate_to(0)
    assert (log.log_end_offset, log.size_bytes, len(log.segments)) == (0, 0, 1)
    assert log.leader_epochs.entries == ()
    append(log)
    log.close()
    assert open_log(directory).log_end_offset == 1


def test_truncate_takes_back_what_producers_sent(directory: str) -> None:
    log = create_log(directory, LogConfig(segment_bytes=250))
    for number in range(8):
        idempotent(log, number)
    log.truncate_to(5)
    assert idempotent(log, 4).duplicate
    assert idempotent(log, 5) == AppendResult(5, 5, -1, 0, False)


# Durability and the end


def test_flush_moves_the_recovery_point(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=250), filesystem=filesystem)
    for _ in range(5):
        append(log)
    flush = log.begin_flush()
    append(log)
    flush.sync()
    assert log.recovery_point == 0
    log.end_flush(flush)
    assert log.recovery_point == 5
    filesystem.calls.clear()
    log.flush()
    assert log.recovery_point == 6
    assert filesystem.calls.count("fdatasync") == 1, "only what is new"
    log.flush()
    assert filesystem.calls.count("fdatasync") == 1


def synced_files(log: Log, filesystem: FailingFilesystem, **options: bool) -> list[str]:
    """Flushes and returns the names of the files that were synced, directories as "."."""
    log.leader_epochs.flush()
    synced: list[str] = []
    filesystem.fail["fdatasync"] = lambda fd: synced.append(os.path.basename(os.readlink(f"/dev/fd/{fd}")))
    filesystem.fail["fsync_directory"] = lambda path: synced.append(".")
    flush = log.begin_flush(**options)
    flush.sync()
    log.end_flush(flush)
    filesystem.fail.clear()
    return synced


def test_what_a_flush_syncs(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=250), filesystem=filesystem)
    first, second = "00000000000000000000", "00000000000000000002"
    append(log)
    assert synced_files(log, filesystem, rolled_only=True) == ["."], "nothing has been rolled, but files were made"
    append(log)
    assert synced_files(log, filesystem) == [f"{first}.log"]
    append(log)
    # All of the first segment's batches were durable, but not the end of its index.
    assert synced_files(log, filesystem, rolled_only=True) == [f"{first}.log", f"{first}.timeindex", "."]
    assert log.recovery_point == 2
    assert synced_files(log, filesystem) == [f"{first}.log", f"{second}.log"]
    assert log.recovery_point == 3
    append(log)
    append(log)
    assert synced_files(log, filesystem, rolled_only=True) == [f"{second}.log", f"{second}.timeindex", "."]
    assert log.recovery_point == 4
    assert synced_files(log, filesystem) == [f"{second}.log", "00000000000000000004.log"]
    assert synced_files(log, filesystem) == []


def test_a_close_syncs_the_last_index_too(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, filesystem=filesystem)
    append(log)
    log.segments[-1].finish()
    assert synced_files(log, filesystem) == ["00000000000000000000.log", "00000000000000000000.timeindex", "."]


def test_a_roll_during_a_flush_is_left_to_the_next(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=250), filesystem=filesystem)
    append(log)
    append(log)
    flush = log.begin_flush()
    append(log)
    flush.sync()
    log.end_flush(flush)
    assert log.recovery_point == 2
    assert log.segments[0].time_index.entries.unsynced
    assert "." in synced_files(log, filesystem)
    assert not log.segments[0].time_index.entries.unsynced


def test_a_failed_sync_moves_nothing(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, filesystem=filesystem)
    append(log)
    filesystem.fail["fdatasync"] = broken
    with pytest.raises(OSError, match="Input/output"):
        log.flush()
    assert log.recovery_point == 0
    assert all(segment.file.pins == 0 for segment in log.segments)


def test_a_flush_that_cannot_begin_pins_nothing(directory: str) -> None:
    filesystem = FailingFilesystem()
    log = create_log(directory, LogConfig(segment_bytes=250), filesystem=filesystem)
    for _ in range(3):
        append(log)
    log.segments[0].time_index.append(NOW_MS + 1, 1)
    filesystem.fail["pwrite"] = no_space
    with pytest.raises(OSError, match="No space"):
        log.begin_flush()
    assert all(file.pins == 0 for segment in log.segments for file in segment.files)


def test_a_close_on_a_full_disk_is_not_clean(directory: str) -> None:
    """The start after a clean stop takes the indexes at their word: all entries must be in the files."""

    class FullForIndexes(Filesystem):
        def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
            if os.readlink(f"/dev/fd/{fd}").endswith(".timeindex"):
                raise no_space()
            return super().pwrite(fd, data, position)

    log = create_log(directory, filesystem=FullForIndexes())
    append(log)
    with pytest.raises(OSError, match="No space"):
        log.close()
    log.close_files()


def test_a_flush_that_a_cut_overtook_moves_nothing(log: Log) -> None:
    for _ in range(4):
        append(log)
    flush = log.begin_flush()
    log.truncate_to(2)
    append(log)
    append(log)
    flush.sync()
    log.end_flush(flush)
    assert log.recovery_point == 0


def test_a_clean_close_leaves_everything(directory: str) -> None:
    config = LogConfig(segment_bytes=1000, index_interval_bytes=100)
    log = create_log(directory, config)
    for number in range(30):
        append(log, number % 3 + 1, NOW_MS + number, epoch=number // 10)
    before = read_all(log), log.max_timestamp(), log.leader_epochs.entries, log.size_bytes
    log.close()
    assert log.recovery_point == log.log_end_offset
    filesystem = FailingFilesystem()
    again = open_log(directory, config, filesystem)
    assert filesystem.calls.count("pread") < 12, "a clean start reads the ends of things only"
    assert (read_all(again), again.max_timestamp(), again.leader_epochs.entries, again.size_bytes) == before
    assert again.recovery_point == again.log_end_offset == log.log_end_offset
    assert append(again).base_offset == log.log_end_offset


def test_closing_an_untouched_log_writes_nothing(directory: str) -> None:
    create_log(directory).close()
    filesystem = FailingFilesystem()
    log = open_log(directory, filesystem=filesystem)
    log.close()
    assert not {"pwrite", "fsync", "fdatasync", "rename"} & set(filesystem.calls)


def test_leftovers_are_removed_and_strangers_kept(directory: str) -> None:
    log = create_log(directory)
    append(log)
    log.close()
    for name in ("00000000000000000000.log.deleted", "00000000000000000009.index", "x.tmp", "notes.txt", "9.log"):
        Path(directory, name).write_text("x")
    again = open_log(directory)
    assert again.log_end_offset == 1
    assert {"notes.txt", "9.log"} == set(os.listdir(directory)) & {
        "00000000000000000000.log.deleted",
        "00000000000000000009.index",
        "x.tmp",
        "notes.txt",
        "9.log",
    }


def test_lost_indexes_are_made_anew(directory: str) -> None:
    config = LogConfig(segment_bytes=2000, index_interval_bytes=100)
    log = create_log(directory, config)
    for number in range(60):
        append(log, timestamp=NOW_MS + number)
    log.close()
    contents = {path: path.read_bytes() for path in Path(directory).glob("*index")}
    assert len(contents) > 4
    for number, path in enumerate(contents):
        if number % 2:
            path.unlink()
        else:
            path.write_bytes(b"odd")
    again = open_log(directory, config)
    assert [by_time(again, NOW_MS + number) for number in range(60)] == list(range(60))
    assert {path: path.read_bytes() for path in contents} == contents


def test_a_log_that_is_shorter_than_its_index_ends_with_its_last_batch(directory: str) -> None:
    log = create_log(directory, LogConfig(index_interval_bytes=100))
    for _ in range(10):
        append(log)
    log.close()
    (path,) = Path(directory).glob("*.log")
    os.truncate(path, path.stat().st_size // 10 * 2)
    again = open_log(directory)
    assert again.log_end_offset == 2
    assert append(again).base_offset == 2
    assert [header.base_offset for header in read_all(again)] == [0, 1, 2]


def test_a_damaged_batch_does_not_keep_a_lost_index_from_being_made_anew(directory: str) -> None:
    config = LogConfig(segment_bytes=1000, index_interval_bytes=100)
    log = create_log(directory, config)
    for _ in range(20):
        append(log)
    log.close()
    path = Path(directory, f"{0:020d}.log")
    data = bytearray(path.read_bytes())
    third = 2 * read_header(data).size_bytes
    data[third + 16] = 9  # the magic
    path.write_bytes(data)
    path.with_suffix(".index").unlink()
    again = open_log(directory, config)
    assert again.log_end_offset == 20
    assert read_header(read(again, 1)).base_offset == 1
    with pytest.raises(KafkaError, match="magic 9"):
        read(again, 3)
    second = again.segments[1].base_offset
    assert headers_of(read(again, second))[0].base_offset == second


def test_an_empty_directory_is_an_empty_log(tmp_path: Path) -> None:
    log = open_log(str(tmp_path), log_start_offset=40)
    assert (log.log_start_offset, log.log_end_offset) == (40, 40)
    assert append(log).base_offset == 40


def test_few_descriptors_serve_many_segments(directory: str) -> None:
    filesystem = Filesystem()
    cache = DescriptorCache(filesystem, 4)
    log = create_log(directory, LogConfig(segment_bytes=200), filesystem, descriptors=cache)
    for _ in range(50):
        append(log)
    assert len(log.segments) == 50
    assert [header.base_offset for header in read_all(log)] == list(range(50))
    assert len(cache) <= 4
    log.close()
    assert len(cache) == 0


def test_delete(directory: str, tmp_path: Path) -> None:
    log = create_log(directory)
    append(log)
    span = log.read(0, 1 << 20, max_offset=1, min_one_message=True)
    log.delete()
    assert os.listdir(tmp_path) == []
    assert len(take(span)) > 0


def test_detach_renames_as_kafka(tmp_path: Path) -> None:
    topic = "t" * 249
    (tmp_path / f"{topic}-0").mkdir()
    log = Log.create(str(tmp_path / f"{topic}-0"), topic, 0, LogConfig(), Filesystem(), now_ms=NOW_MS)
    append(log)
    path = log.detach()
    (name,) = os.listdir(tmp_path)
    assert path == str(tmp_path / name)
    assert len(name) == 255
    assert name.startswith("ttt")
    assert name.endswith("-delete")
    create_log(str(tmp_path / f"{topic}-0"))
    assert len(os.listdir(tmp_path)) == 2
