"""What Produce answers for a partition whose records were refused."""

from __future__ import annotations

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.produce import LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceResponse

from ..context import RequestContext
from ..metadata.image import TopicImage
from ..partition import Partition
from .leader_hint import leader_hint

_LEADER_HINTS_SINCE_VERSION = 10
_WITHOUT_LOG_START = (
    ErrorCode.CORRUPT_MESSAGE,
    ErrorCode.KAFKA_STORAGE_ERROR,
    ErrorCode.MESSAGE_TOO_LARGE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.RECORD_LIST_TOO_LARGE,
)
"""Errors of a log beside which Kafka does not tell where it begins."""


def refused(
    ctx: RequestContext,
    response: ProduceResponse,
    topic: TopicImage | None,
    index: int,
    asked: Partition | None,
    error: KafkaError,
) -> PartitionProduceResponse:
    """Return a partition's error, with the leader to turn to if this broker is the wrong one.

    `asked` is the partition if it was its log that refused; the leader's address goes into `response`.
    """
    answer = PartitionProduceResponse(index=index, error_code=error.code, base_offset=-1, error_message=error.message)
    if asked is not None and error.code not in _WITHOUT_LOG_START:
        answer.log_start_offset = asked.log_start_offset
    if (
        error.code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        and topic is not None
        and ctx.api_version >= _LEADER_HINTS_SINCE_VERSION
    ):
        hint = leader_hint(ctx, topic, index)
        answer.current_leader = LeaderIdAndEpoch(leader_id=hint.leader_id, leader_epoch=hint.leader_epoch)
        if hint.endpoint is not None and all(node.node_id != hint.leader_id for node in response.node_endpoints):
            host, port = hint.endpoint
            response.node_endpoints.append(NodeEndpoint(node_id=hint.leader_id, host=host, port=port, rack=hint.rack))
    return answer


def refuse_without_answer(ctx: RequestContext, error: KafkaError) -> None:
    """Tell a producer with acks=0 of an error."""
    ctx.acks0_error(f"Produce with acks=0 has failed: {error}")
