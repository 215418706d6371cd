"""The records inside a batch: read one by one where something needs them, and built.

No broker does either while data passes through. What reads records takes them as hostile: a stored batch has a good
CRC and a sane header, and may hold anything behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .checksum import crc32c
from .compression import NONE, decompress
from .errors import MalformedFrame
from .record_batch import (
    HEADER_BYTES,
    LENGTH_PREFIX_BYTES,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    BatchHeader,
    read_header,
)
from .varint import VARINTS, read_varint, read_varlong

DECOMPRESSED_BYTES_MAX = 64 << 20
"""Most bytes that the records of one batch may unfold to; Kafka has no limit."""

ABORT, COMMIT = 0, 1
"""Types of the control records that end a transaction."""

_INT64_MAX = (1 << 63) - 1
# Bits of what was read as a varint of at most two bytes if it is a longer or a negative one.
_NOT_PLAIN = ~0x3FFE
_HEAD = struct.Struct(">qiibI")
_TAIL = struct.Struct(">hiqqqhii")
_INT16_PAIR = struct.Struct(">hh")
_COORDINATOR_EPOCH = struct.Struct(">hi")


class Record(NamedTuple):
    """One record; timestamp in ms. Keys of headers that are no UTF-8 are shown with replacement characters."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class ControlRecord(NamedTuple):
    """A transaction marker: its type (`ABORT`, `COMMIT`, or one that is not known yet) and who wrote it."""

    type: int
    coordinator_epoch: int


def iterate(
    batch: bytes | bytearray | memoryview, max_decompressed_bytes: int = DECOMPRESSED_BYTES_MAX
) -> Iterator[Record]:
    """Yields the records of one whole batch, in order, decompressed where they are compressed.

    Raises MalformedFrame, and nothing else, where the batch does not hold what it says; records before the damage
    are yielded first. The CRC is not checked.
    """
    header = read_header(batch)
    view = memoryview(batch)
    if len(view) != header.size_bytes:
        raise MalformedFrame(f"Batch says {header.size_bytes} bytes and has {len(view)}")
    if header.records_count < 0:
        raise MalformedFrame(f"Batch says {header.records_count} records")
    records: bytes | memoryview = view[HEADER_BYTES:]
    if header.compression != NONE:
        records = decompress(header.compression, records, max_decompressed_bytes)
    log_append_time = header.max_timestamp if header.is_log_append_time else None
    position = 0
    try:
        for _ in range(header.records_count):
            record, position = _read_record(records, position, header, log_append_time)
            yield record
    except IndexError:
        raise MalformedFrame(f"Records end within a record, at byte {len(records)}") from None
    if position != len(records):
        raise MalformedFrame(f"{len(records) - position} bytes follow the last record")


