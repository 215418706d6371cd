"""OffsetDelete (key 47), version 0: forget a group's offsets of partitions that none of its members reads (KIP-496).

Behaviour
- It takes DELETE on the group (GROUP_AUTHORIZATION_FAILED) and READ on each topic (TOPIC_AUTHORIZATION_FAILED).
- A partition that there is not is UNKNOWN_TOPIC_OR_PARTITION. An error of the group, as GROUP_ID_NOT_FOUND, is that of
  the whole answer, which then has no partitions.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
)

from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType
from .outstanding import then

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard


def handle(
    ctx: RequestContext, request: OffsetDeleteRequest
) -> OffsetDeleteResponse | asyncio.Future[OffsetDeleteResponse]:
    """Hand what may be deleted to the group's coordinator."""

    def delete(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.delete_offsets(request)

    if not ctx.authorize(AclOperation.DELETE, ResourceType.GROUP, request.group_id):
        return _refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    refused: dict[str, list[OffsetDeleteResponsePartition]] = {}
    request.topics = [_admit(ctx, topic, refused) for topic in request.topics]

    def answer(response: OffsetDeleteResponse) -> OffsetDeleteResponse:
        if response.error_code == ErrorCode.NONE:
            for topic in response.topics:
                topic.partitions += refused.pop(topic.name, ())
        return response

    return then(ctx.broker.groups.call(request.group_id, delete, _refuse), answer)


def _admit(
    ctx: RequestContext, topic: OffsetDeleteRequestTopic, refused: dict[str, list[OffsetDeleteResponsePartition]]
) -> OffsetDeleteRequestTopic:
    """The topic with those of its partitions that may be deleted; the others go to `refused`."""
    known = ctx.broker.images.current.topics.get(topic.name)
    may_read = ctx.authorize(AclOperation.READ, ResourceType.TOPIC, topic.name)
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if may_read else ErrorCode.TOPIC_AUTHORIZATION_FAILED
    count = len(known.partitions) if may_read and known is not None else 0
    admitted: list[OffsetDeleteRequestPartition] = []
    for partition in topic.partitions:
        if 0 <= partition.partition_index < count:
            admitted.append(partition)
        else:
            answer = OffsetDeleteResponsePartition(partition_index=partition.partition_index, error_code=code)
            refused.setdefault(topic.name, []).append(answer)
    return OffsetDeleteRequestTopic(name=topic.name, partitions=admitted)


def _refuse(error: ErrorCode) -> OffsetDeleteResponse:
    return OffsetDeleteResponse(error_code=error)
