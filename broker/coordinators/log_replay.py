"""Reading a coordinator's log from its first record to its last, in slices, so that nobody waits for it.

A stored batch may hold anything behind a sane header. One that cannot be read, or a record that its coordinator cannot
read, is left where it is and passed over, and whoever loads says so.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator

from protocol.errors import ErrorCode, KafkaError, MalformedFrame
from protocol.record_batch import BatchHeader, crc_matches, read_header
from protocol.records import iterate_key_values
from storage.file_span import FileSpan
from storage.log import Log

from .pace import Pace

# A fraction of a ms; a look at the clock for each record would cost a tenth of the time.
_RECORDS_PER_LOOK = 128
_BATCHES_PER_LOOK = 64

Replay = Callable[[bytes, "bytes | None"], bool]


class LogReplay:
    """The replay of one log, and what it came upon; a chunk is how many bytes are read at once, or one batch."""

    def __init__(self, log: Log, replay: Replay, pace: Pace, chunk_bytes: int, is_wanted: Callable[[], bool]) -> None:
        self.records_count = 0
        self.size_bytes = 0
        self.skipped_count = 0
        """How many batches, and records in others, had to be passed over; of the first of them the reason:"""
        self.skipped_reason = ""
        self._log = log
        self._replay = replay
        self._pace = pace
        self._chunk_bytes = chunk_bytes
        self._is_wanted = is_wanted

    async def run(self) -> None:
        """Replay all records that there are, as long as that is wanted.

        Raises OSError, and KafkaError where a batch header on disk is damaged.
        """
        log = self._log
        offset = log.log_start_offset
        while offset < log.log_end_offset:
            end_offset = log.log_end_offset
            span = log.read(offset, self._chunk_bytes, max_offset=end_offset, min_one_message=True)
            if span is None:
                return  # the last offsets are of records that compaction has taken
            try:
                chunk = await self._read(span)
            finally:
                span.release()
            next_offset = await self._replay_chunk(chunk)
            if not self._is_wanted():
                return
            if next_offset <= offset:
                raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"a batch at or above offset {offset} ends below it")
            # Records may have been deleted while others had their turn.
            offset = max(next_offset, log.log_start_offset)

    async def _read(self, span: FileSpan) -> bytes:
        """Read the span in a thread: it may be on a slow disk."""
        span.open()
        chunk = await asyncio.to_thread(span.read)
        if len(chunk) < len(span):
            raise OSError(errno.EIO, f"Of {len(span)} bytes {len(chunk)} could be read")
        self._pace.begin()
        return chunk

    async def _replay_chunk(self, chunk: bytes) -> int:
        """Replay whole batches and return the offset behind the last one."""
        replay = self._replay
        keep_pace = self._pace.keep
        view = memoryview(chunk)
        records_count = batches_count = position = next_offset = 0
        while position < len(chunk) and self._is_wanted():
            header = _header_at(chunk, position)
            end = position + header.size_bytes
            try:
                # Control batches are the ends of transactions, no records of a coordinator.
                for key, value in () if header.is_control else _key_values(view, chunk, position, header):
                    if key is None:
                        self._skip(header, "a record has no key")
                        continue
                    if not replay(key, value):
                        self._skip(header, "a record is malformed")
                    records_count += 1
                    if not records_count % _RECORDS_PER_LOOK:
                        await keep_pace()
            except MalformedFrame as error:
                self._skip(header, str(error))
            batches_count += 1
            if not batches_count % _BATCHES_PER_LOOK:
                await keep_pace()
            position = end
            next_offset = max(next_offset, header.next_offset)
        self.records_count += records_count
        self.size_bytes += len(chunk)
        return next_offset

    def _skip(self, header: BatchHeader, reason: str) -> None:
        self.skipped_count += 1
        self.skipped_reason = self.skipped_reason or f"the batch at offset {header.base_offset}: {reason}"


def _header_at(chunk: bytes, position: int) -> BatchHeader:
    try:
        header = read_header(chunk, position)
    except MalformedFrame as error:
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error
    if position + header.size_bytes > len(chunk):
        raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"A batch of {header.size_bytes} bytes passes the end of its log")
    return header


def _key_values(
    view: memoryview, chunk: bytes, position: int, header: BatchHeader
) -> Iterator[tuple[bytes | None, bytes | None]]:
    if not crc_matches(view[position : position + header.size_bytes], header):
        raise MalformedFrame("its CRC-32C is not the stored one")
    return iterate_key_values(chunk, position, header)
