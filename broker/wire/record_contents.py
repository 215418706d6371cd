"""Record batches as plain values: what their headers say, and the records inside, decompressed.

    [{"base_offset": 0, "last_offset": 0, "partition_leader_epoch": 0, "compression": "zstd", ...,
      "records": [{"offset": 0, "timestamp": 1700000000000, "key": "k", "value": "v", "headers": []}]}]

Keys and values are bytes, so they are escaped as all bytes are (`escape`). What cannot be read is told in the place
where it stands, as `undecodable`, behind all that could be.
"""

from __future__ import annotations

import struct
from typing import Any

from protocol.compression import NAMES
from protocol.errors import MalformedFrame
from protocol.record_batch import LENGTH_PREFIX_BYTES, BatchHeader, read_header
from protocol.records import Record, iterate
from storage.file_span import FileSpan

from .escaping import escape

_BATCH_LENGTH = struct.Struct(">i")
_BATCH_LENGTH_POSITION = 8
_MAGIC_POSITION = 16


def describe(data: bytes | bytearray | memoryview | FileSpan) -> list[dict[str, Any]]:
    """Return the batches of a field of records; a span of a file is read."""
    try:
        buffer = memoryview(data.read() if isinstance(data, FileSpan) else data)
    except OSError as error:
        return [{"undecodable": f"the file cannot be read: {error.strerror}"}]
    batches: list[dict[str, Any]] = []
    while buffer:
        size_bytes = len(buffer)
        if size_bytes > _MAGIC_POSITION:
            size_bytes = LENGTH_PREFIX_BYTES + _BATCH_LENGTH.unpack_from(buffer, _BATCH_LENGTH_POSITION)[0]
        if not _MAGIC_POSITION < size_bytes <= len(buffer):
            # A broker may cut the last batch where the client's limit lies.
            batches.append({"undecodable": f"{len(buffer)} bytes of an incomplete batch"})
            break
        batches.append(_describe_batch(buffer[:size_bytes]))
        buffer = buffer[size_bytes:]
    return batches


def _describe_batch(batch: memoryview) -> dict[str, Any]:
    if batch[_MAGIC_POSITION] != 2:
        return {"undecodable": f"{len(batch)} bytes of a batch of magic {batch[_MAGIC_POSITION]}"}
    try:
        header = read_header(batch)
    except MalformedFrame as error:
        return {"undecodable": str(error)}
    records: list[dict[str, Any]] = []
    plain = {**_describe_header(header), "records": records}
    try:
        records.extend(map(_describe_record, iterate(batch)))
    except MalformedFrame as error:
        plain["undecodable"] = str(error)
    return plain


def _describe_header(header: BatchHeader) -> dict[str, Any]:
    codec = header.compression
    return {
        "base_offset": header.base_offset,
        "last_offset": header.last_offset,
        "partition_leader_epoch": header.partition_leader_epoch,
        "compression": NAMES[codec] if codec < len(NAMES) else codec,
        "timestamp_type": "LogAppendTime" if header.is_log_append_time else "CreateTime",
        "is_transactional": header.is_transactional,
        "is_control": header.is_control,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
    }


def _describe_record(record: Record) -> dict[str, Any]:
    return {
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _escaped(record.key),
        "value": _escaped(record.value),
        "headers": [{"key": key, "value": _escaped(value)} for key, value in record.headers],
    }


def _escaped(data: bytes | None) -> str | None:
    return None if data is None else escape(data)
