"""A partition that this broker leads: its log, how far it is committed, and the requests that wait for more.

Replicas come later; one fact holds already for them: `high_watermark` moves in `_advance_high_watermark` alone, which
tells everybody who waits. With a single replica it follows each append at once, so acks=all is answered like acks=1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from protocol.errors import ErrorCode, KafkaError
from storage.file_span import FileSpan
from storage.leader_epochs import EpochEnd
from storage.log import AppendResult, Expired, Log
from storage.segment import Segment

from .delayed import DelayedRequests, Waiter

NO_EPOCH = -1
"""What a client sends that does not know, or does not care for, a leader epoch."""

ACKS_ALL = -1
"""`acks` of a producer that wants an answer once all in-sync replicas have its records."""

TO_HIGH_WATERMARK = -1
"""The offset of a client that wants all committed records deleted."""

_ALL_BYTES = 2**31 - 1


class PartitionListener(ABC):
    """Told at once of whatever happens to a partition, before the call that does it returns; it must not raise."""

    __slots__ = ()

    @abstractmethod
    def on_committed(self, size_bytes: int) -> None:
        """The high watermark has moved over `size_bytes` of batches."""

    @abstractmethod
    def on_changed(self, partition: Partition) -> None:
        """The partition has another leader epoch, or has left: `hosted` tells."""

    def on_start_moved(self, partition: Partition) -> None:
        """Records have been deleted from the front of its log."""
        return


class PartitionWatcher(PartitionListener, Waiter):
    """A waiter for some partitions: it wakes itself once enough is committed, and is woken by any change."""

    __slots__ = ()

    def on_changed(self, partition: Partition) -> None:
        partition.delayed.wake(self)


class Partition:
    """One led partition; all its methods run on the loop's thread."""

    __slots__ = (
        "_listeners",
        "_on_storage_error",
        "delayed",
        "high_watermark",
        "hosted",
        "in_sync_missing",
        "index",
        "internal",
        "leader_epoch",
        "log",
        "topic",
        "topic_id",
    )

    def __init__(
        self,
        topic: str,
        topic_id: bytes,
        index: int,
        log: Log,
        delayed: DelayedRequests,
        on_storage_error: Callable[[Partition, OSError], KafkaError],
        *,
        internal: bool = False,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.index = index
        self.log = log
        self.internal = internal
        """Whether only the broker's own coordinators write to the topic."""
        self.leader_epoch = 0
        self.high_watermark: int = log.log_end_offset
        """The offset after the last committed record: consumers see what lies below it."""
        self.in_sync_missing = 0
        """How many in-sync replicas are missing for min.insync.replicas, which acks=all insists on."""
        self.hosted = True
        """False once the partition has left the table; whoever still holds it must look again."""
        self.delayed = delayed
        self._on_storage_error = on_storage_error
        self._listeners: dict[PartitionListener, None] = {}

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"

    @property
    def last_stable_offset(self) -> int:
        """The offset below which every transaction is decided: read_committed consumers see what lies below it.

        Without transactions that is the high watermark.
        """
        return self.high_watermark

    @property
    def log_start_offset(self) -> int:
        return self.log.log_start_offset

    # --- leadership --------------------------------------------------------------------------------------------

    def lead(self, leader_epoch: int, in_sync_missing: int) -> None:
        """Take over a new placement: the epoch to lead in, and how many replicas are missing from the ISR."""
        self.in_sync_missing = in_sync_missing
        if leader_epoch != self.leader_epoch:
            self.leader_epoch = leader_epoch
            self._tell_change()

    def check_leader_epoch(self, current_leader_epoch: int) -> None:
        """Refuse a client whose metadata is older or newer than the broker's (KIP-320).

        Raises KafkaError FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH.
        """
        if current_leader_epoch in (NO_EPOCH, self.leader_epoch):
            return
        code = (
            ErrorCode.FENCED_LEADER_EPOCH
            if current_leader_epoch < self.leader_epoch
            else ErrorCode.UNKNOWN_LEADER_EPOCH
        )
        raise KafkaError(code, f"{self} is led in epoch {self.leader_epoch}, not {current_leader_epoch}.")

    def leave(self) -> None:
        """The partition was deleted, or its log is gone: whoever waits for it is answered now."""
        self.hosted = False
        self._tell_change()

    # --- writing -----------------------------------------------------------------------------------------------

    def append_as_leader(self, records: memoryview | bytearray | bytes, now_ms: int, acks: int) -> AppendResult:
        """Append one batch of a producer, patching offset and epoch in place.

        Raises KafkaError, with the codes of `Log.append`, NOT_ENOUGH_REPLICAS or KAFKA_STORAGE_ERROR.
        """
        if acks == ACKS_ALL and self.in_sync_missing:
            raise KafkaError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"{self.in_sync_missing} in-sync replicas are missing for min.insync.replicas of {self}.",
            )
        log = self.log
        try:
            appended = log.append(records, self.leader_epoch, now_ms)
        except OSError as error:
            raise self.storage_error(error) from error
        if not appended.duplicate:
            self._advance_high_watermark(appended.last_offset + 1, len(records))
        return appended

    def _advance_high_watermark(self, offset: int, size_bytes: int) -> None:
        self.high_watermark = offset
        if self._listeners:
            for listener in tuple(self._listeners):
                listener.on_committed(size_bytes)

    # --- deleting ----------------------------------------------------------------------------------------------

    def delete_records(self, offset: int) -> list[Segment]:
        """Move the log's start up to `offset` (TO_HIGH_WATERMARK: all that is committed); one below it has no effect.

        Returns the segments that the log has let go; `RecordDeletion` makes the start durable and removes them. Raises
        KafkaError POLICY_VIOLATION for a topic that is compacted only, OFFSET_OUT_OF_RANGE or KAFKA_STORAGE_ERROR.
        """
        log = self.log
        if log.config.cleanup_policy == {"compact"}:
            raise KafkaError(ErrorCode.POLICY_VIOLATION, f"Records of {self} are not deleted but compacted.")
        if offset == TO_HIGH_WATERMARK:
            offset = self.high_watermark
        if not 0 <= offset <= self.high_watermark:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"Offset {offset} of {self} is not within [0, {self.high_watermark}]."
            )
        start_offset = log.log_start_offset
        try:
            segments = log.delete_records(offset)
        except OSError as error:
            raise self.storage_error(error) from error
        self._tell_start(start_offset)
        return segments

    def expire(self, now_ms: int) -> Expired | None:
        """Delete what is beyond retention.ms and retention.bytes; None where nothing is.

        Raises KafkaError KAFKA_STORAGE_ERROR.
        """
        start_offset = self.log.log_start_offset
        try:
            expired = self.log.expire(now_ms, self.high_watermark)
        except OSError as error:
            raise self.storage_error(error) from error
        self._tell_start(start_offset)
        return expired

    def _tell_start(self, old_start_offset: int) -> None:
        if self.log.log_start_offset != old_start_offset:
            for listener in tuple(self._listeners):
                listener.on_start_moved(self)

    # --- reading -----------------------------------------------------------------------------------------------

    def read(
        self, offset: int, max_bytes: int, *, committed: bool, min_one_message: bool, cached_only: bool = False
    ) -> FileSpan | None:
        """Return the whole batches from `offset` that fit into `max_bytes`, or None where there is nothing to read.

        `committed`: only below the last stable offset, not the high watermark. The first batch is returned whatever
        its size if `min_one_message`. Raises KafkaError OFFSET_OUT_OF_RANGE or KAFKA_STORAGE_ERROR, and with
        `cached_only` ColdRead where it takes the disk to tell where they are.
        """
        max_offset = self.last_stable_offset if committed else self.high_watermark
        log = self.log
        if offset == max_offset or (
            max_bytes <= 0 and not min_one_message and log.log_start_offset <= offset < max_offset
        ):
            return None
        try:
            return log.read(
                offset, max_bytes, max_offset=max_offset, min_one_message=min_one_message, cached_only=cached_only
            )
        except OSError as error:
            raise self.storage_error(error) from error

    def available_bytes(self, offset: int, max_bytes: int, *, committed: bool, cached_only: bool = False) -> int:
        """Return how many bytes there are from the batch of `offset` on, at most `max_bytes`; older segments count so.

        Unlike `read`, whose errors it raises, it counts a last batch that does not fit: there is no use in waiting for
        more behind it.
        """
        if offset < self.log.segments[-1].base_offset:
            return max_bytes
        span = self.read(offset, _ALL_BYTES, committed=committed, min_one_message=True, cached_only=cached_only)
        if span is None:
            return 0
        size_bytes = len(span)
        span.release()
        return min(size_bytes, max_bytes)

    def end_offset_for_epoch(self, leader_epoch: int) -> EpochEnd:
        """Return the last epoch at or below `leader_epoch` and where it ends; (-1, -1) if unknown (KIP-101)."""
        return self.log.leader_epochs.end_offset_for(leader_epoch, self.log.log_end_offset, self.leader_epoch)

    def epoch_of(self, offset: int) -> int:
        """Return the leader epoch of the record at the offset, -1 if unknown; at the log end, the current epoch."""
        if offset >= self.log.log_end_offset:
            return self.leader_epoch
        return self.log.leader_epochs.epoch_for(offset)

    def diverging_epoch(self, last_fetched_epoch: int, fetch_offset: int) -> EpochEnd | None:
        """Return where a reader's log departs from ours, None if it does not (KIP-595).

        Raises KafkaError OFFSET_OUT_OF_RANGE if that cannot be told.
        """
        end = self.end_offset_for_epoch(last_fetched_epoch)
        if end.epoch < 0 or end.end_offset < 0:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"{self} does not know where epoch {last_fetched_epoch} ends."
            )
        if fetch_offset < self.log.log_start_offset:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"{self} starts at offset {self.log.log_start_offset}, after {fetch_offset}.",
            )
        if end.epoch < last_fetched_epoch or end.end_offset < fetch_offset:
            return end
        return None

    def storage_error(self, error: OSError) -> KafkaError:
        """Report a failed read or write of the log, and return what the client is told."""
        return self._on_storage_error(self, error)

    # --- listening ---------------------------------------------------------------------------------------------

    def watch(self, listener: PartitionListener) -> None:
        """Tell the listener of every move of the high watermark, and of any other change."""
        self._listeners[listener] = None

    def unwatch(self, listener: PartitionListener) -> None:
        """Tell it no more; no error if it did not watch."""
        self._listeners.pop(listener, None)

    def _tell_change(self) -> None:
        for listener in tuple(self._listeners):
            listener.on_changed(self)
