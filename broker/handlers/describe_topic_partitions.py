"""DescribeTopicPartitions (key 75), version 0: topics page by page, sorted by name (KIP-966).

Behaviour
- No names ask for all topics. A page ends after response_partition_limit partitions, at most
  max.request.partition.size.limit and at least one; next_cursor says where the next one begins, be it in the middle of
  a topic. A cursor is taken along: what lies before it is left out.
- A cursor's topic must be among the names, if there are any, and its partition must not be negative: INVALID_REQUEST
  for each name. With no names there is no place for an error, and nothing is described, as in Kafka.
- A topic that is not there is UNKNOWN_TOPIC_OR_PARTITION, of a name that none can have INVALID_TOPIC_EXCEPTION (for an
  empty one Kafka fails the whole request). None is ever created.
- It takes DESCRIBE on a topic: without it a named one is TOPIC_AUTHORIZATION_FAILED whether it exists or not, at the
  end of the page, and "all topics" leaves it out.
- A partition without a leader has -1 there, and no error. There are no eligible leader replicas beside those in sync.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

from ..core.controller.topic_names import absence
from ..metadata.image import INTERNAL_TOPICS, NO_LEADER, TopicImage
from ..security.acl import AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_BEGINNING = Cursor(topic_name="", partition_index=0)


def handle(ctx: RequestContext, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse:
    """Describe from the current image the topics that fit on a page."""
    names = [topic.name for topic in request.topics]
    cursor = request.cursor or _BEGINNING
    if cursor.partition_index < 0 or (names and request.cursor is not None and cursor.topic_name not in names):
        return DescribeTopicPartitionsResponse(
            topics=[_without_partitions(name, ErrorCode.INVALID_REQUEST) for name in names]
        )
    limit = min(request.response_partition_limit, ctx.broker.config.int("max.request.partition.size.limit"))
    return _page(ctx, names, cursor, max(limit, 1))


def _page(ctx: RequestContext, names: Sequence[str], cursor: Cursor, limit: int) -> DescribeTopicPartitionsResponse:
    topics = ctx.broker.images.current.topics
    response = DescribeTopicPartitionsResponse()
    refused = []
    for name in sorted(set(names or topics)):
        if name < cursor.topic_name:
            continue
        if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, name):
            if names:
                refused.append(_without_partitions(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED))
            continue
        if limit == 0:
            response.next_cursor = Cursor(topic_name=name, partition_index=0)
            break
        topic = topics.get(name)
        if topic is None:
            answer = _without_partitions(name, absence(name), is_internal=name in INTERNAL_TOPICS)
        else:
            begin = cursor.partition_index if name == cursor.topic_name else 0
            end = min(begin + limit, len(topic.partitions))
            answer = _describe(ctx, topic, range(begin, end))
            limit -= len(answer.partitions)
            if end < len(topic.partitions):
                response.next_cursor = Cursor(topic_name=name, partition_index=end)
        answer.topic_authorized_operations = ctx.authorized_operations(ResourceType.TOPIC, name)
        response.topics.append(answer)
        if response.next_cursor is not None:
            break
    response.topics += refused
    return response


def _without_partitions(
    name: str, code: ErrorCode, *, is_internal: bool = False
) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(error_code=code, name=name, is_internal=is_internal)


def _describe(ctx: RequestContext, topic: TopicImage, indexes: range) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.internal,
        partitions=[_partition(ctx, topic, index) for index in indexes],
    )


def _partition(ctx: RequestContext, topic: TopicImage, index: int) -> DescribeTopicPartitionsResponsePartition:
    broker = ctx.broker
    image = broker.images.current
    partition = topic.partitions[index]
    offline = [node_id for node_id in partition.replicas if node_id not in image.brokers]
    if (topic.topic_id, index) in broker.partitions.offline:  # this broker's log has failed
        offline.append(broker.node_id)
    leads = partition.leader in image.brokers and partition.leader not in offline
    return DescribeTopicPartitionsResponsePartition(
        error_code=ErrorCode.NONE,
        partition_index=index,
        leader_id=partition.leader if leads and ctx.advertised(partition.leader) is not None else NO_LEADER,
        leader_epoch=image.current_epoch(partition),
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        offline_replicas=offline,
    )
