"""The log of one partition: batches in offset order, in segments, and what is known about them.

Used by one thread at a time; what may block it for long is `sync` of a flush, which any thread may run. Methods raise
OSError for the disk and KafkaError for the client. The high watermark is not the log's: readers say up to where.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError
from protocol.record_batch import (
    TIMESTAMP_TYPE_BIT,
    rebase,
    set_create_time,
    set_log_append_time,
    validate,
)

from .descriptors import DescriptorCache
from .directory_names import DELETE_SUFFIX, renamed
from .file_span import FileSpan
from .filesystem import Filesystem
from .leader_epochs import LeaderEpochs
from .log_config import LONG_MAX, LogConfig
from .log_files import mend_indexes, open_segments
from .log_flush import Flush
from .producer_replay import reload_producers
from .producer_snapshot import ProducerSnapshots
from .producer_state import ProducerStateManager
from .retention import Reason, plan_deletion
from .segment import Segment
from .timestamp_search import NOT_FOUND, Steps, TimestampAndOffset, at_once, first_at_or_after, first_with_largest

__all__ = ["AppendResult", "Expired", "Log", "Steps", "TimestampAndOffset"]


class AppendResult(NamedTuple):
    """Where a batch went."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    """The broker's timestamp where the topic says LogAppendTime, else -1; of a duplicate its largest timestamp."""
    log_start_offset: int
    duplicate: bool
    """The batch was in the log already, under these offsets: nothing was written."""


class Expired(NamedTuple):
    """Segments that are no longer in their log, and the reason for each; `size_bytes` is what they hold together."""

    segments: list[Segment]
    reasons: list[Reason]
    size_bytes: int


