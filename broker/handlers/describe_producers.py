"""DescribeProducers (key 61), version 0: what partitions remember of their idempotent producers (KIP-664).

Behaviour
- It takes READ on the topic. The errors of a whole topic (its name, that, or that there is none) have Kafka's messages,
  those of single partitions none.
- A producer is told of until `producer.id.expiration.ms` after its last batch, also when that is deleted.
- A partition is answered as often as it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)

from ..core.controller.topic_names import validate_topic_name
from ..metadata.image import TopicImage
from ..security.acl import AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: DescribeProducersRequest) -> DescribeProducersResponse:
    """Answer from the producer state of each partition's log."""
    response = DescribeProducersResponse(topics=[])
    for topic in request.topics:
        try:
            known = _check(ctx, topic.name)
            answers = [_describe(ctx, known, index) for index in topic.partition_indexes]
        except KafkaError as error:
            answers = [_refused(index, error) for index in topic.partition_indexes]
        response.topics.append(TopicResponse(name=topic.name, partitions=answers))
    return response


def _check(ctx: RequestContext, name: str) -> TopicImage:
    """Return the topic, or raise KafkaError for whatever holds for all its partitions."""
    validate_topic_name(name)
    if not ctx.authorize(AclOperation.READ, ResourceType.TOPIC, name):
        raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.")
    topic = ctx.broker.images.current.topics.get(name)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
    return topic


def _describe(ctx: RequestContext, topic: TopicImage, index: int) -> PartitionResponse:
    broker = ctx.broker
    partition = broker.partitions.get(topic.name, index)
    if partition is None:
        return PartitionResponse(
            partition_index=index, error_code=broker.partitions.absence(topic, index), active_producers=[]
        )
    producers = [
        ProducerState(
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            last_sequence=producer.last_sequence,
            last_timestamp=producer.last_timestamp_ms,
            coordinator_epoch=producer.coordinator_epoch,
            current_txn_start_offset=producer.transaction_first_offset,
        )
        for producer in partition.log.producers
    ]
    return PartitionResponse(partition_index=index, error_code=ErrorCode.NONE, active_producers=producers)


def _refused(index: int, error: KafkaError) -> PartitionResponse:
    return PartitionResponse(
        partition_index=index, error_code=error.code, error_message=error.message, active_producers=[]
    )
