"""Batches of any records the code under test can read, as no broker builds them: with headers, gaps and producers."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from crc32c import crc32c

from protocol.records import Record
from protocol.varint import VARINTS

_HEAD = struct.Struct(">qiibI")
_TAIL = struct.Struct(">hiqqqhii")
_UNCOUNTED_BYTES = 12  # offset and length stand before what the length counts


def build_batch(
    records: Sequence[Record],
    *,
    leader_epoch: int = -1,
    attributes: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
) -> bytearray:
    """Build an uncompressed batch of at least one record, whose offsets rise from the first one's."""
    first = records[0]
    checked = _TAIL.pack(
        attributes,
        records[-1].offset - first.offset,
        first.timestamp,
        max(record.timestamp for record in records),
        producer_id,
        producer_epoch,
        base_sequence,
        len(records),
    ) + b"".join(_encode(record, first) for record in records)
    size_bytes = _HEAD.size - _UNCOUNTED_BYTES + len(checked)
    return bytearray(_HEAD.pack(first.offset, size_bytes, leader_epoch, 2, crc32c(checked)) + checked)


def _encode(record: Record, first: Record) -> bytes:
    parts = [
        b"\0",  # attributes, unused
        VARINTS[record.timestamp - first.timestamp],
        VARINTS[record.offset - first.offset],
        *_sized(record.key),
        *_sized(record.value),
        VARINTS[len(record.headers)],
    ]
    for key, value in record.headers:
        parts += (*_sized(key.encode()), *_sized(value))
    encoded = b"".join(parts)
    return VARINTS[len(encoded)] + encoded


def _sized(data: bytes | None) -> tuple[bytes, bytes]:
    return (VARINTS[-1], b"") if data is None else (VARINTS[len(data)], data)
