"""ElectLeaders (key 43), versions 0-2: have partitions led by their preferred replica, or by any where none leads.

Behaviour
- Each partition has its own error; broker.core.controller.leader_election holds the rules.
- Null asks for all partitions; those that need no election are left out of that answer, their topics are not.
- It takes ALTER on the cluster, else CLUSTER_AUTHORIZATION_FAILED for all. An unknown election type is an
  INVALID_REQUEST.
- With a timeout_ms of 0 or less nothing is begun: REQUEST_TIMED_OUT, as in Kafka.
- An error of the whole request stands at each partition that was named, too: version 0 has no other place for it.

Versions (KIP-183): 1 the election's type, before that the preferred replica's, and an error of the whole (KIP-460); 2
flexible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
    TopicPartitions,
)

from ..core.controller.leader_election import ElectionType, elect_leader
from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_ERROR_OF_THE_WHOLE_SINCE = 1
_TYPES = {int(election_type): election_type for election_type in ElectionType}


def handle(
    ctx: RequestContext, request: ElectLeadersRequest
) -> ElectLeadersResponse | asyncio.Future[ElectLeadersResponse]:
    """Elect the leaders and answer once that is published."""
    if not ctx.authorize(AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME):
        return _refuse(ctx, request, KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_REFUSAL))
    election_type = _TYPES.get(request.election_type)
    if election_type is None:
        message = f"Unknown election type {request.election_type}"
        return _refuse(ctx, request, KafkaError(ErrorCode.INVALID_REQUEST, message))
    return ctx.broker.run(_elect(ctx, request, election_type))


async def _elect(
    ctx: RequestContext, request: ElectLeadersRequest, election_type: ElectionType
) -> ElectLeadersResponse:
    asked: Sequence[TopicPartitions]
    if request.topic_partitions is None:
        asked = [
            TopicPartitions(topic=topic.name, partitions=list(range(len(topic.partitions))))
            for topic in ctx.broker.images.current.topics.values()
        ]
    else:
        asked = request.topic_partitions
    keys = [(topic.topic, index) for topic in asked for index in topic.partitions]
    plan = partial(elect_leader, election_type=election_type)
    try:
        errors = await ctx.broker.replicas.change(dict.fromkeys(keys, plan), timeout_ms=request.timeout_ms)
    except KafkaError as error:
        return _refuse(ctx, request, error)
    response = ElectLeadersResponse()
    for topic in asked:
        result = ReplicaElectionResult(topic=topic.topic)
        for index in topic.partitions:
            failure = errors.get((topic.topic, index))
            if failure is None:
                result.partition_result.append(_result(index, ErrorCode.NONE, None))
            elif request.topic_partitions is not None or failure.code != ErrorCode.ELECTION_NOT_NEEDED:
                result.partition_result.append(_result(index, failure.code, failure.message))
        response.replica_election_results.append(result)
    return response


def _refuse(ctx: RequestContext, request: ElectLeadersRequest, error: KafkaError) -> ElectLeadersResponse:
    response = ElectLeadersResponse(
        replica_election_results=[
            ReplicaElectionResult(
                topic=topic.topic,
                partition_result=[_result(index, error.code, error.message) for index in topic.partitions],
            )
            for topic in request.topic_partitions or ()
        ]
    )
    if ctx.api_version >= _ERROR_OF_THE_WHOLE_SINCE:
        response.error_code = error.code
    return response


def _result(index: int, code: ErrorCode, message: str | None) -> PartitionResult:
    return PartitionResult(partition_id=index, error_code=code, error_message=message)
