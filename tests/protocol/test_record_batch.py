"""The header of a batch: every refusal as Apache Kafka 4.3.1 answered it, and the patches in place."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ErrorCode, KafkaError, MalformedFrame
from protocol.record_batch import (
    CONTROL_BIT,
    HEADER_BYTES,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    crc_matches,
    read_header,
    rebase,
    set_create_time,
    set_log_append_time,
    validate,
)
from protocol.records import Record
from tests.support.built_batches import build_batch

from .captured_batches import CAPTURED

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
LONG_MAX = (1 << 63) - 1


@dataclass
class Rules:
    """Kafka's defaults."""

    max_message_bytes: int = 1_048_588
    message_timestamp_type: str = "CreateTime"
    message_timestamp_before_max_ms: int = LONG_MAX
    message_timestamp_after_max_ms: int = HOUR_MS


def batch(
    *,
    base_offset: int = 0,
    magic: int = 2,
    attributes: int = 0,
    last_offset_delta: int = 1,
    base_timestamp: int = NOW_MS,
    max_timestamp: int = NOW_MS,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    records_count: int = 2,
    crc: int | None = None,
    length: int | None = None,
    body: bytes = b"two records, or none at all",
) -> bytearray:
    """A batch of any header."""
    tail = struct.pack(
        ">hiqqqhii",
        attributes,
        last_offset_delta,
        base_timestamp,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        records_count,
    )
    tail += body
    length = len(tail) + 9 if length is None else length
    crc = crc32c(tail) if crc is None else crc
    return bytearray(struct.pack(">qiibI", base_offset, length, -1, magic, crc) + tail)


def refusal(data: bytes | bytearray, rules: Rules | None = None) -> ErrorCode | None:
    try:
        validate(memoryview(data), rules or Rules(), NOW_MS)
    except KafkaError as error:
        assert error.message
        return error.code
    return None


ACCEPTED: dict[str, bytearray] = {
    "plain": batch(),
    "idempotent": batch(producer_id=7, producer_epoch=0, base_sequence=0),
    "idempotent without an epoch": batch(producer_id=7, base_sequence=0),
    "producer id below none": batch(producer_id=-2, producer_epoch=0, base_sequence=0),
    "epoch without a producer": batch(producer_epoch=3, base_sequence=4),
    "transactional": batch(attributes=TRANSACTIONAL_BIT, producer_id=7, producer_epoch=0, base_sequence=0),
    "says LogAppendTime": batch(attributes=TIMESTAMP_TYPE_BIT),
    "unused attributes": batch(attributes=0x40C0),
    "no timestamp": batch(base_timestamp=-1, max_timestamp=-1),
    "negative timestamp": batch(base_timestamp=-5, max_timestamp=-5),
    "just within the future": batch(max_timestamp=NOW_MS + HOUR_MS),
    **{f"codec {codec}": batch(attributes=codec) for codec in range(5)},
    **{name: bytearray(data) for name, (data, _) in CAPTURED.items() if "Java" not in name},
}

