"""OffsetForLeaderEpoch (key 23), versions 2-4: where a leader epoch ends (KIP-101, KIP-320).

Behaviour
- Answers the largest epoch at or below the asked one that the log knows, and the offset after its last record; both
  -1 for the epoch -1 and for one that is newer than the current one.
- `current_leader_epoch`, if given, must be the leader's: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
- Whoever may do CLUSTER_ACTION may ask about every topic, others need DESCRIBE on each.

Versions: 3 replica_id, which changes nothing here; 4 flexible.
"""

from __future__ import annotations

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
    OffsetForLeaderTopicResult,
)

from ..context import RequestContext
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType


def handle(ctx: RequestContext, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse:
    """Answer from the leader epochs of each partition's log."""
    of_the_cluster = ctx.authorize(AclOperation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME)
    response = OffsetForLeaderEpochResponse(topics=[])
    for topic in request.topics:
        allowed = of_the_cluster or ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, topic.topic)
        answers: list[EpochEndOffset] = []
        for wanted in topic.partitions:
            try:
                if not allowed:
                    raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
                answers.append(_end_offset(ctx, topic, wanted))
            except KafkaError as error:
                answers.append(EpochEndOffset(partition=wanted.partition, error_code=error.code))
        response.topics.append(OffsetForLeaderTopicResult(topic=topic.topic, partitions=answers))
    return response


def _end_offset(ctx: RequestContext, topic: OffsetForLeaderTopic, wanted: OffsetForLeaderPartition) -> EpochEndOffset:
    broker = ctx.broker
    partition = broker.partitions.get(topic.topic, wanted.partition)
    if partition is None:
        known = broker.images.current.topics.get(topic.topic)
        raise KafkaError(broker.partitions.absence(known, wanted.partition))
    partition.check_leader_epoch(wanted.current_leader_epoch)
    end = partition.end_offset_for_epoch(wanted.leader_epoch)
    return EpochEndOffset(error_code=0, partition=wanted.partition, leader_epoch=end.epoch, end_offset=end.end_offset)
