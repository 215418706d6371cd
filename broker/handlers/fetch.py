"""Fetch (key 1), versions 4-18: whole batches as they lie on the disk, and long polls for those to come.

Behaviour
- Answered at once if `min_bytes` can be read, a partition cannot be read (out of range, fenced, led elsewhere, disk
  failed), its epochs diverge, or the client does not want to wait; else parked until the high watermark has moved
  over enough bytes, something else becomes of a partition, or `max_wait_ms` are over. As in Kafka, an unknown topic
  or one that may not be read does not end the wait of the others: a client that keeps asking would spin.
- At most `max_bytes`, `fetch.max.bytes` and `partition_max_bytes`, in whole batches; but the first batch of the first
  partition that has one is returned whatever its size (KIP-74). An offset inside a batch returns the whole batch.
- Records are spans of segment files, never bytes in memory; the connection releases them. Where the disk has to be
  asked which bytes they are, as for what was written long ago, a thread does that.
- The id of no topic is UNKNOWN_TOPIC_ID as any other that there is not; a Kafka answers UNKNOWN_SERVER_ERROR to it, and
  to session ids that it never gives out.
- Sizes below 0 are as good as 0; Kafka answers UNKNOWN_SERVER_ERROR.
- A session may be gone on with in another version; Kafka answers UNSUPPORTED_VERSION where the epochs diverge and the
  version has no place for that.
- Sessions (KIP-227): `broker.fetch_sessions`. A request overtaken by a later one of its session while it was parked
  gets INVALID_FETCH_SESSION_EPOCH.
- read_committed ends at the last stable offset; aborted_transactions is empty then, else null. (Kafka has null there,
  too, where not even one batch fits into what is left.) An isolation level that there is not counts as
  read_uncommitted; Kafka answers UNKNOWN_SERVER_ERROR.
- A topic made again under its old name is another topic to whoever fetches by id: UNKNOWN_TOPIC_ID. (In Kafka a session
  and a fetch that waits go by the name that the id once had: UNKNOWN_TOPIC_OR_PARTITION, or INCONSISTENT_TOPIC_ID.)
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
from collections.abc import Callable

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.fetch import (
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)
from storage.cold_read import ColdRead

from ..context import RequestContext
from ..fetch_reader import DOES_NOT_END_THE_WAIT, FetchReader, Reading, Row
from ..fetch_sessions import FetchContext, FetchedPartition
from ..partition import Partition, PartitionWatcher
from .leader_hint import leader_hint

_READ_COMMITTED = 1
_REPLICA_STATE_SINCE_VERSION = 15
_STORAGE_ERROR_SINCE_VERSION = 6
_LEADER_HINTS_SINCE_VERSION = 16
_WITH_LEADER_HINT = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)


def handle(ctx: RequestContext, request: FetchRequest) -> FetchResponse | asyncio.Future[FetchResponse]:
    """Answer what there is to read, or park the request."""
    try:
        context = ctx.broker.fetch_sessions.begin(request, ctx.api_version)
    except KafkaError as error:
        return FetchResponse(error_code=error.code, responses=[])
    return _Fetch(ctx, request, context).start()


class _Fetch(PartitionWatcher):
    """One request; as a waiter, it counts the bytes committed to its partitions and reads them once."""

    __slots__ = (
        "_context",
        "_ctx",
        "_future",
        "_max_wait_ms",
        "_min_bytes",
        "_missing_bytes",
        "_reader",
        "_watched",
    )

    def __init__(self, ctx: RequestContext, request: FetchRequest, context: FetchContext) -> None:
        max_bytes = min(request.max_bytes, ctx.broker.config.int("fetch.max.bytes"))
        self._ctx = ctx
        self._context = context
        self._max_wait_ms = request.max_wait_ms
        self._min_bytes = min(request.min_bytes, max_bytes)
        self._future: asyncio.Future[FetchResponse] | None = None
        self._reader = FetchReader(
            ctx,
            context,
            committed=request.isolation_level == _READ_COMMITTED,
            max_bytes=max_bytes,
            replica_id=(
                request.replica_id
                if ctx.api_version < _REPLICA_STATE_SINCE_VERSION
                else request.replica_state.replica_id
            ),
        )

    def start(self) -> FetchResponse | asyncio.Future[FetchResponse]:
        """Answer, or return the future of an answer."""
        response = self._answer_or_park()
        if response is not None:
            return response
        assert self._future is not None
        return self._future

    def _answer_or_park(self) -> FetchResponse | None:
        reading = self._reader.read()
        if reading.cold:
            self._read_in(reading, reading.cold, self._answer_or_park)
            return None
        if reading.final or reading.size_bytes >= self._min_bytes or self._max_wait_ms <= 0:
            return self._respond(reading)
        try:
            missing_bytes = self._min_bytes - self._reader.available_bytes(reading)
        except ColdRead as cold:
            self._read_in(reading, [cold], self._answer_or_park)
            return None
        except KafkaError:
            # What could be read a moment ago cannot any more: reading again tells the client of which partition.
            reading.release()
            return self._answer_now()
        if missing_bytes <= 0:
            return self._respond(reading)
        reading.release()
        self._park(missing_bytes)
        return None

    def _answer_now(self) -> FetchResponse | None:
        reading = self._reader.read()
        if reading.cold:
            self._read_in(reading, reading.cold, self._answer_now)
            return None
        return self._respond(reading)

    # --- waiting -----------------------------------------------------------------------------------------------

    def _read_in(self, reading: Reading, cold: list[ColdRead], again: Callable[[], FetchResponse | None]) -> None:
        """Have threads read from the disk what it takes to find the records, then try `again`."""
        reading.release()
        future = self._future = self._future or asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if not future.done():  # else the connection has closed
                self._reader.warmed(error)
                self._settle(again)

        self._ctx.broker.cold_reads.read_in(cold, done)

    def _settle(self, answer: Callable[[], FetchResponse | None]) -> None:
        """Give the future what there is to answer, if that is known now."""
        assert self._future is not None
        try:
            response = answer()
        except Exception as error:
            self._future.set_exception(error)
        else:
            if response is not None:
                self._future.set_result(response)

    def _park(self, missing_bytes: int) -> None:
        self._missing_bytes: float = missing_bytes
        self._future = self._future or asyncio.get_running_loop().create_future()
        self._future.add_done_callback(self._on_done)
        self._watched = [
            wanted.partition for wanted in self._context.partitions.values() if wanted.partition is not None
        ]
        for partition in self._watched:
            partition.watch(self)
        self._ctx.broker.delayed.park(self, self._max_wait_ms)

    def on_committed(self, size_bytes: int) -> None:
        self._missing_bytes -= size_bytes
        if self._missing_bytes <= 0:
            self._missing_bytes = math.inf  # once is enough
            self._ctx.broker.delayed.wake(self)

    def on_start_moved(self, partition: Partition) -> None:
        for name_or_id in (partition.topic, partition.topic_id):
            wanted = self._context.partitions.get((name_or_id, partition.index))
            if wanted is not None and wanted.fetch_offset < partition.log_start_offset:
                # It has records to read, if not enough, and must not sit out its time to learn that they are gone.
                self._ctx.broker.delayed.wake(self)

    def complete(self) -> None:
        self._unwatch()
        if self._future is not None and not self._future.done():
            self._settle(self._answer_now)

    def _on_done(self, future: asyncio.Future[FetchResponse]) -> None:
        """The connection cancels the future when it closes: nothing is left to wait for."""
        if future.cancelled() and self._ctx.broker.delayed.cancel(self):
            self._unwatch()

    def _unwatch(self) -> None:
        for partition in self._watched:
            partition.unwatch(self)

    # --- answering ---------------------------------------------------------------------------------------------

    def _respond(self, reading: Reading) -> FetchResponse:
        """Make the response, which owns the reading's spans from now on."""
        try:
            return self._make_response(reading)
        except BaseException:
            reading.release()
            raise

    def _make_response(self, reading: Reading) -> FetchResponse:
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

    def _answer(self, row: Row, response: FetchResponse) -> PartitionData:
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
            aborted_transactions=[] if self._reader.committed else None,
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
            aborted_transactions=[] if error in DOES_NOT_END_THE_WAIT else None,
            records=b"",
        )
        if version >= _LEADER_HINTS_SINCE_VERSION and error in _WITH_LEADER_HINT:
            topic = self._reader.known_topic(wanted)
            if topic is not None:
                hint = leader_hint(self._ctx, topic, wanted.index)
                answer.current_leader = LeaderIdAndEpoch(leader_id=hint.leader_id, leader_epoch=hint.leader_epoch)
                # A follower knows where the others are.
                is_news = all(node.node_id != hint.leader_id for node in response.node_endpoints)
                if hint.endpoint is not None and is_news and self._reader.replica_id < 0:
                    host, port = hint.endpoint
                    response.node_endpoints.append(
                        NodeEndpoint(node_id=hint.leader_id, host=host, port=port, rack=hint.rack)
                    )
        return answer
