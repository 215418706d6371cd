"""Deletes records from the front of logs: up to the offset that a client names, or what retention says.

A log forgets them at once. Where it begins is then on disk before a client is answered, and before a file goes: a crash
brings nothing back. Deletions that come while that is being written share the next write.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from protocol.errors import ErrorCode, KafkaError
from storage.checkpoints import TopicPartition
from storage.log import Expired, Log
from storage.log_manager import LogManager
from storage.retention import Reason
from storage.segment import Segment

from .clock import Clock
from .coordinators.pace import Pace
from .partition import Partition
from .partitions import PartitionTable

logger = logging.getLogger(__name__)


class RecordDeletion:
    """What deletes records, for all partitions of a broker; all its methods run on the loop's thread."""

    def __init__(self, partitions: PartitionTable, logs: LogManager, clock: Clock) -> None:
        self._partitions = partitions
        self._logs = logs
        self._clock = clock
        self._waiting: dict[Log, list[Segment]] = {}
        """What the next write is for."""
        self._next_write: asyncio.Task[set[TopicPartition]] | None = None
        self._writing = asyncio.Lock()

    async def delete(self, wanted: Mapping[Partition, int]) -> dict[Partition, int | KafkaError]:
        """Delete the records below an offset of each partition, as `Partition.delete_records`.

        Returns for each where its log begins now, or its error.
        """
        deletions: dict[Log, list[Segment]] = {}
        results: dict[Partition, int | KafkaError] = {}
        pace = Pace(self._clock)
        for partition, offset in wanted.items():
            await pace.keep()
            log = partition.log
            old_start_offset = log.log_start_offset
            try:
                deletions[log] = partition.delete_records(offset)
            except KafkaError as error:
                results[partition] = error
                continue
            results[partition] = log.log_start_offset
            if log.log_start_offset > old_start_offset:
                logger.info("[%s] A client has deleted the records below offset %d", partition, log.log_start_offset)
        if deletions:
            saved = await self._settle(deletions)
            for partition, result in results.items():
                if not isinstance(result, KafkaError) and (partition.topic, partition.index) not in saved:
                    results[partition] = KafkaError(
                        ErrorCode.KAFKA_STORAGE_ERROR, f"The new start of {partition} cannot be written down."
                    )
        return results

    async def enforce_retention(self) -> None:
        """Delete from all logs what is beyond their retention."""
        deletions: dict[Log, list[Segment]] = {}
        pace = Pace(self._clock)
        now_ms = self._clock.now_ms()
        for partition in self._partitions.led():
            if partition.hosted:
                try:
                    expired = partition.expire(now_ms)
                except KafkaError:
                    continue  # logged where the disk has failed
                if expired is not None:
                    deletions[partition.log] = expired.segments
                    _log(partition, expired)
            await pace.keep()
        if deletions:
            await self._settle(deletions)

    async def _settle(self, deletions: Mapping[Log, Sequence[Segment]]) -> set[TopicPartition]:
        """Make the starts of these logs durable and have their segments removed.

        Returns the partitions of which the start is on disk now.
        """
        for log, segments in deletions.items():
            self._waiting.setdefault(log, []).extend(segments)
        if self._next_write is None:
            self._next_write = asyncio.get_running_loop().create_task(self._write(), name="delete-segments")
        return await asyncio.shield(self._next_write)

    async def _write(self) -> set[TopicPartition]:
        async with self._writing:
            deletions, self._waiting = self._waiting, {}
            self._next_write = None
            return await asyncio.to_thread(self._logs.delete_segments, deletions)


def _log(partition: Partition, expired: Expired) -> None:
    """One line, however many segments; what they hold below the log's old start was deleted before."""
    config = partition.log.config
    limits = {Reason.SIZE: f"={config.retention_bytes}", Reason.AGE: f"={config.retention_ms}"}
    reasons = ", ".join(
        f"{count} by {reason.value}{limits.get(reason, '')}" for reason, count in Counter(expired.reasons).items()
    )
    logger.info(
        "[%s] Deleted segments: %s; %d bytes, and the log begins at offset %d now",
        partition,
        reasons,
        expired.size_bytes,
        partition.log_start_offset,
    )
