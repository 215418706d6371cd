"""Records of a batch: what every client writes is read, what we write every client reads, and nothing hostile hurts."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AioBuilder
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder as PythonBuilder

from protocol.errors import MalformedFrame
from protocol.record_batch import CONTROL_BIT, HEADER_BYTES, crc_matches, read_header, set_log_append_time
from protocol.records import ABORT, COMMIT, ControlRecord, Record, build_key_values, decode_control, iterate
from tests.support.built_batches import build_batch

from .captured_batches import CAPTURED

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
OPTIONAL_BYTES = st.none() | st.binary(max_size=40)
HEADERS = st.lists(st.tuples(st.text(max_size=8), OPTIONAL_BYTES), max_size=3).map(tuple)


@st.composite
def some_records(draw: st.DrawFn) -> list[Record]:
    base = draw(st.integers(0, 1 << 60))
    records: list[Record] = []
    for _ in range(draw(st.integers(1, 8))):
        records.append(
            Record(base, draw(st.integers(0, 1 << 50)), draw(OPTIONAL_BYTES), draw(OPTIONAL_BYTES), draw(HEADERS))
        )
        base += draw(st.integers(1, 3))
    return records


@settings(deadline=None)
@given(some_records())
def test_built_batches_are_read_back(records: list[Record]) -> None:
    batch = build_batch(records, leader_epoch=3)
    header = read_header(batch)
    assert list(iterate(batch)) == records
    assert crc_matches(memoryview(batch), header)
    assert header.size_bytes == len(batch)
    assert (header.base_offset, header.last_offset) == (records[0].offset, records[-1].offset)
    assert header.partition_leader_epoch == 3
    assert header.max_timestamp == max(record.timestamp for record in records)
    assert header.records_count == len(records)


@settings(deadline=None)
@given(some_records())
def test_kafka_python_reads_what_is_built(records: list[Record]) -> None:
    memory = MemoryRecords(bytes(build_batch(records)))
    read = memory.next_batch()
    assert read.validate_crc()
    assert [Record(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in read] == records


@pytest.mark.parametrize("name", CAPTURED)
def test_reads_what_clients_sent(name: str) -> None:
    batch, records = CAPTURED[name]
    header = read_header(batch)
    assert crc_matches(memoryview(batch), header)
    assert list(iterate(batch)) == records


@pytest.mark.parametrize("builder", [PythonBuilder, AioBuilder])
@pytest.mark.parametrize("codec", range(5))
def test_reads_what_python_clients_build(builder: type[AioBuilder], codec: int) -> None:
    made = builder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=7,
        producer_epoch=1,
        base_sequence=5,
        batch_size=1 << 20,
    )
    records = [Record(i, 1000 + i, b"key" * (i % 3), b"value " * 50, (("h", b"x"),) * (i % 2)) for i in range(20)]
    for record in records:
        made.append(record.offset, record.timestamp, record.key, record.value, list(record.headers))
    batch = bytes(made.build())
    header = read_header(batch)
    assert header.compression == codec
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (7, 1, 5)
    assert list(iterate(batch)) == records


@pytest.mark.parametrize("builder", [PythonBuilder, AioBuilder])
def test_builds_the_same_bytes_as_python_clients(builder: type[AioBuilder]) -> None:
    made = builder(
        magic=2,
        compression_type=0,
        is_transactional=True,
        producer_id=7,
        producer_epoch=1,
        base_sequence=5,
        batch_size=1 << 20,
    )
    records = [Record(i, 1_700_000_000_000 - i, b"key", b"v" * 100 * i, (("h", None), ("é", b""))) for i in range(5)]
    for record in records:
        made.append(record.offset, record.timestamp, record.key, record.value, list(record.headers))
    ours = build_batch(records, attributes=0x10, producer_id=7, producer_epoch=1, base_sequence=5)
    theirs = bytearray(made.build())
    theirs[12:16] = ours[12:16]  # They differ in the leader epoch, which a producer has no say in.
    assert ours == theirs


@settings(deadline=None)
@given(st.lists(st.tuples(OPTIONAL_BYTES, OPTIONAL_BYTES), min_size=1, max_size=80), st.integers(0, 1 << 60))
def test_keys_and_values_alone_are_built_like_any_records(
    pairs: list[tuple[bytes | None, bytes | None]], timestamp: int
) -> None:
    records = [Record(offset, timestamp, key, value) for offset, (key, value) in enumerate(pairs)]
    assert build_key_values(pairs, timestamp) == build_batch(records)


def test_log_append_time_is_every_records_timestamp() -> None:
    batch = build_batch([Record(0, 5, None, b"a"), Record(1, 9, None, b"b")])
    set_log_append_time(batch, 1234)
    assert [record.timestamp for record in iterate(batch)] == [1234, 1234]


def test_control_records() -> None:
    # As Kafka writes them: version 0 and type, version 0 and coordinator epoch.
    record = Record(0, 1, b"\0\0\0\1", b"\0\0\0\0\0\7")
    batch = build_batch([record], attributes=CONTROL_BIT)
    assert read_header(batch).is_control
    assert decode_control(next(iterate(batch))) == ControlRecord(COMMIT, 7)
    assert decode_control(record._replace(key=b"\0\0\0\0")).type == ABORT
    for key, value in ((None, record.value), (b"\0\0\0", record.value), (record.key, None), (record.key, b"\0\0\0")):
        with pytest.raises(MalformedFrame):
            decode_control(record._replace(key=key, value=value))


def test_header_keys_need_not_be_text() -> None:
    batch = bytearray(build_batch([Record(0, 1, None, None, (("ab", b""),))]))
    batch[batch.index(b"ab")] = 0xFF
    assert next(iterate(batch)).headers == (("�b", b""),)


def with_body(body: bytes, *, count: int = 1, last_offset_delta: int = 0) -> bytes:
    """A batch with a good CRC around any body."""
    tail = struct.pack(">hiqqqhii", 0, last_offset_delta, 1000, 1000, -1, -1, -1, count) + body
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80",  # a length that goes on
        b"\x80\x80\x80\x80\x80\x01",  # a length of six bytes
        b"\x01",  # length -1
        b"\x00",  # length 0
        b"\x7e" + bytes(5),  # longer than what is there
        b"\x0c" + bytes(5),  # one byte short
        b"\x0c\0\0\0\x03\0\0",  # a key of length -2
        b"\x0c\0\0\0\x08\0\0",  # a key beyond the record
        b"\x0c\0\0\0\1\1\x7e",  # 63 headers in no bytes
        b"\x0c\0\0\0\1\1\1",  # -1 headers
        b"\x10\0\0\0\1\1\2\1\0",  # a header without a key
        b"\x0e\0\0\0\1\1\0\0",  # a byte too many in the record
        b"\x0c\0\0\2\1\1\0",  # an offset beyond the batch's last
        b"\x0c\0\0\1\1\1\0",  # offset delta -1
        b"\x0c\0\0\0\1\1\0\0",  # a byte too many in the batch
        b"\x1e\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\1\1\0",  # a timestamp that leaves int64
        b"\x20\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\0\1\1\0",  # a timestamp of eleven bytes
    ],
)
def test_malformed_bodies(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        list(iterate(with_body(body)))


def test_counts_that_are_no_counts() -> None:
    good = bytes(build_batch([Record(0, 1, None, b"v")]))[HEADER_BYTES:]
    assert len(list(iterate(with_body(good)))) == 1
    for count in (-1, 0, 2):
        with pytest.raises(MalformedFrame):
            list(iterate(with_body(good, count=count)))


def test_a_batch_is_given_whole() -> None:
    batch = bytes(build_batch([Record(0, 1, None, b"v")]))
    for wrong in (batch[:-1], batch + b"\0", batch[:60], b""):
        with pytest.raises(MalformedFrame):
            list(iterate(wrong))


def test_records_before_the_damage_are_yielded() -> None:
    batch = bytearray(build_batch([Record(0, 1, None, b"first"), Record(1, 1, None, b"second")]))
    batch[batch.index(b"second") - 1] = 0x7F
    records: Iterator[Record] = iterate(batch)
    assert next(records).value == b"first"
    with pytest.raises(MalformedFrame):
        next(records)


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(-2, 1 << 20), st.integers(0, 5))
def test_any_body_raises_nothing_but_malformed_frame(body: bytes, count: int, last_offset_delta: int) -> None:
    try:
        for _ in iterate(with_body(body, count=count, last_offset_delta=last_offset_delta)):
            pass
    except MalformedFrame:
        pass


@settings(deadline=None)
@given(st.sampled_from(sorted(CAPTURED)), st.data())
def test_any_damage_raises_nothing_but_malformed_frame(name: str, data: st.DataObject) -> None:
    damaged = bytearray(CAPTURED[name][0])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        for _ in iterate(damaged, 1 << 16):
            pass
    except MalformedFrame:
        pass
