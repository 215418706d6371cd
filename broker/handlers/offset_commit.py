"""OffsetCommit (key 8), versions 2-10: a group stores how far it has come.

Behaviour
- It takes READ on the group (GROUP_AUTHORIZATION_FAILED) and READ on each topic (TOPIC_AUTHORIZATION_FAILED).
- A partition that there is not is UNKNOWN_TOPIC_OR_PARTITION; what the group's coordinator has against the commit is
  the error of every other partition: UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID, REBALANCE_IN_PROGRESS
  before the member has synced. OFFSET_METADATA_TOO_LARGE is a partition's own.
- A member of the present generation may commit, and anybody, without a generation, as long as the group has no members.
- A commit of which nothing is stored makes no group; in Kafka it does.
- Topics are stored by their names and, as by Kafka 4.3, with their ids.

Versions: 3 throttle time; 5 no retention time any more (KIP-211); 6 leader epochs (KIP-320); 7 static members
(KIP-345); 8 flexible; 9 GROUP_ID_NOT_FOUND, ILLEGAL_GENERATION before (KIP-848); 10 topic ids, UNKNOWN_TOPIC_ID.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType
from .outstanding import then

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard

TOPIC_IDS_SINCE = 10


def handle(
    ctx: RequestContext, request: OffsetCommitRequest
) -> OffsetCommitResponse | asyncio.Future[OffsetCommitResponse]:
    """Hand what may be committed to the group's coordinator.

    Of the request nothing changes but what each topic's name and id are, of which the client gives one.
    """

    def commit(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.commit_offsets(request, ctx.api_version, now)

    def refuse(error: ErrorCode) -> OffsetCommitResponse:
        return OffsetCommitResponse(topics=[_refuse(topic, topic.partitions, error) for topic in request.topics])

    if not ctx.authorize(AclOperation.READ, ResourceType.GROUP, request.group_id):
        return refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    refused: list[OffsetCommitResponseTopic] = []
    admitted: list[OffsetCommitRequestTopic] = []
    for topic in request.topics:
        fit = _admit(ctx, topic, refused)
        if fit.partitions:
            admitted.append(fit)
    if not admitted:
        return OffsetCommitResponse(topics=refused)
    if admitted != request.topics:
        request = copy.copy(request)
        request.topics = admitted
    reply = ctx.broker.groups.call(request.group_id, commit, refuse)
    return then(reply, lambda response: _merge(response, refused)) if refused else reply


def _admit(
    ctx: RequestContext, topic: OffsetCommitRequestTopic, refused: list[OffsetCommitResponseTopic]
) -> OffsetCommitRequestTopic:
    """The topic, with name and id, and those of its partitions that may be committed; the others go to `refused`."""
    image = ctx.broker.images.current
    by_id = ctx.api_version >= TOPIC_IDS_SINCE
    known = image.topics_by_id.get(topic.topic_id) if by_id else image.topics.get(topic.name)
    name = topic.name if known is None else known.name
    count = 0
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if by_id and known is None:
        code = ErrorCode.UNKNOWN_TOPIC_ID
    elif not ctx.authorize(AclOperation.READ, ResourceType.TOPIC, name):
        code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    elif known is not None:
        count = len(known.partitions)
        topic.name, topic.topic_id = known.name, known.topic_id
    for partition in topic.partitions:
        if not 0 <= partition.partition_index < count:
            break
    else:
        return topic
    fit: list[OffsetCommitRequestPartition] = []
    unfit: list[OffsetCommitRequestPartition] = []
    for partition in topic.partitions:
        (fit if 0 <= partition.partition_index < count else unfit).append(partition)
    refused.append(_refuse(topic, unfit, code))
    return OffsetCommitRequestTopic(name=topic.name, topic_id=topic.topic_id, partitions=fit)


def _refuse(
    topic: OffsetCommitRequestTopic, partitions: list[OffsetCommitRequestPartition], error: ErrorCode
) -> OffsetCommitResponseTopic:
    answers = [
        OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error)
        for partition in partitions
    ]
    return OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=answers)


def _merge(response: OffsetCommitResponse, refused: list[OffsetCommitResponseTopic]) -> OffsetCommitResponse:
    """Add what was refused to the coordinator's answer, each topic being one."""
    by_name = {(topic.name, topic.topic_id): topic for topic in response.topics}
    for topic in refused:
        answered = by_name.get((topic.name, topic.topic_id))
        if answered is None:
            response.topics.append(topic)
        else:
            answered.partitions += topic.partitions
    return response
