"""AlterPartitionReassignments (key 45), versions 0-1: give partitions other replicas, or cancel that (KIP-455).

Behaviour
- Each partition has its own error; broker.core.controller.reassignment holds the rules, and says what cannot be done.
- It takes ALTER on the cluster, else CLUSTER_AUTHORIZATION_FAILED for all.
- With a timeout_ms of 0 or less nothing is begun: REQUEST_TIMED_OUT, as in Kafka.
- An error of the whole request stands at each partition, too, as in Kafka.

Versions: 1 whether the number of replicas may change (KIP-860), which it may before.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)

from ..core.controller.reassignment import reassign
from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(
    ctx: RequestContext, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse | asyncio.Future[AlterPartitionReassignmentsResponse]:
    """Change the replicas and answer once that is published."""
    if not ctx.authorize(AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME):
        return _refuse(request, KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_REFUSAL))
    return ctx.broker.run(_reassign(ctx, request))


async def _reassign(
    ctx: RequestContext, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    if not request.topics:
        # As in Kafka, where it goes without saying that nothing stands in the way of nothing.
        return AlterPartitionReassignmentsResponse(error_code=ErrorCode.NONE, error_message="")
    allowed = request.allow_replication_factor_change
    plans = {
        (topic.name, each.partition_index): partial(reassign, target=each.replicas, allow_factor_change=allowed)
        for topic in request.topics
        for each in topic.partitions
    }
    try:
        errors = await ctx.broker.replicas.change(plans, timeout_ms=request.timeout_ms)
    except KafkaError as error:
        return _refuse(request, error)
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=allowed,
        error_code=ErrorCode.NONE,
        error_message=None,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    _result(each.partition_index, errors.get((topic.name, each.partition_index)))
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


def _refuse(request: AlterPartitionReassignmentsRequest, error: KafkaError) -> AlterPartitionReassignmentsResponse:
    return AlterPartitionReassignmentsResponse(
        error_code=error.code,
        error_message=error.message,
        responses=[
            ReassignableTopicResponse(
                name=topic.name, partitions=[_result(each.partition_index, error) for each in topic.partitions]
            )
            for topic in request.topics
        ],
    )


def _result(index: int, error: KafkaError | None) -> ReassignablePartitionResponse:
    if error is None:
        return ReassignablePartitionResponse(partition_index=index, error_code=ErrorCode.NONE, error_message=None)
    return ReassignablePartitionResponse(partition_index=index, error_code=error.code, error_message=error.message)