REFUSED: dict[str, tuple[bytes | bytearray, ErrorCode]] = {
    "nothing": (b"", ErrorCode.INVALID_RECORD),
    "10 bytes": (batch()[:10], ErrorCode.INVALID_RECORD),
    "16 bytes": (batch()[:16], ErrorCode.INVALID_RECORD),
    "30 bytes": (batch()[:30], ErrorCode.INVALID_RECORD),
    "a byte short": (batch()[:-1], ErrorCode.INVALID_RECORD),
    "length beyond the end": (batch(length=500), ErrorCode.INVALID_RECORD),
    "length below any message": (batch(length=5), ErrorCode.CORRUPT_MESSAGE),
    "negative length": (batch(length=-5), ErrorCode.CORRUPT_MESSAGE),
    "negative length and no more": (batch(length=-5)[:12], ErrorCode.CORRUPT_MESSAGE),
    "not even a length": (batch(length=-5)[:11], ErrorCode.INVALID_RECORD),
    "length below a header": (batch(length=40), ErrorCode.CORRUPT_MESSAGE),
    "two batches": (batch() + batch(), ErrorCode.INVALID_RECORD),
    "magic 0": (batch(magic=0), ErrorCode.INVALID_RECORD),
    "magic 1": (batch(magic=1), ErrorCode.INVALID_RECORD),
    "magic 3": (batch(magic=3), ErrorCode.CORRUPT_MESSAGE),
    "magic -1": (batch(magic=-1), ErrorCode.CORRUPT_MESSAGE),
    "base offset": (batch(base_offset=5), ErrorCode.INVALID_RECORD),
    "CRC": (batch(crc=1), ErrorCode.CORRUPT_MESSAGE),
    "CRC before control bit": (batch(crc=1, attributes=CONTROL_BIT), ErrorCode.CORRUPT_MESSAGE),
    "base offset before CRC": (batch(crc=1, base_offset=5), ErrorCode.INVALID_RECORD),
    "no records": (batch(last_offset_delta=-1, records_count=0), ErrorCode.INVALID_RECORD),
    "count 0": (batch(records_count=0), ErrorCode.INVALID_RECORD),
    "count -1": (batch(records_count=-1, last_offset_delta=-2), ErrorCode.INVALID_RECORD),
    "count above offsets": (batch(records_count=3), ErrorCode.INVALID_RECORD),
    "offsets above count": (batch(last_offset_delta=2), ErrorCode.INVALID_RECORD),
    "control": (batch(attributes=CONTROL_BIT), ErrorCode.INVALID_RECORD),
    "codec 5": (batch(attributes=5), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
    "codec 7": (batch(attributes=7), ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
    "future": (batch(max_timestamp=NOW_MS + HOUR_MS + 1), ErrorCode.INVALID_TIMESTAMP),
    "producer without a sequence": (batch(producer_id=7, producer_epoch=0), ErrorCode.INVALID_RECORD),
    "sequence before timestamps": (
        batch(producer_id=7, producer_epoch=0, max_timestamp=NOW_MS + 2 * HOUR_MS),
        ErrorCode.INVALID_RECORD,
    ),
    "sequence -5": (batch(producer_id=7, producer_epoch=0, base_sequence=-5), ErrorCode.INVALID_RECORD),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    data = ACCEPTED[name]
    before = bytes(data)
    assert validate(memoryview(data), Rules(), NOW_MS) == read_header(data)
    assert data == before


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, code = REFUSED[name]
    assert refusal(data) is code


def test_size_is_judged_before_the_crc() -> None:
    rules = Rules(max_message_bytes=len(batch()))
    assert refusal(batch(), rules) is None
    rules.max_message_bytes -= 1
    assert refusal(batch(), rules) is ErrorCode.MESSAGE_TOO_LARGE
    assert refusal(batch(crc=1), rules) is ErrorCode.MESSAGE_TOO_LARGE
    assert refusal(batch(base_offset=1), rules) is ErrorCode.INVALID_RECORD


def test_timestamps_of_the_past() -> None:
    rules = Rules(message_timestamp_before_max_ms=1000)
    assert refusal(batch(base_timestamp=NOW_MS - 1000), rules) is None
    assert refusal(batch(base_timestamp=NOW_MS - 1001), rules) is ErrorCode.INVALID_TIMESTAMP
    assert refusal(batch(base_timestamp=-1, max_timestamp=-1), rules) is None


def test_a_log_append_time_topic_ignores_timestamps_but_not_the_type() -> None:
    rules = Rules(message_timestamp_type="LogAppendTime", message_timestamp_before_max_ms=1000)
    assert refusal(batch(max_timestamp=NOW_MS + 10 * HOUR_MS, base_timestamp=0), rules) is None
    assert refusal(batch(attributes=TIMESTAMP_TYPE_BIT), rules) is ErrorCode.INVALID_TIMESTAMP


@settings(deadline=None)
@given(st.sampled_from(sorted(ACCEPTED)), st.data())
def test_damage_is_noticed(name: str, data: st.DataObject) -> None:
    damaged = bytearray(ACCEPTED[name])
    position = data.draw(st.integers(0, len(damaged) - 1))
    damaged[position] ^= data.draw(st.integers(1, 255))
    # Only the leader epoch is the producer's to fill as it likes.
    assert (refusal(damaged) is None) == (12 <= position < 16)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    assert refusal(data) is not None


def test_properties() -> None:
    header = read_header(batch(attributes=TRANSACTIONAL_BIT | CONTROL_BIT | TIMESTAMP_TYPE_BIT | 3, base_offset=10))
    assert (header.last_offset, header.next_offset) == (11, 12)
    assert header.size_bytes == len(batch())
    assert header.compression == 3
    assert (header.is_transactional, header.is_control, header.is_log_append_time) == (True, True, True)
    plain = read_header(batch())
    assert (plain.is_transactional, plain.is_control, plain.is_log_append_time) == (False, False, False)


def test_read_header_at_a_position() -> None:
    data = batch() + batch(base_offset=7)
    assert read_header(data, len(batch())).base_offset == 7
    assert read_header(bytes(data[:HEADER_BYTES])).base_offset == 0
    for wrong in (batch()[:60], batch(magic=1), batch(length=48), batch(length=-1)):
        with pytest.raises(MalformedFrame):
            read_header(wrong)
    with pytest.raises(MalformedFrame):
        read_header(data, len(data) - 60)


def test_rebase_keeps_the_crc() -> None:
    data = batch()
    rebase(memoryview(data), 1 << 40, 12)
    header = read_header(data)
    assert (header.base_offset, header.partition_leader_epoch) == (1 << 40, 12)
    assert crc_matches(memoryview(data), header)


def test_log_append_time_and_back() -> None:
    data = build_batch([Record(0, NOW_MS, None, b"a")], attributes=3)
    original = bytes(data)
    set_log_append_time(memoryview(data), NOW_MS + 5)
    header = read_header(data)
    assert (header.attributes, header.max_timestamp, header.base_timestamp) == (
        3 | TIMESTAMP_TYPE_BIT,
        NOW_MS + 5,
        NOW_MS,
    )
    assert crc_matches(memoryview(data), header)
    set_log_append_time(data, NOW_MS)
    set_create_time(memoryview(data))
    assert data == original
    set_create_time(data)
    assert data == original
