"""Fetch (key 1), versions 4-18: whole batches as they lie on the disk, and long polls for those to come.

Behaviour
- Answered at once if `min_bytes` can be read, a partition cannot be read (out of range, fenced, led elsewhere, disk
  failed), its epochs diverge, or the client does not want to wait; else parked until the high watermark has moved
  over enough bytes, something else becomes of a partition, or `max_wait_ms` are over. As in Kafka, an unknown topic
  or one that may not be read does not end the wait of the others: a client that keeps asking would spin.
- At most `max_bytes`, `fetch.max.bytes` and `partition_max_bytes`, in whole batches; but the first batch of the first
  partition that has one is returned whatever its size (KIP-74). An offset inside a batch returns the whole batch.
- Records are spans of segment files, never bytes in memory; the connection releases them.
- Sessions (KIP-227): `broker.fetch_sessions`. A request overtaken by a later one of its session while it was parked
  gets INVALID_FETCH_SESSION_EPOCH.
- read_committed ends at the last stable offset; aborted_transactions is empty then, else null.
- A topic made again under its old name is another topic to whoever fetches by id: UNKNOWN_TOPIC_ID.
- A replica id that is not ours to replicate to gets Kafka's answer: NOT_LEADER_OR_FOLLOWER, or UNKNOWN_LEADER_EPOCH if
  it knows the epoch; and it needs CLUSTER_ACTION in the place of READ.

Versions: 5 log_start_offset (KIP-107; before 6, KAFKA_STORAGE_ERROR is NOT_LEADER_OR_FOLLOWER, which those clients
can retry); 7 sessions; 9 current_leader_epoch (KIP-320); 11 rack_id (KIP-392); 12 flexible, diverging epochs
(KIP-595); 13 topic ids (KIP-516); 15 replica_state (KIP-903); 16 the new leader with NOT_LEADER_OR_FOLLOWER and
FENCED_LEADER_EPOCH (KIP-951); 17 directory ids (KIP-853) and 18 the follower's high watermark (KIP-1166), for followers
only.

Omitted: preferred_read_replica is -1, there is no other replica.
"""

from __future__ import annotations

import asyncio
import math
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)
from storage.file_span import FileSpan
from storage.leader_epochs import EpochEnd

from ..context import RequestContext
from ..fetch_sessions import FetchContext, FetchedPartition
from ..metadata.image import TopicImage
from ..partition import NO_EPOCH, Partition, PartitionWatcher
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType
from .leader_hint import leader_hint

_READ_COMMITTED = 1
_CONSUMER = -1
_REPLICA_STATE_SINCE_VERSION = 15
_STORAGE_ERROR_SINCE_VERSION = 6
_LEADER_HINTS_SINCE_VERSION = 16
_WITH_LEADER_HINT = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)
_DOES_NOT_END_THE_WAIT = (
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.UNKNOWN_TOPIC_ID,
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
)


def handle(ctx: RequestContext, request: FetchRequest) -> FetchResponse | asyncio.Future[FetchResponse]:
    """Answer what there is to read, or park the request."""
    try:
        context = ctx.broker.fetch_sessions.begin(request, ctx.api_version)
    except KafkaError as error:
        return FetchResponse(error_code=error.code, responses=[])
    return _Fetch(ctx, request, context).start()


class _Row(NamedTuple):
    """One partition of the response to be."""

    wanted: FetchedPartition
    partition: Partition | None
    span: FileSpan | None
    error: ErrorCode | None
    diverging: EpochEnd | None


class _Reading(NamedTuple):
    """What one pass over the partitions found."""

    rows: list[_Row]
    size_bytes: int
    final: bool
    """Whether waiting for more would be of no use to the client."""

    def release(self) -> None:
        for row in self.rows:
            if row.span is not None:
                row.span.release()