class Log:
    """The batches of one partition from `log_start_offset` to `log_end_offset` (exclusive)."""

    def __init__(
        self,
        directory: str,
        topic: str,
        partition: int,
        config: LogConfig,
        descriptors: DescriptorCache,
        segments: list[Segment],
        leader_epochs: LeaderEpochs,
        producers: ProducerStateManager,
        snapshots: ProducerSnapshots,
        *,
        log_start_offset: int,
        log_end_offset: int,
        recovery_point: int,
    ) -> None:
        self.directory = directory
        self.topic = topic
        self.partition = partition
        self.config = config
        self.segments = segments
        """Oldest first, never empty; the last one is appended to."""
        self.leader_epochs = leader_epochs
        self.producers = producers
        self.snapshots = snapshots
        self.log_start_offset = log_start_offset
        """First offset that can be read; the first segment may begin before it."""
        self.log_end_offset = log_end_offset
        """Offset of the next record."""
        self.recovery_point = recovery_point
        """Everything before this offset survives a power loss."""
        self._descriptors = descriptors
        self._active = segments[-1]
        self._truncations = 0
        self._changed = False
        self._names_unsynced = True
        # The log directory that a move has taken it from: a power loss must not bring it back there.
        self._moved_from: str | None = None
        self._flushes: set[Flush] = set()

    @classmethod
    def create(
        cls,
        directory: str,
        topic: str,
        partition: int,
        config: LogConfig,
        filesystem: Filesystem,
        *,
        now_ms: int,
        descriptors: DescriptorCache | None = None,
    ) -> Log:
        """Makes an empty log in a directory that exists and holds no log yet."""
        descriptors = DescriptorCache(filesystem) if descriptors is None else descriptors
        return cls(
            directory,
            topic,
            partition,
            config,
            descriptors,
            [Segment.create(descriptors, directory, 0, config, now_ms)],
            LeaderEpochs(directory, filesystem),
            ProducerStateManager(f"{topic}-{partition}"),
            ProducerSnapshots(directory, filesystem),
            log_start_offset=0,
            log_end_offset=0,
            recovery_point=0,
        )

    @classmethod
    def open(
        cls,
        directory: str,
        topic: str,
        partition: int,
        config: LogConfig,
        filesystem: Filesystem,
        *,
        now_ms: int,
        descriptors: DescriptorCache | None = None,
        log_start_offset: int = 0,
        recovery_point: int = LONG_MAX,
        producer_id_expiration_ms: int = LONG_MAX,
        recover: Callable[[Log], None] | None = None,
    ) -> Log:
        """Opens the log in a directory.

        After a clean stop everything in it is taken at its word. After any other, `recover` is called with the log
        before its end is known; it checks and cuts `segments`, makes their indexes, `leader_epochs` and `producers`
        anew, and what lies above `recovery_point` is not taken for durable.
        Raises OSError, KafkaError (CORRUPT_MESSAGE) where a batch header is damaged, CorruptCheckpoint.
        """
        descriptors = DescriptorCache(filesystem) if descriptors is None else descriptors
        file_sizes = dict(filesystem.list_files(directory))
        segments = open_segments(descriptors, directory, config, now_ms, file_sizes)
        while len(segments) > 1 and segments[1].base_offset <= log_start_offset:
            # A crash came between their deletion and its files; with gaps in between they would pass for a torn log.
            segments.pop(0).remove()
        if not segments:
            segments = [Segment.create(descriptors, directory, log_start_offset, config, now_ms)]
        log = cls(
            directory,
            topic,
            partition,
            config,
            descriptors,
            segments,
            LeaderEpochs.load(directory, filesystem),
            ProducerStateManager(f"{topic}-{partition}"),
            ProducerSnapshots(directory, filesystem, file_sizes),
            log_start_offset=max(log_start_offset, segments[0].base_offset),
            log_end_offset=segments[-1].base_offset,
            recovery_point=0,
        )
        if recover is not None:
            recover(log)
            log._changed = True
        mend_indexes(segments, file_sizes)
        active = log._active = segments[-1]
        log.log_end_offset = active.next_offset()
        log.recovery_point = min(recovery_point, log.log_end_offset)
        log.log_start_offset = min(log.log_start_offset, log.log_end_offset)
        log.leader_epochs.truncate_from_end(log.log_end_offset)
        log.leader_epochs.truncate_from_start(log.log_start_offset)
        if recover is None:
            reload_producers(log.producers, log.snapshots, segments, log.log_end_offset)
        log.producers.expire(now_ms, producer_id_expiration_ms)
        return log

    @property
    def size_bytes(self) -> int:
        """Size of all segments, indexes left out."""
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def filesystem(self) -> Filesystem:
        return self._descriptors.filesystem

    # The hot path

    def append(self, records: bytes | bytearray | memoryview, leader_epoch: int, now_ms: int) -> AppendResult:
        """Appends a producer's batch as the leader: checks it, gives it its offsets in place, writes it.

        A writable view is changed and written as it is, bytes are copied first; nothing is kept. Raises KafkaError
        where the batch is refused, OSError where the disk is; then nothing of it is in the log.
        """
        batch = memoryview(records)
        if batch.readonly:
            batch = memoryview(bytearray(records))
        config = self.config
        header = validate(batch, config, now_ms)
        size_bytes = len(batch)
        if size_bytes > config.segment_bytes:
            raise KafkaError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"The record batch has {size_bytes} bytes, more than the {config.segment_bytes} of segment.bytes",
            )
        max_timestamp = header.max_timestamp
        log_append_time_ms = -1
        if config.message_timestamp_type == "LogAppendTime":
            max_timestamp = log_append_time_ms = now_ms
        has_producer = header.producer_id >= 0
        if has_producer:
            duplicate = self.producers.check(header)
            if duplicate is not None:
                return AppendResult(
                    duplicate.base_offset, duplicate.last_offset, duplicate.timestamp, self.log_start_offset, True
                )
        if log_append_time_ms >= 0:
            set_log_append_time(batch, now_ms)
        elif header.attributes & TIMESTAMP_TYPE_BIT:
            set_create_time(batch)
        base_offset = self.log_end_offset
        last_offset = base_offset + header.last_offset_delta
        rebase(batch, base_offset, leader_epoch)
        segment = self._active
        if segment.must_roll(config, size_bytes, last_offset, max_timestamp, now_ms):
            segment = self._roll(now_ms)
        self.leader_epochs.assign(leader_epoch, base_offset)
        segment.append(batch, last_offset, max_timestamp)
        self.log_end_offset = last_offset + 1
        self._changed = True
        if has_producer:
            self.producers.update_at(header, base_offset, max_timestamp)
        # Made so, it takes a third of the time: one for each batch.
        appended: AppendResult = tuple.__new__(
            AppendResult, (base_offset, last_offset, log_append_time_ms, self.log_start_offset, False)
        )
        return appended

    def read(
        self, offset: int, max_bytes: int, *, max_offset: int, min_one_message: bool, cached_only: bool = False
    ) -> FileSpan | None:
        """Whole batches from the one that holds `offset` on, all ending at or before `max_offset` (exclusive).

        At most `max_bytes`, all from one segment; with `min_one_message` a first batch larger than that is returned
        alone. None where there is nothing (yet). The span must be released. Raises KafkaError (OFFSET_OUT_OF_RANGE
        outside the log, CORRUPT_MESSAGE where a batch header on disk is damaged), and with `cached_only` ColdRead where
        the disk has to be asked for what is where.
        """
        self._descriptors.cached_only = cached_only
        try:
            return self._read(offset, max_bytes, max_offset, min_one_message)
        finally:
            self._descriptors.cached_only = False

    def _read(self, offset: int, max_bytes: int, max_offset: int, min_one_message: bool) -> FileSpan | None:
        log_end_offset = self.log_end_offset
        if not self.log_start_offset <= offset <= log_end_offset:
            raise self._out_of_range(offset)
        segment = self._active
        # Whoever reads at the end comes back for what is appended there.
        segment.remember(log_end_offset, segment.size_bytes)
        if offset >= max_offset or offset == log_end_offset:
            return None
        if offset >= segment.base_offset:
            return segment.read(offset, max_bytes, min(max_offset, log_end_offset), min_one_message)
        segments = self.segments
        for index in range(self._segment_index(offset), len(segments) - 1):
            segment = segments[index]
            end_offset = segments[index + 1].base_offset
            segment.remember(end_offset, segment.size_bytes)
            span = segment.read(offset, max_bytes, min(max_offset, end_offset), min_one_message)
            # A compacted segment may end before the next one begins: its last offsets are looked for there.
            if span is not None or segment.position_of(offset) < segment.size_bytes:
                return span
        return self._active.read(offset, max_bytes, min(max_offset, log_end_offset), min_one_message)

    def _roll(self, now_ms: int) -> Segment:
        """Begins a new segment at the log's end. Where that fails the old one goes on."""
        active = self._active
        # Kafka keeps a snapshot of the producers for each segment, so that recovery need not replay older ones.
        self.snapshots.take(self.producers, self.log_end_offset)
        segment = Segment.create(self._descriptors, self.directory, self.log_end_offset, self.config, now_ms)
        try:
            active.finish()
        except OSError:
            segment.remove()  # it would hide what the old one goes on to hold
            raise
        self.segments.append(segment)
        self._active = segment
        self._changed = self._names_unsynced = True
        return segment

    def _segment_index(self, offset: int) -> int:
        """Index of the segment whose range an offset falls into."""
        return max(0, bisect_right(self.segments, offset, key=_base_offset) - 1)

    def _out_of_range(self, offset: int) -> KafkaError:
        return KafkaError(
            ErrorCode.OFFSET_OUT_OF_RANGE,
            f"Offset {offset} of {self.topic}-{self.partition} is not within "
            f"[{self.log_start_offset}, {self.log_end_offset}]",
        )

    # By time

    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampAndOffset | None:
        """The first record whose timestamp is at least this; None where there is none."""
        return at_once(self.search_timestamp(timestamp_ms))

    def search_timestamp(self, timestamp_ms: int) -> Steps[TimestampAndOffset | None]:
        """`offset_for_timestamp` in steps, between which the log may be written, cut and deleted."""
        for segment in tuple(self.segments):
            found = yield from first_at_or_after(segment, timestamp_ms, self.log_start_offset)
            if found is not None:
                return found
        return None

    def max_timestamp(self) -> TimestampAndOffset:
        """The first record with the largest timestamp of the log; -1 in all fields where the log is empty."""
        return at_once(self.search_max_timestamp())

    def search_max_timestamp(self) -> Steps[TimestampAndOffset]:
        """`max_timestamp` in steps, between which the log may be written, cut and deleted."""
        return (yield from first_with_largest(tuple(self.segments))) or NOT_FOUND

    # Cutting

    def truncate_to(self, offset: int) -> None:
        """Drops everything at or above an offset; a batch that spans it goes whole, and the log ends at its base."""
        if offset >= self.log_end_offset:
            return
        index = self._segment_index(offset)
        for segment in reversed(self.segments[index + 1 :]):
            segment.remove()
            self.segments.pop()
        self._active = self.segments[-1]
        self._truncations += 1
        self.log_end_offset = self._active.truncate_to(max(offset, self._active.base_offset))
        self.recovery_point = min(self.recovery_point, self.log_end_offset)
        self.log_start_offset = min(self.log_start_offset, self.log_end_offset)
        self.leader_epochs.truncate_from_end(self.log_end_offset)
        reload_producers(self.producers, self.snapshots, self.segments, self.log_end_offset)
        self._changed = True

    # Deleting from the front

    def delete_records(self, offset: int) -> list[Segment]:
        """Moves the start of the log up to an offset, and takes out and returns the segments wholly before it.

        Their files are there until `Segment.mark_deleted`: the start has to be on disk first, or what was deleted would
        come back. Raises KafkaError (OFFSET_OUT_OF_RANGE) for an offset above the log's end, OSError.
        """
        if offset > self.log_end_offset:
            raise self._out_of_range(offset)
        start_offset = max(offset, self.log_start_offset)
        count = self._segment_index(start_offset)
        if count:
            # First, since it may fail: segments that are no longer in the log and not returned would stay on disk.
            self.snapshots.retain(segment.base_offset for segment in self.segments[count:])
        self.log_start_offset = start_offset
        removed = self.segments[:count]
        del self.segments[:count]
        self.leader_epochs.truncate_from_start(start_offset)
        for segment in removed:
            segment.detach()
        return removed

    def expire(self, now_ms: int, high_watermark: int) -> Expired | None:
        """`delete_records` for what retention wants deleted; None where that is nothing. Raises OSError."""
        reasons = plan_deletion(
            self.segments,
            self.config,
            log_start_offset=self.log_start_offset,
            log_end_offset=self.log_end_offset,
            high_watermark=high_watermark,
            now_ms=now_ms,
        )
        if reasons and len(reasons) == len(self.segments):
            try:
                self._roll(now_ms)
            except OSError:
                # The disk may be full: then the older ones make room, and the next round is for this one.
                if len(reasons) == 1:
                    raise
                reasons.pop()
        if not reasons:
            return None
        segments = self.delete_records(self.segments[len(reasons)].base_offset)
        return Expired(segments, reasons, sum(segment.size_bytes for segment in segments))

    # Durability and end

    @property
    def has_unsynced_rolled(self) -> bool:
        """Whether a segment that is finished is not known to be on disk, with its indexes."""
        segments = self.segments
        return self.recovery_point < segments[-1].base_offset or (
            len(segments) > 1 and segments[-2].has_unsynced_indexes
        )

    def begin_flush(self, *, rolled_only: bool = False) -> Flush:
        """Writes out what is held in memory and pins what `Flush.sync` has to sync; `end_flush` must follow.

        `rolled_only` leaves the segment out that is being appended to, as Kafka does at each roll: it keeps a recovery
        short without a sync of what is still growing.
        """
        active = self._active
        end_offset = active.base_offset if rolled_only else self.log_end_offset
        # The indexes of a segment are complete only after its last batch, which may be durable already.
        first = self._segment_index(self.recovery_point - 1)
        segments = [
            segment
            for segment in self.segments[first:]
            if (segment is not active and segment.has_unsynced_indexes)
            or (segment.base_offset < end_offset and self.recovery_point < end_offset)
        ]
        directories = [self.directory] if self._names_unsynced else []
        if self._moved_from is not None:
            directories.append(self._moved_from)
        return Flush(
            self.filesystem,
            self.leader_epochs,
            segments,
            active,
            end_offset,
            directories,
            self._truncations,
            self._flushes,
        )

    @property
    def is_flushing(self) -> bool:
        """Whether a flush is under way, which knows the log's files and its directory by their names."""
        return bool(self._flushes)

    @property
    def truncations(self) -> int:
        """How often the log was cut: what was copied of it before may no longer be what it holds."""
        return self._truncations

    def end_flush(self, flush: Flush) -> None:
        """Moves the recovery point up to where a flush that has been synced reached."""
        flush.release()
        if flush.truncations == self._truncations:
            flush.synced()
            self.recovery_point = max(self.recovery_point, flush.end_offset)
            self._moved_from = None
            if flush.active is self._active:
                self._names_unsynced = False

    def flush(self) -> None:
        """Makes everything in the log durable, here and now."""
        flush = self.begin_flush()
        try:
            flush.sync()
        except OSError:
            flush.release()
            raise
        self.end_flush(flush)

    def write_out(self) -> None:
        """Writes what a start after a clean stop takes at its word: whole indexes, and the producers at the end.

        Raises OSError, also where the disk is full: the stop is not a clean one then.
        """
        self._names_unsynced = True  # The index files may have been made since the last flush.
        self._active.finish()
        self._active.write_out_indexes()
        self.snapshots.take(self.producers, self.log_end_offset)

    def close(self) -> None:
        """Makes everything durable, leaves what the next start needs, and closes the files. Raises OSError."""
        if self._changed:
            self.write_out()
            self.flush()
        self.close_files()

    def close_files(self) -> None:
        """Closes the files as they are: the log directory is offline, or its crash is being played."""
        for segment in self.segments:
            segment.close()

    def take_over(self, directory: str, retired: str, recovery_point: int, snapshots: Iterable[int]) -> None:
        """Goes on with the copy of its files in a directory that is in another log directory.

        Its own directory is called `retired` by now. Everything before `recovery_point` is durable in the copy, and
        what the next flush has to sync is all that follows. `snapshots` are the offsets of those that the copy has. No
        flush may be under way.
        """
        for segment in self.segments:
            segment.take_over(directory, retired)
        for segment in self.segments[self._segment_index(recovery_point - 1) :]:
            for index in segment.indexes:
                index.replaced()
        self._names_unsynced = True
        self._moved_from = retired.rpartition("/")[0]
        self.recovery_point = recovery_point
        self._follow(directory, snapshots)

    def rename(self, directory: str) -> None:
        """Renames the directory within its log directory; no flush may be under way. Raises OSError."""
        self.filesystem.rename(self.directory, directory)
        for segment in self.segments:
            segment.follow(directory)
        self._follow(directory)

    def _follow(self, directory: str, snapshots: Iterable[int] | None = None) -> None:
        self.directory = directory
        self.leader_epochs.follow(directory)
        self.snapshots.follow(directory, snapshots)

    def delete(self) -> None:
        """Deletes the log and its directory; spans that are being sent stay readable."""
        self.filesystem.remove_tree(self.detach())

    def detach(self) -> str:
        """Renames the directory to `<topic>-<partition>.<unique>-delete`, as Kafka, and returns its new path.

        The log must not be used any more; whoever removes the directory may do so in a thread.
        """
        import uuid  # Slow to import, and a broker that deletes nothing never needs it.

        parent = self.directory.rpartition("/")[0]
        target = f"{parent}/{renamed(self.topic, self.partition, uuid.uuid4().hex, DELETE_SUFFIX)}"
        self.filesystem.rename(self.directory, target)
        self.directory = target
        for segment in self.segments:
            segment.move(target)
        return target


def _base_offset(segment: Segment) -> int:
    return segment.base_offset
