"""The header of a record batch (magic 2): read, judged and patched without looking at the records behind it.

A batch is 61 bytes of header and then its records, compressed as one piece where attributes say so:

    0   base_offset               int64    first 12 bytes and the epoch lie outside the CRC,
    8   batch_length              int32    so that a broker places a batch without touching the rest
    12  partition_leader_epoch    int32
    16  magic                     int8
    17  crc                       uint32   CRC-32C of everything from byte 21
    21  attributes                int16    bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control
    23  last_offset_delta         int32
    27  base_timestamp            int64
    35  max_timestamp             int64
    43  producer_id               int64
    51  producer_epoch            int16
    53  base_sequence             int32
    57  records_count             int32
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

from .checksum import crc32c
from .compression import ZSTD
from .errors import ErrorCode, KafkaError, MalformedFrame

HEADER_BYTES = 61
"""Size of the header of a batch; its records follow."""

LENGTH_PREFIX_BYTES = 12
"""What `batch_length` does not count: the base offset and itself."""

CODEC_MASK = 0x07
TIMESTAMP_TYPE_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20

NO_TIMESTAMP = -1
NO_PRODUCER_ID = -1
NO_SEQUENCE = -1

_CODEC_OR_CONTROL = CODEC_MASK | CONTROL_BIT
_CRC_START = 21
_LEGACY_OVERHEAD_BYTES = 14
_MAGIC_POSITION = 16
_MAGIC_END = 17

_HEADER = struct.Struct(">qiibIhiqqqhii")
_PLACE = struct.Struct(">qii")  # base offset, batch length, leader epoch
_INT64 = struct.Struct(">q")
_INT32 = struct.Struct(">i")
_UINT32 = struct.Struct(">I")
_INT16 = struct.Struct(">h")

_unpack_header = _HEADER.unpack_from


class BatchHeader(NamedTuple):
    """The header fields of a batch, as they stand in its first 61 bytes; timestamps in ms."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def last_offset(self) -> int:
        """Offset of the last record, also where compaction has removed it."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """Offset after the last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def size_bytes(self) -> int:
        """Size of the whole batch."""
        return LENGTH_PREFIX_BYTES + self.batch_length

    @property
    def compression(self) -> int:
        """Codec of the records: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 are unknown."""
        return self.attributes & CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        """Whether all records have `max_timestamp`, the broker's time, for their timestamp."""
        return self.attributes & TIMESTAMP_TYPE_BIT != 0

    @property
    def is_transactional(self) -> bool:
        return self.attributes & TRANSACTIONAL_BIT != 0

    @property
    def is_control(self) -> bool:
        """Whether the records are a broker's transaction markers, which consumers never see."""
        return self.attributes & CONTROL_BIT != 0


class AppendRules(Protocol):
    """What a topic allows its producers; storage's LogConfig fits."""

    @property
    def max_message_bytes(self) -> int: ...
    @property
    def message_timestamp_type(self) -> str: ...
    @property
    def message_timestamp_before_max_ms(self) -> int: ...
    @property
    def message_timestamp_after_max_ms(self) -> int: ...


def read_header(buffer: bytes | bytearray | memoryview, position: int = 0) -> BatchHeader:
    """Reads the header of a stored batch at a position.

    Raises MalformedFrame where there are fewer than 61 bytes, or a length or magic that no batch has. The batch itself
    may reach beyond the buffer.
    """
    try:
        header: BatchHeader = tuple.__new__(BatchHeader, _unpack_header(buffer, position))
    except struct.error:
        raise MalformedFrame(f"No batch header in {len(buffer) - position} bytes") from None
    if header.magic != 2:
        raise MalformedFrame(f"Batch has magic {header.magic}, not 2")
    if header.batch_length < HEADER_BYTES - LENGTH_PREFIX_BYTES:
        raise MalformedFrame(f"Batch length {header.batch_length} is smaller than a batch header")
    return header


def crc_matches(batch: memoryview, header: BatchHeader) -> bool:
    """Whether the bytes of one whole batch are what its CRC was made of."""
    return crc32c(batch[_CRC_START:]) == header.crc


