"""CreatePartitions (key 37), versions 0-3: give topics more partitions, or with validate_only say what would come.

Behaviour
- Each topic has its own error; broker.core.controller.partition_growth holds the rules.
- It takes ALTER on the topic, else TOPIC_AUTHORIZATION_FAILED, whether the topic exists or not.
- The answer comes when the new partitions can be used. After timeout_ms every topic is answered with
  REQUEST_TIMED_OUT, though it may be grown later; with 0 or less nothing is begun, as in Kafka.

Versions (KIP-195): 2 flexible; 3 THROTTLING_QUOTA_EXCEEDED (KIP-599), never answered here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)

from ..core.controller.partition_growth import GrowingTopic, GrowthResults
from ..security.acl import AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: CreatePartitionsRequest) -> asyncio.Future[CreatePartitionsResponse]:
    """Grow the topics and answer once that is published."""
    return ctx.broker.run(_grow(ctx, request))


async def _grow(ctx: RequestContext, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    results: GrowthResults
    try:
        results = await ctx.broker.topics.grow(
            [_growing_topic(topic) for topic in request.topics],
            may_alter=lambda name: ctx.authorize(AclOperation.ALTER, ResourceType.TOPIC, name),
            timeout_ms=request.timeout_ms,
            validate_only=request.validate_only,
        )
    except KafkaError as error:
        results = dict.fromkeys((topic.name for topic in request.topics), error)
    return CreatePartitionsResponse(
        results=[
            CreatePartitionsTopicResult(name=name, error_code=result.code, error_message=result.message)
            if isinstance(result, KafkaError)
            else CreatePartitionsTopicResult(name=name, error_code=ErrorCode.NONE)
            for name, result in results.items()
        ]
    )


def _growing_topic(topic: CreatePartitionsTopic) -> GrowingTopic:
    assignments = None if topic.assignments is None else [each.broker_ids for each in topic.assignments]
    return GrowingTopic(topic.name, topic.count, assignments)
