"""Reads the partitions of a fetch: who may, from which offset, how much, and whether to wait for more.

The same partitions may be read twice, when the request comes and when it has waited long enough, so this is apart from
the request's life (`broker.handlers.fetch`).
"""

from __future__ import annotations

from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError
from storage.cold_read import ATTEMPTS_MAX, ColdRead
from storage.file_span import FileSpan
from storage.leader_epochs import EpochEnd

from .context import RequestContext
from .fetch_sessions import FetchContext, FetchedPartition
from .metadata.image import TopicImage
from .partition import NO_EPOCH, Partition
from .security.acl import CLUSTER_NAME, AclOperation, ResourceType

DIVERGING_EPOCHS_SINCE_VERSION = 12
"""A session may be gone on with in an older version, which has no place for them."""

DOES_NOT_END_THE_WAIT = (
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.UNKNOWN_TOPIC_ID,
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
)
"""What Kafka finds out before it reads: the partitions beside it are waited for all the same."""


class Row(NamedTuple):
    """One partition of the response to be."""

    wanted: FetchedPartition
    partition: Partition | None
    span: FileSpan | None
    error: ErrorCode | None
    diverging: EpochEnd | None


class Reading(NamedTuple):
    """What one pass over the partitions found."""

    rows: list[Row]
    size_bytes: int
    final: bool
    """Whether waiting for more would be of no use to the client."""
    cold: list[ColdRead]
    """What has to come from the disk before it is known where records are: then the rest is void."""

    def release(self) -> None:
        for row in self.rows:
            if row.span is not None:
                row.span.release()


def _is_told(wanted: FetchedPartition, partition: Partition) -> bool:
    """Whether the client of a session knows where the partition's log begins and ends."""
    return (
        wanted.told_high_watermark == partition.high_watermark
        and wanted.told_log_start_offset == partition.log_start_offset
    )


