"""Walks from batch to batch of a segment's file by their headers; what is in the batches is not read.

For files that are taken at their word: `batch_scan` is what checks them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from protocol.errors import ErrorCode, KafkaError, MalformedFrame
from protocol.record_batch import HEADER_BYTES, LENGTH_PREFIX_BYTES, BatchHeader, read_header

from .descriptors import CachedFile

# With small batches one window holds what lies between two index entries, with large ones it costs no more than a
# header alone.
_WINDOW_BYTES = 4096
# Base offset, batch length, magic and last offset delta out of a batch header.
_PLACEMENT = struct.Struct(">qi4xb6xi")


def header_at(file: CachedFile, position: int, end: int) -> BatchHeader:
    """Reads the header of the batch that starts at `position` of a file of `end` bytes.

    Raises OSError, and KafkaError (CORRUPT_MESSAGE) where there is no whole batch.
    """
    return _decode(file, file.pread(HEADER_BYTES, position), 0, position, end)


def walk_headers(file: CachedFile, position: int, end: int) -> Iterator[tuple[int, BatchHeader]]:
    """Yields (position, header) of each batch from one that starts at `position` on; raises as `header_at`."""
    window = b""
    window_start = position
    while position < end:
        index = position - window_start
        if index + HEADER_BYTES > len(window):
            window = file.pread(_WINDOW_BYTES, position)
            window_start = position
            index = 0
        header = _decode(file, window, index, position, end)
        yield position, header
        position += header.size_bytes


def walk_placements(file: CachedFile, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """`walk_headers` for those that only want to get past: yields position, its end, base offset, last offset."""
    window = b""
    window_start = position
    while position < end:
        index = position - window_start
        if index + HEADER_BYTES > len(window):
            window = file.pread(_WINDOW_BYTES, position)
            window_start = position
            index = 0
            if len(window) < HEADER_BYTES:
                _decode(file, window, 0, position, end)
        base_offset, batch_length, magic, last_offset_delta = _PLACEMENT.unpack_from(window, index)
        next_position = position + LENGTH_PREFIX_BYTES + batch_length
        if magic != 2 or batch_length < HEADER_BYTES - LENGTH_PREFIX_BYTES or next_position > end:
            _decode(file, window, index, position, end)
        yield position, next_position, base_offset, base_offset + last_offset_delta
        position = next_position


def _decode(file: CachedFile, buffer: bytes, index: int, position: int, end: int) -> BatchHeader:
    try:
        header = read_header(buffer, index)
    except MalformedFrame as error:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"{file.path} at {position}: {error}") from error
    if position + header.size_bytes > end:
        raise KafkaError(
            ErrorCode.CORRUPT_MESSAGE,
            f"{file.path} at {position}: a batch of {header.size_bytes} bytes passes the end at {end}",
        )
    return header
