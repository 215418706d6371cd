"""Reads the batches of a stretch of a segment file one after another, each with its header and CRC checked.

Large preads, not mmap: a disk that fails then raises OSError instead of killing the process with SIGBUS.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol.errors import MalformedFrame
from protocol.record_batch import HEADER_BYTES, LENGTH_PREFIX_BYTES, BatchHeader, crc_matches, read_header

from .filesystem import Filesystem

_CHUNK_BYTES = 1 << 20


def scan_batches(
    filesystem: Filesystem, fd: int, position: int, end_position: int
) -> Iterator[tuple[int, BatchHeader, memoryview]]:
    """Yields position, header and bytes of each batch from `position`, where one starts, to `end_position`.

    Raises MalformedFrame at the first that is not whole: cut short, of impossible length, or with a wrong CRC.
    The bytes are good until the next batch is asked for.
    """
    while position < end_position:
        left = end_position - position
        chunk = memoryview(filesystem.pread(fd, min(left, _CHUNK_BYTES), position))
        start = 0
        chunk_bytes = len(chunk)
        while chunk_bytes - start >= HEADER_BYTES:
            header = read_header(chunk, start)
            size_bytes = header.batch_length + LENGTH_PREFIX_BYTES
            end = start + size_bytes
            if end > chunk_bytes:
                if size_bytes > left - start:
                    raise MalformedFrame(f"a batch of {size_bytes} bytes has {left - start}")
                if start:
                    break
                # Larger than a chunk: read it alone, no larger than the file.
                chunk = memoryview(filesystem.pread(fd, size_bytes, position))
                chunk_bytes = len(chunk)
                if chunk_bytes < size_bytes:
                    raise MalformedFrame(f"a batch of {size_bytes} bytes has {chunk_bytes}")
            batch = chunk[start:end]
            if not crc_matches(batch, header):
                raise MalformedFrame(f"wrong CRC in a batch of {size_bytes} bytes")
            yield position + start, header, batch
            start = end
        if start == 0:
            raise MalformedFrame(f"{chunk_bytes} bytes are no batch")
        position += start
