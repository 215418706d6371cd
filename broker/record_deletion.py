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
        self._next_write: asyncio.Task[set[Log]] | None = None
        self._writing = asyncio.Lock()

    async def delete(self, wanted: Mapping[Partition, int]) -> dict[Partition, int | KafkaError]:
        """Delete the records below an offset of each partition, as `Partition.delete_records`.

        Returns for each where its log begins now, or its error.
        """
        deletions: dict[Log, list[Segment]] = {}
        results: dict[Partition, int | KafkaError] = {}
        pace = Pace(self._clock)
        try:
            for partition, offset in wanted.items():
                await pace.keep()
                log = partition.log
                old_start_offset = log.log_start_offset
                try:
                    if not partition.hosted:  # it has left while others had their turn
                        raise self._failure(partition)
                    deletions[log] = partition.delete_records(offset)
                except KafkaError as error:
                    results[partition] = error
                    continue
                results[partition] = log.log_start_offset
                if log.log_start_offset > old_start_offset:
                    logger.info(
                        "[%s] A client has deleted the records below offset %d", partition, log.log_start_offset
                    )
        finally:
            saved = await self._settle(deletions)
        for partition, result in results.items():
            if not isinstance(result, KafkaError) and partition.log not in saved:
                results[partition] = self._failure(partition)
        return results

    async def enforce_retention(self) -> None:
        """Delete from all logs what is beyond their retention."""
        deletions: dict[Log, list[Segment]] = {}
        pace = Pace(self._clock)
        now_ms = self._clock.now_ms()
        try:
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
        finally:
            # Whatever has ended the round: no later one would find the segments that logs have let go.
            await self._settle(deletions)

    def _failure(self, partition: Partition) -> KafkaError:
        """Return why the start of a partition's log is not moved for good."""
        if partition.hosted or (partition.topic_id, partition.index) in self._partitions.offline:
            message = f"The new start of {partition} cannot be written down."
            return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, message)
        return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{partition} is no longer here.")

    async def _settle(self, deletions: Mapping[Log, Sequence[Segment]]) -> set[Log]:
        """Make the starts of these logs durable and have their segments removed.

        Returns the logs whose start is on disk now; others that shared the write may be among them.
        """
        if not deletions:
            return set()
        for log, segments in deletions.items():
            self._waiting.setdefault(log, []).extend(segments)
        if self._next_write is None:
            self._next_write = asyncio.get_running_loop().create_task(self._write(), name="delete-segments")
        return await asyncio.shield(self._next_write)

    async def _write(self) -> set[Log]:
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