class _Fetch(PartitionWatcher):
    """One request; as a waiter, it counts the bytes committed to its partitions and reads them once."""

    __slots__ = (
        "_allowed",
        "_committed",
        "_context",
        "_ctx",
        "_future",
        "_max_bytes",
        "_max_wait_ms",
        "_min_bytes",
        "_missing_bytes",
        "_replica_id",
        "_watched",
    )

    def __init__(self, ctx: RequestContext, request: FetchRequest, context: FetchContext) -> None:
        self._ctx = ctx
        self._context = context
        self._committed = request.isolation_level == _READ_COMMITTED
        self._max_wait_ms = request.max_wait_ms
        self._max_bytes = min(request.max_bytes, ctx.broker.config.int("fetch.max.bytes"))
        self._min_bytes = min(request.min_bytes, self._max_bytes)
        self._replica_id = (
            request.replica_id if ctx.api_version < _REPLICA_STATE_SINCE_VERSION else request.replica_state.replica_id
        )
        self._allowed: dict[str, bool] = {}

    def start(self) -> FetchResponse | asyncio.Future[FetchResponse]:
        """Answer, or return the future of an answer."""
        reading = self._read()
        if reading.final or reading.size_bytes >= self._min_bytes or self._max_wait_ms <= 0:
            return self._respond(reading)
        try:
            missing_bytes = self._min_bytes - self._available_bytes(reading)
        except KafkaError:
            # What could be read a moment ago cannot any more: reading again tells the client of which partition.
            missing_bytes = 0
            reading.release()
            reading = self._read()
        if missing_bytes <= 0:
            return self._respond(reading)
        reading.release()
        return self._park(missing_bytes)

    def _available_bytes(self, reading: _Reading) -> int:
        """Return what `min_bytes` is measured against: the limits cut at batches, and what lies behind is there, too."""
        return sum(
            row.partition.available_bytes(row.wanted.fetch_offset, row.wanted.max_bytes, committed=self._committed)
            for row in reading.rows
            if row.partition is not None and row.wanted.fetch_offset != row.partition.high_watermark
        )

    # --- waiting -----------------------------------------------------------------------------------------------

    def _park(self, missing_bytes: int) -> asyncio.Future[FetchResponse]:
        self._missing_bytes: float = missing_bytes
        self._future: asyncio.Future[FetchResponse] = asyncio.get_running_loop().create_future()
        self._future.add_done_callback(self._on_done)
        self._watched = [
            wanted.partition for wanted in self._context.partitions.values() if wanted.partition is not None
        ]
        for partition in self._watched:
            partition.watch(self)
        self._ctx.broker.delayed.park(self, self._max_wait_ms)
        return self._future

    def on_committed(self, size_bytes: int) -> None:
        self._missing_bytes -= size_bytes
        if self._missing_bytes <= 0:
            self._missing_bytes = math.inf  # once is enough
            self._ctx.broker.delayed.wake(self)

    def complete(self) -> None:
        self._unwatch()
        if self._future.done():
            return
        try:
            self._future.set_result(self._respond(self._read()))
        except Exception as error:
            self._future.set_exception(error)

    def _on_done(self, future: asyncio.Future[FetchResponse]) -> None:
        """The connection cancels the future when it closes: nothing is left to wait for."""
        if future.cancelled() and self._ctx.broker.delayed.cancel(self):
            self._unwatch()

    def _unwatch(self) -> None:
        for partition in self._watched:
            partition.unwatch(self)

    # --- reading -----------------------------------------------------------------------------------------------

    def _read(self) -> _Reading:
        """Read the partitions in the session's order, leaving out those of which there is nothing new to tell."""
        rows: list[_Row] = []
        reading = _Reading(rows, 0, True)
        try:
            return self._read_into(rows)
        except BaseException:
            reading.release()
            raise

    def _read_into(self, rows: list[_Row]) -> _Reading:
        incremental = self._context.session is not None
        allowed = self._allowed
        left_bytes = self._max_bytes
        size_bytes = 0
        may_wait = False
        failed = False
        for wanted in self._context.partitions.values():
            partition = wanted.partition
            if partition is None or not partition.hosted:
                partition = self._find(wanted)
            topic = wanted.topic
            if topic and not (allowed[topic] if topic in allowed else self._authorize(topic)):
                wanted.partition = None
                rows.append(_Row(wanted, None, None, ErrorCode.TOPIC_AUTHORIZATION_FAILED, None))
                continue
            if partition is None:
                error = self._absence(wanted)
                failed = failed or error not in _DOES_NOT_END_THE_WAIT
                rows.append(_Row(wanted, None, None, error, None))
                continue
            may_wait = True
            if (
                wanted.fetch_offset == partition.high_watermark
                and (wanted.current_leader_epoch in (NO_EPOCH, partition.leader_epoch))
                and wanted.last_fetched_epoch == NO_EPOCH
                and self._replica_id < 0
            ):
                # At the end, as most partitions of most fetches are: nothing to read, and often nothing to say.
                if not (
                    incremental
                    and wanted.told_high_watermark == partition.high_watermark
                    and wanted.told_log_start_offset == partition.log_start_offset
                ):
                    rows.append(_Row(wanted, partition, None, None, None))
                continue
            try:
                row = self._read_partition(wanted, partition, left_bytes, size_bytes == 0)
            except KafkaError as error:
                failed = True
                rows.append(_Row(wanted, partition, None, error.code, None))
                continue
            rows.append(row)
            if row.span is not None:
                size_bytes += len(row.span)
                left_bytes = max(0, left_bytes - len(row.span))
            elif row.diverging is not None:
                failed = True
        return _Reading(rows, size_bytes, failed or not may_wait)

    def _read_partition(
        self, wanted: FetchedPartition, partition: Partition, left_bytes: int, min_one_message: bool
    ) -> _Row:
        partition.check_leader_epoch(wanted.current_leader_epoch)
        if self._replica_id >= 0:
            raise KafkaError(
                ErrorCode.NOT_LEADER_OR_FOLLOWER
                if wanted.current_leader_epoch == NO_EPOCH
                else ErrorCode.UNKNOWN_LEADER_EPOCH
            )
        if wanted.last_fetched_epoch != NO_EPOCH:
            diverging = partition.diverging_epoch(wanted.last_fetched_epoch, wanted.fetch_offset)
            if diverging is not None:
                return _Row(wanted, partition, None, None, diverging)
        span = partition.read(
            wanted.fetch_offset,
            min(wanted.max_bytes, left_bytes),
            committed=self._committed,
            min_one_message=min_one_message,
        )
        return _Row(wanted, partition, span, None, None)

    def _find(self, wanted: FetchedPartition) -> Partition | None:
        """Look the partition up, and the name of a topic that is given by id."""
        table = self._ctx.broker.partitions
        name_or_id = wanted.key[0]
        if isinstance(name_or_id, str):
            partition = table.get(name_or_id, wanted.index)
        else:
            partition = table.get_by_id(name_or_id, wanted.index)
            known = self._known_topic(wanted)
            if known is not None:
                wanted.topic = known.name
        wanted.partition = partition
        return partition

    def _known_topic(self, wanted: FetchedPartition) -> TopicImage | None:
        image = self._ctx.broker.images.current
        name_or_id = wanted.key[0]
        if isinstance(name_or_id, str):
            return image.topics.get(name_or_id)
        return image.topics_by_id.get(name_or_id)

    def _absence(self, wanted: FetchedPartition) -> ErrorCode:
        by_id = not isinstance(wanted.key[0], str)
        return self._ctx.broker.partitions.absence(self._known_topic(wanted), wanted.index, by_id=by_id)

    def _authorize(self, topic: str) -> bool:
        """Ask once a request for each topic; a follower needs the cluster's permission instead."""
        if self._replica_id < 0:
            allowed = self._ctx.authorize(AclOperation.READ, ResourceType.TOPIC, topic)
        else:
            allowed = self._ctx.authorize(AclOperation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME)
        self._allowed[topic] = allowed
        return allowed

    # --- answering ---------------------------------------------------------------------------------------------

    def _respond(self, reading: _Reading) -> FetchResponse:
        context = self._context
        if context.overtaken:
            reading.release()
            return FetchResponse(
                error_code=ErrorCode.INVALID_FETCH_SESSION_EPOCH, session_id=context.session_id(), responses=[]
            )
        response = FetchResponse(responses=[])
        topic_answer: FetchableTopicResponse | None = None
        name_or_id: str | bytes | None = None
        for row in reading.rows:
            wanted = row.wanted
            if topic_answer is None or name_or_id != wanted.key[0]:
                name_or_id = wanted.key[0]
                topic_answer = FetchableTopicResponse(topic=wanted.topic, topic_id=wanted.topic_id, partitions=[])
                response.responses.append(topic_answer)
            answer = self._answer(row, response)
            wanted.told_high_watermark = answer.high_watermark
            wanted.told_log_start_offset = answer.log_start_offset
            if row.span is not None:
                context.rotate(wanted)
            topic_answer.partitions.append(answer)
        response.session_id = context.session_id()
        return response

    def _answer(self, row: _Row, response: FetchResponse) -> PartitionData:
        aborted: list[AbortedTransaction] | None = [] if self._committed else None
        partition = row.partition
        if row.error is not None or partition is None:
            assert row.error is not None
            return self._refused(row.wanted, row.error, response)
        answer = PartitionData(
            partition_index=row.wanted.index,
            error_code=0,
            high_watermark=partition.high_watermark,
            last_stable_offset=partition.last_stable_offset,
            log_start_offset=partition.log_start_offset,
            aborted_transactions=aborted,
            records=row.span if row.span is not None else b"",
        )
        if row.diverging is not None:
            answer.diverging_epoch = EpochEndOffset(epoch=row.diverging.epoch, end_offset=row.diverging.end_offset)
        return answer

    def _refused(self, wanted: FetchedPartition, error: ErrorCode, response: FetchResponse) -> PartitionData:
        """Return a partition's error, with the leader to turn to if this broker is the wrong one."""
        version = self._ctx.api_version
        if error == ErrorCode.KAFKA_STORAGE_ERROR and version < _STORAGE_ERROR_SINCE_VERSION:
            error = ErrorCode.NOT_LEADER_OR_FOLLOWER
        answer = PartitionData(
            partition_index=wanted.index,
            error_code=error,
            high_watermark=-1,
            aborted_transactions=[] if error in _DOES_NOT_END_THE_WAIT else None,
            records=b"",
        )
        if version >= _LEADER_HINTS_SINCE_VERSION and error in _WITH_LEADER_HINT:
            topic = self._known_topic(wanted)
            if topic is not None:
                hint = leader_hint(self._ctx, topic, wanted.index)
                answer.current_leader = LeaderIdAndEpoch(leader_id=hint.leader_id, leader_epoch=hint.leader_epoch)
                if hint.endpoint is not None and all(
                    node.node_id != hint.leader_id for node in response.node_endpoints
                ):
                    host, port = hint.endpoint
                    response.node_endpoints.append(
                        NodeEndpoint(node_id=hint.leader_id, host=host, port=port, rack=hint.rack)
                    )
        return answer
