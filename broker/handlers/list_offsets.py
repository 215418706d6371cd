"""ListOffsets (key 2), versions 1-11: offsets by timestamp, and the special ones that negative timestamps stand for.

Behaviour
- A timestamp finds the first record at or after it. -1 latest: the high watermark, or for read_committed the last
  stable offset. -2 earliest. -3 (v7, KIP-734) the record with the largest timestamp. -4 (v8, KIP-405) the start of
  the local log, which is all there is: as -2. -5 (v9, KIP-1005) and -6 (v11, KIP-1023) speak of tiered storage: none
  here, so offset -1 without an error. Older versions and other negative values: UNSUPPORTED_VERSION.
- What is not found has timestamp -1 and offset -1, no error.
- An isolation level that there is not counts as read_uncommitted; Kafka answers UNKNOWN_SERVER_ERROR.
- A partition that comes twice gets INVALID_REQUEST, once.
- `current_leader_epoch` (v4), if given, must be the leader's: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
- A timestamp is looked for on the disk, in steps of a millisecond or two between which others have their turn; a
  request without any is answered at once.

Versions: 2 isolation level; 4 leader epochs (KIP-320); 6 flexible; 10 timeout_ms (KIP-1075), for tiered storage only.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple, TypeVar

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from storage.log import Steps, TimestampAndOffset

from ..context import RequestContext
from ..partition import Partition
from ..security.acl import AclOperation, ResourceType

_T = TypeVar("_T")

_LATEST = -1
_EARLIEST = -2
_MAX_TIMESTAMP = -3
_EARLIEST_LOCAL = -4
_LATEST_TIERED = -5
_EARLIEST_PENDING_UPLOAD = -6
_SINCE_VERSION = {
    _LATEST: 1,
    _EARLIEST: 1,
    _MAX_TIMESTAMP: 7,
    _EARLIEST_LOCAL: 8,
    _LATEST_TIERED: 9,
    _EARLIEST_PENDING_UPLOAD: 11,
}
_LEADER_EPOCH_SINCE_VERSION = 4
_READ_COMMITTED = 1
_NO_TIMESTAMP = -1


class _Search(NamedTuple):
    """What is asked of one partition, and the answer to be filled in."""

    topic: str
    wanted: ListOffsetsPartition
    answer: ListOffsetsPartitionResponse


def handle(
    ctx: RequestContext, request: ListOffsetsRequest
) -> ListOffsetsResponse | asyncio.Future[ListOffsetsResponse]:
    """Answer from memory what can be, and look for timestamps in a task."""
    committed = request.isolation_level == _READ_COMMITTED
    named = Counter((topic.name, wanted.partition_index) for topic in request.topics for wanted in topic.partitions)
    topics: dict[str, ListOffsetsTopicResponse] = {}
    searches: list[_Search] = []
    for topic in request.topics:
        allowed = ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, topic.name)
        answers = topics.setdefault(topic.name, ListOffsetsTopicResponse(name=topic.name, partitions=[])).partitions
        for wanted in topic.partitions:
            times = named.pop((topic.name, wanted.partition_index), 0)
            if not times:
                continue
            answer = ListOffsetsPartitionResponse(partition_index=wanted.partition_index, error_code=0)
            answers.append(answer)
            try:
                if not allowed:
                    raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
                if times > 1:
                    raise KafkaError(ErrorCode.INVALID_REQUEST)
                if wanted.timestamp < 0 and ctx.api_version < _SINCE_VERSION.get(wanted.timestamp, 1 << 15):
                    raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
                search = _Search(topic.name, wanted, answer)
                if wanted.timestamp >= 0 or wanted.timestamp == _MAX_TIMESTAMP:
                    searches.append(search)
                else:
                    _answer_at_once(ctx, search, committed)
            except KafkaError as error:
                answer.error_code = error.code
    response = ListOffsetsResponse(topics=list(topics.values()))
    if not searches:
        return response
    return ctx.broker.run(_search_all(ctx, searches, response, committed))


def _find(ctx: RequestContext, topic: str, wanted: ListOffsetsPartition) -> Partition:
    broker = ctx.broker
    partition = broker.partitions.get(topic, wanted.partition_index)
    if partition is None:
        known = broker.images.current.topics.get(topic)
        raise KafkaError(broker.partitions.absence(known, wanted.partition_index))
    partition.check_leader_epoch(wanted.current_leader_epoch)
    return partition


def _answer_at_once(ctx: RequestContext, search: _Search, committed: bool) -> None:
    partition = _find(ctx, search.topic, search.wanted)
    timestamp = search.wanted.timestamp
    if timestamp == _LATEST:
        offset = partition.last_stable_offset if committed else partition.high_watermark
        _fill_in(ctx, search.answer, TimestampAndOffset(_NO_TIMESTAMP, offset, partition.leader_epoch))
    elif timestamp in (_EARLIEST, _EARLIEST_LOCAL):
        offset = partition.log_start_offset
        _fill_in(ctx, search.answer, TimestampAndOffset(_NO_TIMESTAMP, offset, partition.epoch_of(offset)))


def _fill_in(ctx: RequestContext, answer: ListOffsetsPartitionResponse, found: TimestampAndOffset) -> None:
    answer.timestamp = found.timestamp
    answer.offset = found.offset
    if ctx.api_version >= _LEADER_EPOCH_SINCE_VERSION:
        answer.leader_epoch = found.leader_epoch


async def _search_all(
    ctx: RequestContext, searches: list[_Search], response: ListOffsetsResponse, committed: bool
) -> ListOffsetsResponse:
    for search in searches:
        try:
            await _search(ctx, search, committed)
        except KafkaError as error:
            search.answer.error_code = error.code
    return response


async def _search(ctx: RequestContext, search: _Search, committed: bool) -> None:
    partition = _find(ctx, search.topic, search.wanted)
    timestamp = search.wanted.timestamp
    log = partition.log
    steps: Steps[TimestampAndOffset | None]
    steps = log.search_max_timestamp() if timestamp == _MAX_TIMESTAMP else log.search_timestamp(timestamp)
    found = await _in_turns(ctx, steps, partition)
    visible = partition.last_stable_offset if committed else partition.high_watermark
    if found is not None and found.offset < visible:
        _fill_in(ctx, search.answer, found)


async def _in_turns(ctx: RequestContext, steps: Steps[_T], partition: Partition) -> _T:
    """Take a step of the search at each turn of the loop, and read from the disk in a thread; raises KafkaError."""
    while True:
        try:
            cold = next(steps)
            if cold is not None:
                await ctx.broker.cold_reads.wait_for(cold)
        except StopIteration as end:
            found: _T = end.value
            return found
        except OSError as error:
            raise partition.storage_error(error) from error
        finally:
            await asyncio.sleep(0)
