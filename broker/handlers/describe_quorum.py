"""DescribeQuorum (key 55), versions 0-2: who keeps the cluster's metadata (KIP-595).

Behaviour
- The quorum is the broker that was asked, since it keeps the metadata itself: it leads, in an epoch that rises with
  each start, and is the only voter. Offsets are revisions of the metadata store.
- That is the answer for partition 0 of `__cluster_metadata`, asked for alone. Any other question gets
  UNKNOWN_TOPIC_OR_PARTITION for each of its partitions, as in Kafka.
- It takes DESCRIBE on the cluster.

Versions: 1 when a replica has last fetched and was caught up (KIP-836), now for a leader; 2 the nodes and how they are
reached, here the listener that the client came by, and directory ids, all zeros as in a Kafka whose voters are
configured and not elected (KIP-853).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.describe_quorum import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    Listener,
    Node,
    PartitionData,
    ReplicaState,
    TopicData,
)

from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_METADATA_TOPIC = "__cluster_metadata"


def handle(ctx: RequestContext, request: DescribeQuorumRequest) -> DescribeQuorumResponse:
    """Describe a quorum of one."""
    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME):
        return DescribeQuorumResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED, error_message=CLUSTER_REFUSAL)
    asked = [(topic.topic_name, [each.partition_index for each in topic.partitions]) for topic in request.topics]
    if asked != [(_METADATA_TOPIC, [0])]:
        topics = [TopicData(topic_name=name, partitions=list(map(_unknown, indexes))) for name, indexes in asked]
        return DescribeQuorumResponse(error_code=ErrorCode.NONE, topics=topics)
    return DescribeQuorumResponse(
        error_code=ErrorCode.NONE,
        topics=[TopicData(topic_name=_METADATA_TOPIC, partitions=[_led_here(ctx)])],
        nodes=[_this_node(ctx)] if ctx.api_version >= 2 else [],
    )


def _unknown(index: int) -> PartitionData:
    return PartitionData(
        partition_index=index,
        error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        error_message="This server does not host this topic-partition.",
        leader_id=0,
        leader_epoch=0,
        high_watermark=0,
    )


def _led_here(ctx: RequestContext) -> PartitionData:
    broker = ctx.broker
    image = broker.images.current
    now_ms = broker.clock.now_ms()
    voter = ReplicaState(
        replica_id=broker.node_id,
        log_end_offset=image.revision,
        last_fetch_timestamp=now_ms,
        last_caught_up_timestamp=now_ms,
    )
    return PartitionData(
        partition_index=0,
        error_code=ErrorCode.NONE,
        leader_id=broker.node_id,
        leader_epoch=image.brokers[broker.node_id].start_count,
        high_watermark=image.revision,
        current_voters=[voter],
    )


def _this_node(ctx: RequestContext) -> Node:
    node = Node(node_id=ctx.broker.node_id)
    endpoint = ctx.advertised(node.node_id)
    if endpoint is not None:
        host, port = endpoint
        node.listeners.append(Listener(name=ctx.listener, host=host, port=port))
    return node