def iterate_key_values(
    buffer: bytes, position: int, header: BatchHeader, max_decompressed_bytes: int = DECOMPRESSED_BYTES_MAX
) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Yields key and value of each record of the batch at `position` of a buffer, whose header has been read.

    For whoever reads through millions of small records: one costs a quarter of what `iterate` takes. Raises
    MalformedFrame exactly where that does.
    """
    end = position + header.size_bytes
    if end > len(buffer):
        raise MalformedFrame(f"Batch says {header.size_bytes} bytes and has {len(buffer) - position}")
    if header.records_count < 0:
        raise MalformedFrame(f"Batch says {header.records_count} records")
    records = buffer
    position += HEADER_BYTES
    if header.compression != NONE:
        records = decompress(header.compression, memoryview(buffer)[position:end], max_decompressed_bytes)
        position, end = 0, len(records)
    # From such a base no timestamp delta of one byte overflows.
    last_delta = header.last_offset_delta if abs(header.base_timestamp) < 1 << 62 else -1
    bounded: memoryview | None = None
    for _ in range(header.records_count):
        # Most records have no headers, a varint of one byte for the timestamp and of one or two bytes for what else
        # there is. All is read as if it were so, and then it is seen whether it was; a null value has the length -1.
        try:
            length = records[position]
            start = position + 1
            if length > 0x7F:
                length += (records[start] << 7) - 0x80
                start += 1
            delta = records[start + 2]
            at = start + 3
            if delta > 0x7F:
                delta += (records[at] << 7) - 0x80
                at += 1
            key_length = records[at]
            at += 1
            if key_length > 0x7F:
                key_length += (records[at] << 7) - 0x80
                at += 1
            key_end = at + (key_length >> 1)
            value_length = records[key_end]
            value_start = key_end + 1
            if value_length > 0x7F:
                value_length += (records[value_start] << 7) - 0x80
                value_start += 1
            value_end = value_start + (value_length >> 1)
            record_end = start + (length >> 1)
            plain = (
                value_end + 1 == record_end <= end
                and not records[value_end]
                and records[start + 1] < 0x80
                and delta >> 1 <= last_delta
                and not (length | delta | key_length) & _NOT_PLAIN
            )
        except IndexError:
            plain = False
        if plain and not value_length & _NOT_PLAIN:
            yield records[at:key_end], records[value_start:value_end]
            position = record_end
        elif plain and value_length == 1:
            yield records[at:key_end], None
            position = record_end
        else:
            if bounded is None:
                bounded = memoryview(records)[:end]
            log_append_time = header.max_timestamp if header.is_log_append_time else None
            try:
                record, position = _read_record(bounded, position, header, log_append_time)
            except IndexError:
                raise MalformedFrame(f"Records end within a record, at byte {end}") from None
            yield record.key, record.value
    if position != end:
        raise MalformedFrame(f"{end - position} bytes follow the last record")


def decode_control(record: Record) -> ControlRecord:
    """Reads a record of a control batch; raises MalformedFrame."""
    try:
        _, kind = _INT16_PAIR.unpack_from(record.key or b"")
        _, coordinator_epoch = _COORDINATOR_EPOCH.unpack_from(record.value or b"")
    except struct.error:
        raise MalformedFrame("Control record is too short") from None
    return ControlRecord(kind, coordinator_epoch)


def build_key_values(pairs: Sequence[tuple[bytes | None, bytes | None]], timestamp: int) -> bytearray:
    """Builds an uncompressed batch of at least one key and value, all of one time: what a coordinator writes."""
    count = len(pairs)
    tail = _TAIL.pack(0, count - 1, timestamp, timestamp, NO_PRODUCER_ID, -1, NO_SEQUENCE, count)
    body = bytearray()
    for offset_delta, (key, value) in enumerate(pairs):
        record = b"".join(
            (
                b"\0\0",  # attributes, unused, and the timestamp delta
                VARINTS[offset_delta],
                VARINTS[-1 if key is None else len(key)],
                key or b"",
                VARINTS[-1 if value is None else len(value)],
                value or b"",
                b"\0",  # headers
            )
        )
        body += VARINTS[len(record)]
        body += record
    size_bytes = HEADER_BYTES - LENGTH_PREFIX_BYTES + len(body)
    batch = bytearray(_HEAD.pack(0, size_bytes, -1, 2, crc32c(body, crc32c(tail))))
    batch += tail
    batch += body
    return batch


def _read_record(
    records: bytes | memoryview, position: int, header: BatchHeader, log_append_time: int | None
) -> tuple[Record, int]:
    """Reads the record at a position; IndexError where the bytes end."""
    length, position = read_varint(records, position)
    end = position + length
    if not position < end <= len(records):
        raise MalformedFrame(f"Record says {length} bytes where {len(records) - position} are left")
    position += 1  # attributes, unused
    timestamp_delta, position = read_varlong(records, position)
    offset_delta, position = read_varint(records, position)
    key, position = _read_bytes(records, position, end)
    value, position = _read_bytes(records, position, end)
    headers_count, position = read_varint(records, position)
    if not 0 <= headers_count <= end - position:
        raise MalformedFrame(f"Record says {headers_count} headers where {end - position} bytes are left")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(headers_count):
        header_key, position = _read_bytes(records, position, end)
        header_value, position = _read_bytes(records, position, end)
        if header_key is None:
            raise MalformedFrame("Record has a header without a key")
        headers.append((header_key.decode(errors="replace"), header_value))
    if position != end:
        raise MalformedFrame(f"Record says {length} bytes and has {length - (end - position)}")
    if log_append_time is not None:
        timestamp = log_append_time
    else:
        timestamp = header.base_timestamp + timestamp_delta
        if not -_INT64_MAX - 1 <= timestamp <= _INT64_MAX:
            raise MalformedFrame(f"Timestamp delta {timestamp_delta} overflows")
    if not 0 <= offset_delta <= header.last_offset_delta:
        raise MalformedFrame(f"Offset delta {offset_delta} exceeds the batch's last, {header.last_offset_delta}")
    return Record(header.base_offset + offset_delta, timestamp, key, value, tuple(headers)), position


def _read_bytes(records: bytes | memoryview, position: int, end: int) -> tuple[bytes | None, int]:
    length, position = read_varint(records, position)
    if length < 0:
        if length != -1:
            raise MalformedFrame(f"Length {length} within a record")
        return None, position
    if length > end - position:
        raise MalformedFrame(f"Length {length} within a record where {end - position} bytes are left")
    return bytes(records[position : position + length]), position + length
