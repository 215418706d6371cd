"""DeleteRecords (key 21), versions 0-2: delete the records below an offset (KIP-107).

Behaviour
- It takes DELETE on the topic. -1 stands for the high watermark; what lies above that, and other negative offsets, get
  OFFSET_OUT_OF_RANGE; an offset below the log's start has no effect.
- The low watermark in the answer is where the log begins now: there is no other replica, so timeout_ms is not needed.
- A topic with no other policy than `compact`: POLICY_VIOLATION. An internal topic: INVALID_TOPIC_EXCEPTION.
- Of a partition that is named twice the last offset counts, as in Kafka.
- It is answered once the deletion survives a crash, KAFKA_STORAGE_ERROR if that cannot be had; Kafka may bring records
  back that were deleted in the last minute before it.

Versions: 1 as 0; 2 flexible.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

from ..security.acl import AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..partition import Partition

_NO_LOW_WATERMARK = -1


def handle(
    ctx: RequestContext, request: DeleteRecordsRequest
) -> DeleteRecordsResponse | asyncio.Future[DeleteRecordsResponse]:
    """Move the logs' starts and answer once they are on disk."""
    topics: dict[str, dict[int, int]] = {}
    for topic in request.topics:
        offsets = topics.setdefault(topic.name, {})
        offsets.update({wanted.partition_index: wanted.offset for wanted in topic.partitions})
    return ctx.broker.run(_delete(ctx, topics))


async def _delete(ctx: RequestContext, topics: dict[str, dict[int, int]]) -> DeleteRecordsResponse:
    response = DeleteRecordsResponse(topics=[])
    answers: dict[Partition, DeleteRecordsPartitionResult] = {}
    wanted: dict[Partition, int] = {}
    for name, offsets in topics.items():
        allowed = ctx.authorize(AclOperation.DELETE, ResourceType.TOPIC, name)
        answered = DeleteRecordsTopicResult(name=name, partitions=[])
        for index, offset in offsets.items():
            answer = DeleteRecordsPartitionResult(
                partition_index=index, low_watermark=_NO_LOW_WATERMARK, error_code=ErrorCode.NONE
            )
            answered.partitions.append(answer)
            try:
                partition = _find(ctx, name, index, allowed)
            except KafkaError as error:
                answer.error_code = error.code
            else:
                answers[partition] = answer
                wanted[partition] = offset
        response.topics.append(answered)
    for partition, result in (await ctx.broker.record_deletion.delete(wanted)).items():
        if isinstance(result, KafkaError):
            answers[partition].error_code = result.code
        else:
            answers[partition].low_watermark = result
    return response


def _find(ctx: RequestContext, name: str, index: int, allowed: bool) -> Partition:
    if not allowed:
        raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    broker = ctx.broker
    partition = broker.partitions.get(name, index)
    if partition is None:
        raise KafkaError(broker.partitions.absence(broker.images.current.topics.get(name), index))
    if partition.internal:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Cannot delete records of internal topic {name}.")
    return partition
