"""Record batches (magic 2) written and read byte by byte, apart from the code under test.

Small and slow: what a batch means here comes from Kafka's documentation of the message format alone.
"""

from __future__ import annotations

import gzip
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cramjam
from crc32c import crc32c

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
"""Names of the codecs, by the number in a batch's attributes."""

_HEAD = struct.Struct(">qiibI")
_TAIL = struct.Struct(">hiqqqhii")
_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEADER_BYTES = 16


class Record(NamedTuple):
    """A record as it is written; `timestamp` in ms, -1 for the time at which its batch is made."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = -1


class StoredRecord(NamedTuple):
    """A record as it was read; `timestamp` in ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Batch:
    """A batch as it was read, its CRC checked."""

    base_offset: int
    leader_epoch: int
    codec: str
    is_log_append_time: bool
    is_transactional: bool
    is_control: bool
    last_offset: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: tuple[StoredRecord, ...]


def encode_batch(
    records: Sequence[Record | bytes],
    *,
    codec: str = "none",
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
) -> bytes:
    """Write one batch with base offset 0; a record given as bytes is one of that value. Codecs: none, gzip, zstd."""
    now_ms = time.time_ns() // 1_000_000
    whole = [Record(record) if isinstance(record, bytes) else record for record in records]
    whole = [record._replace(timestamp=now_ms) if record.timestamp < 0 else record for record in whole]
    base_timestamp = whole[0].timestamp
    body = b"".join(_encode_record(record, delta, base_timestamp) for delta, record in enumerate(whole))
    compressors: Mapping[str, Callable[[bytes], Any]] = {
        "none": bytes,
        "gzip": gzip.compress,
        "zstd": cramjam.zstd.compress,
    }
    compressed = bytes(compressors[codec](body))
    tail = _TAIL.pack(
        CODECS.index(codec),
        len(whole) - 1,
        base_timestamp,
        max(record.timestamp for record in whole),
        producer_id,
        producer_epoch,
        base_sequence,
        len(whole),
    )
    checked = tail + compressed
    return _HEAD.pack(0, len(checked) + 9, -1, 2, crc32c(checked)) + checked


def decode_batches(data: bytes | None) -> list[Batch]:
    """Read the whole batches that a fetch returned; one that is cut off at the end is left out, as clients do."""
    batches = []
    data = data or b""
    position = 0
    while len(data) - position >= _HEAD.size:
        base_offset, length, leader_epoch, magic, crc = _HEAD.unpack_from(data, position)
        end = position + 12 + length
        if end > len(data):
            break
        assert magic == 2, f"magic {magic} at byte {position}"
        checked = data[position + _HEAD.size : end]
        assert crc32c(checked) == crc, f"bad CRC of the batch at offset {base_offset}"
        batches.append(_decode_batch(base_offset, leader_epoch, checked))
        position = end
    return batches


def records_of(data: bytes | None) -> list[StoredRecord]:
    """All records of what a fetch returned."""
    return [record for batch in decode_batches(data) for record in batch.records]


def _decode_batch(base_offset: int, leader_epoch: int, checked: bytes) -> Batch:
    attributes, last_delta, base_timestamp, max_timestamp, producer_id, epoch, sequence, count = _TAIL.unpack_from(
        checked
    )
    codec = CODECS[attributes & 7]
    is_log_append_time = bool(attributes & 8)
    body = _decompress(codec, checked[_TAIL.size :])
    # The reader gives deltas.
    records = tuple(
        record._replace(
            offset=base_offset + record.offset,
            timestamp=max_timestamp if is_log_append_time else base_timestamp + record.timestamp,
        )
        for record in _decode_records(body, count)
    )
    return Batch(
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        codec=codec,
        is_log_append_time=is_log_append_time,
        is_transactional=bool(attributes & 16),
        is_control=bool(attributes & 32),
        last_offset=base_offset + last_delta,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        records=records,
    )


def _decompress(codec: str, data: bytes) -> bytes:
    if codec == "snappy":
        return b"".join(_snappy_blocks(data))
    decompressors: Mapping[str, Callable[[bytes], Any]] = {
        "none": bytes,
        "gzip": gzip.decompress,
        "lz4": cramjam.lz4.decompress,
        "zstd": cramjam.zstd.decompress,
    }
    return bytes(decompressors[codec](data))


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    """Raw snappy, as librdkafka writes it, or blocks in xerial's framing, as the others do."""
    if not data.startswith(_XERIAL_MAGIC):
        yield bytes(cramjam.snappy.decompress_raw(data))
        return
    position = _XERIAL_HEADER_BYTES
    while position < len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        yield bytes(cramjam.snappy.decompress_raw(data[position + 4 : end]))
        position = end


def _encode_record(record: Record, offset_delta: int, base_timestamp: int) -> bytes:
    parts = [b"\0", _varint(record.timestamp - base_timestamp), _varint(offset_delta)]
    parts += [_sized(record.key), _sized(record.value), _varint(len(record.headers))]
    for name, value in record.headers:
        parts += [_sized(name.encode()), _sized(value)]
    whole = b"".join(parts)
    return _varint(len(whole)) + whole


def _decode_records(body: bytes, count: int) -> Iterator[StoredRecord]:
    reader = _Reader(body)
    for _ in range(count):
        end = reader.varint() + reader.position
        reader.position += 1
        timestamp_delta, offset_delta = reader.varint(), reader.varint()
        key, value = reader.sized(), reader.sized()
        headers = tuple(((reader.sized() or b"").decode(), reader.sized()) for _ in range(reader.varint()))
        assert reader.position == end, "a record's length does not fit its content"
        yield StoredRecord(offset_delta, timestamp_delta, key, value, headers)
    assert reader.position == len(body), "bytes behind the last record"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    def sized(self) -> bytes | None:
        size = self.varint()
        if size < 0:
            return None
        self.position += size
        return self.data[self.position - size : self.position]


def _varint(number: int) -> bytes:
    zigzag = number << 1 if number >= 0 else ~(number << 1)
    encoded = bytearray()
    while zigzag > 0x7F:
        encoded.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    encoded.append(zigzag)
    return bytes(encoded)


def _sized(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data