def validate(records: memoryview, rules: AppendRules, now_ms: int) -> BatchHeader:
    """Judges a producer's records by header and CRC alone, and returns the header.

    Raises KafkaError with the code Apache Kafka 4.3 gives, in its order. Records are not looked at: a body that does
    not hold what the header says passes where the real one would refuse it.
    """
    size_bytes = len(records)
    if size_bytes < HEADER_BYTES:
        raise _not_one_batch(records)
    header: BatchHeader = tuple.__new__(BatchHeader, _unpack_header(records))
    (
        base_offset,
        batch_length,
        _,
        magic,
        crc,
        attributes,
        last_offset_delta,
        base_timestamp,
        max_timestamp,
        producer_id,
        _,
        base_sequence,
        records_count,
    ) = header
    if batch_length != size_bytes - LENGTH_PREFIX_BYTES or magic != 2:
        raise _not_one_batch(records)
    if base_offset != 0:
        raise KafkaError(
            ErrorCode.INVALID_RECORD, f"The base offset of a produced batch should be 0, but it is {base_offset}"
        )
    if size_bytes > rules.max_message_bytes:
        raise KafkaError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The record batch has {size_bytes} bytes, more than the {rules.max_message_bytes} of max.message.bytes",
        )
    if crc32c(records[_CRC_START:]) != crc:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"Record batch is corrupt: its CRC-32C is not the stored {crc}")
    if records_count != last_offset_delta + 1 or records_count <= 0:
        raise KafkaError(
            ErrorCode.INVALID_RECORD,
            f"Inconsistent batch: last offset delta {last_offset_delta} and count of records {records_count}",
        )
    if producer_id >= 0 and base_sequence < 0:
        raise KafkaError(
            ErrorCode.INVALID_RECORD, f"Invalid sequence number {base_sequence} of producer id {producer_id}"
        )
    if attributes & _CODEC_OR_CONTROL > ZSTD:
        if attributes & CONTROL_BIT:
            raise KafkaError(ErrorCode.INVALID_RECORD, "Clients are not allowed to write control records")
        raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"Unknown compression type {attributes & CODEC_MASK}")
    if rules.message_timestamp_type == "CreateTime":
        # The largest timestamp and the first one are all a header tells; the real one looks at every record.
        if max_timestamp - now_ms > rules.message_timestamp_after_max_ms:
            raise _timestamp_out_of_range(max_timestamp, rules, now_ms)
        if now_ms - base_timestamp > rules.message_timestamp_before_max_ms and base_timestamp != NO_TIMESTAMP:
            raise _timestamp_out_of_range(base_timestamp, rules, now_ms)
    elif attributes & TIMESTAMP_TYPE_BIT:
        raise KafkaError(ErrorCode.INVALID_TIMESTAMP, "Producer should not set timestamp type to LogAppendTime")
    return header


def rebase(batch: memoryview | bytearray, base_offset: int, leader_epoch: int) -> None:
    """Gives one whole batch its place in the log, in place; the CRC does not cover these fields."""
    _PLACE.pack_into(batch, 0, base_offset, len(batch) - LENGTH_PREFIX_BYTES, leader_epoch)


def set_log_append_time(batch: memoryview | bytearray, timestamp_ms: int) -> None:
    """Gives all records of a batch the broker's timestamp, in place: type bit, max timestamp, and CRC."""
    attributes, max_timestamp = _timestamps(batch)
    if not attributes & TIMESTAMP_TYPE_BIT or max_timestamp != timestamp_ms:
        _INT16.pack_into(batch, 21, attributes | TIMESTAMP_TYPE_BIT)
        _INT64.pack_into(batch, 35, timestamp_ms)
        _UINT32.pack_into(batch, 17, crc32c(memoryview(batch)[_CRC_START:]))


def set_create_time(batch: memoryview | bytearray) -> None:
    """Gives the records of a batch back their own timestamps, in place: type bit and CRC.

    Kafka does so to a producer that says LogAppendTime where the topic says CreateTime.
    """
    attributes, _ = _timestamps(batch)
    if attributes & TIMESTAMP_TYPE_BIT:
        _INT16.pack_into(batch, 21, attributes & ~TIMESTAMP_TYPE_BIT)
        _UINT32.pack_into(batch, 17, crc32c(memoryview(batch)[_CRC_START:]))


def _timestamps(batch: memoryview | bytearray) -> tuple[int, int]:
    return _INT16.unpack_from(batch, 21)[0], _INT64.unpack_from(batch, 35)[0]


def _not_one_batch(records: memoryview) -> KafkaError:
    """Why bytes are not exactly one batch of magic 2."""
    size_bytes = len(records)
    batch_length = _INT32.unpack_from(records, 8)[0] if size_bytes >= LENGTH_PREFIX_BYTES else None
    if batch_length is not None and batch_length < _LEGACY_OVERHEAD_BYTES:
        return KafkaError(
            ErrorCode.CORRUPT_MESSAGE,
            f"Record size {batch_length} is less than the minimum record overhead ({_LEGACY_OVERHEAD_BYTES})",
        )
    if batch_length is None or size_bytes < _MAGIC_END:
        return KafkaError(
            ErrorCode.INVALID_RECORD, "Produce requests must have at least one record batch per partition"
        )
    magic = records[_MAGIC_POSITION]
    if magic > 2:
        return KafkaError(ErrorCode.CORRUPT_MESSAGE, f"Invalid magic found in record: {magic - (magic >> 7 << 8)}")
    if batch_length > size_bytes - LENGTH_PREFIX_BYTES:
        return KafkaError(
            ErrorCode.INVALID_RECORD,
            f"Produce requests must have at least one record batch per partition; "
            f"this one says {batch_length + LENGTH_PREFIX_BYTES} bytes and has {size_bytes}",
        )
    if magic < 2:
        return KafkaError(
            ErrorCode.INVALID_RECORD,
            f"Produce requests are only allowed to contain record batches with magic version 2, not {magic}",
        )
    if batch_length < HEADER_BYTES - LENGTH_PREFIX_BYTES:
        return KafkaError(
            ErrorCode.CORRUPT_MESSAGE, f"Batch length {batch_length} is less than the header of a record batch"
        )
    return KafkaError(
        ErrorCode.INVALID_RECORD, "Produce requests are only allowed to contain exactly one record batch per partition"
    )


def _timestamp_out_of_range(timestamp: int, rules: AppendRules, now_ms: int) -> KafkaError:
    earliest = now_ms - rules.message_timestamp_before_max_ms
    latest = now_ms + rules.message_timestamp_after_max_ms
    return KafkaError(
        ErrorCode.INVALID_TIMESTAMP,
        f"Timestamp {timestamp} of the batch is out of range. The timestamp should be within [{earliest}, {latest}]",
    )