class FetchReader:
    """What one request may read of its partitions, and how much."""

    __slots__ = (
        "_allowed",
        "_attempts_left",
        "_cached_only",
        "_ctx",
        "_max_bytes",
        "committed",
        "context",
        "replica_id",
    )

    def __init__(
        self, ctx: RequestContext, context: FetchContext, *, committed: bool, max_bytes: int, replica_id: int
    ) -> None:
        self.context = context
        self.committed = committed
        """Whether to read only below the last stable offset."""
        self._ctx = ctx
        self._max_bytes = max_bytes
        self.replica_id = replica_id
        """Negative for a consumer."""
        self._allowed: dict[str, bool] = {}
        self._cached_only = True
        self._attempts_left = ATTEMPTS_MAX

    def warmed(self, error: Exception | None) -> None:
        """Note that what was cold has been read in before the next `read`; where it cannot be, that meets the error."""
        self._attempts_left -= 1
        if error is not None or not self._attempts_left:
            self._cached_only = False

    def read(self) -> Reading:
        """Read the partitions in the session's order, leaving out those of which there is nothing new to tell."""
        rows: list[Row] = []
        reading = Reading(rows, 0, True, [])
        try:
            return self._read_into(rows)
        except BaseException:
            reading.release()
            raise

    def _read_into(self, rows: list[Row]) -> Reading:
        incremental = self.context.session is not None
        allowed = self._allowed
        left_bytes = self._max_bytes
        size_bytes = 0
        may_wait = False
        failed = False
        cold: list[ColdRead] = []
        for wanted in self.context.partitions.values():
            partition = wanted.partition
            if partition is None or not partition.hosted:
                partition = self._find(wanted)
            topic = wanted.topic
            if topic and not (allowed[topic] if topic in allowed else self._authorize(topic)):
                wanted.partition = None
                rows.append(Row(wanted, None, None, ErrorCode.TOPIC_AUTHORIZATION_FAILED, None))
                continue
            if partition is None:
                error = self._absence(wanted)
                failed = failed or error not in DOES_NOT_END_THE_WAIT
                rows.append(Row(wanted, None, None, error, None))
                continue
            may_wait = True
            if (
                wanted.fetch_offset == partition.high_watermark
                and (wanted.current_leader_epoch in (NO_EPOCH, partition.leader_epoch))
                and wanted.last_fetched_epoch == NO_EPOCH
                and self.replica_id < 0
            ):
                # At the end, as most partitions of most fetches are: nothing to read, and often nothing to say.
                if not (incremental and _is_told(wanted, partition)):
                    rows.append(Row(wanted, partition, None, None, None))
                continue
            try:
                row = self._read_partition(wanted, partition, left_bytes, size_bytes == 0)
            except KafkaError as error:
                failed = True
                rows.append(Row(wanted, partition, None, error.code, None))
                continue
            except ColdRead as read:
                cold.append(read)
                continue
            if incremental and row.span is None and row.diverging is None and _is_told(wanted, partition):
                continue
            rows.append(row)
            if row.span is not None:
                size_bytes += len(row.span)
                left_bytes = max(0, left_bytes - len(row.span))
            elif row.diverging is not None:
                failed = True
        return Reading(rows, size_bytes, failed or not may_wait, cold)

    def _read_partition(
        self, wanted: FetchedPartition, partition: Partition, left_bytes: int, min_one_message: bool
    ) -> Row:
        partition.check_leader_epoch(wanted.current_leader_epoch)
        if self.replica_id >= 0:
            raise KafkaError(
                ErrorCode.NOT_LEADER_OR_FOLLOWER
                if wanted.current_leader_epoch == NO_EPOCH
                else ErrorCode.UNKNOWN_LEADER_EPOCH
            )
        if wanted.last_fetched_epoch != NO_EPOCH and self._ctx.api_version >= DIVERGING_EPOCHS_SINCE_VERSION:
            diverging = partition.diverging_epoch(wanted.last_fetched_epoch, wanted.fetch_offset)
            if diverging is not None:
                return Row(wanted, partition, None, None, diverging)
        span = partition.read(
            wanted.fetch_offset,
            min(wanted.max_bytes, left_bytes),
            committed=self.committed,
            min_one_message=min_one_message,
            cached_only=self._cached_only,
        )
        return Row(wanted, partition, span, None, None)

    def available_bytes(self, reading: Reading) -> int:
        """Return what `min_bytes` is measured against: what the limits cut off at the end of a batch is there, too.

        Raises KafkaError, and ColdRead for what has left the memory again.
        """
        return sum(
            row.partition.available_bytes(
                row.wanted.fetch_offset,
                row.wanted.max_bytes,
                committed=self.committed,
                cached_only=self._cached_only,
            )
            for row in reading.rows
            if row.partition is not None and row.wanted.fetch_offset != row.partition.high_watermark
        )

    def _find(self, wanted: FetchedPartition) -> Partition | None:
        """Look the partition up, and the name of a topic that is given by id."""
        table = self._ctx.broker.partitions
        name_or_id = wanted.key[0]
        if isinstance(name_or_id, str):
            partition = table.get(name_or_id, wanted.index)
        else:
            partition = table.get_by_id(name_or_id, wanted.index)
            known = self.known_topic(wanted)
            if known is not None:
                wanted.topic = known.name
        wanted.partition = partition
        return partition

    def known_topic(self, wanted: FetchedPartition) -> TopicImage | None:
        """Return what the current image says of the partition's topic, None if there is no such topic."""
        image = self._ctx.broker.images.current
        name_or_id = wanted.key[0]
        if isinstance(name_or_id, str):
            return image.topics.get(name_or_id)
        return image.topics_by_id.get(name_or_id)

    def _absence(self, wanted: FetchedPartition) -> ErrorCode:
        by_id = not isinstance(wanted.key[0], str)
        return self._ctx.broker.partitions.absence(self.known_topic(wanted), wanted.index, by_id=by_id)

    def _authorize(self, topic: str) -> bool:
        """Ask once a request for each topic; a follower needs the cluster's permission instead."""
        if self.replica_id < 0:
            allowed = self._ctx.authorize(AclOperation.READ, ResourceType.TOPIC, topic)
        else:
            allowed = self._ctx.authorize(AclOperation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME)
        self._allowed[topic] = allowed
        return allowed
