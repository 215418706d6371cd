"""OffsetFetch (key 9), versions 1-10: how far groups have come.

Behaviour
- It takes DESCRIBE on the group (GROUP_AUTHORIZATION_FAILED) and on each topic: TOPIC_AUTHORIZATION_FAILED, or nothing
  where all topics are asked for.
- A group or a partition without an offset, whether it exists or not, is answered with -1 and no error.
- An answer rests on what is committed, so that `require_stable` (KIP-447) asks for nothing more.

Versions: 2 null topics for all, and an error of the whole answer, which is each partition's before; 5 leader epochs
(KIP-320); 6 flexible; 7 require_stable; 8 several groups, each with an error (KIP-709); 9 member id and epoch of
KIP-848, which mean nothing to classic groups; 10 topic ids, UNKNOWN_TOPIC_ID. All topics leave out those without an id.

Omitted: transactions, and with them UNSTABLE_OFFSET_COMMIT.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType
from .outstanding import all_then, then

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard

GROUP_ERROR_SINCE = 2
SEVERAL_GROUPS_SINCE = 8
TOPIC_IDS_SINCE = 10
NO_OFFSET = -1

GroupReply = OffsetFetchResponseGroup | asyncio.Future[OffsetFetchResponseGroup]


def handle(
    ctx: RequestContext, request: OffsetFetchRequest
) -> OffsetFetchResponse | asyncio.Future[OffsetFetchResponse]:
    """Ask each group's coordinator."""
    if ctx.api_version >= SEVERAL_GROUPS_SINCE:
        replies = [_fetch(ctx, group) for group in request.groups]
        return all_then(replies, lambda groups: OffsetFetchResponse(groups=groups))
    topics = None
    if request.topics is not None:
        topics = [
            OffsetFetchRequestTopics(name=topic.name, partition_indexes=topic.partition_indexes)
            for topic in request.topics
        ]
    group = OffsetFetchRequestGroup(group_id=request.group_id, topics=topics)
    return then(_fetch(ctx, group), partial(_of_one_group, ctx.api_version, request))


def _fetch(ctx: RequestContext, group: OffsetFetchRequestGroup) -> GroupReply:
    def fetch(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.fetch_offsets(group, now)

    def refuse(error: ErrorCode) -> OffsetFetchResponseGroup:
        return OffsetFetchResponseGroup(group_id=group.group_id, error_code=error)

    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.GROUP, group.group_id):
        return refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    if group.topics is None:
        return then(ctx.broker.groups.call(group.group_id, fetch, refuse), partial(_show_allowed, ctx))
    refused: list[OffsetFetchResponseTopics] = []
    group.topics = [topic for topic in group.topics if _admit(ctx, topic, refused)]
    reply = ctx.broker.groups.call(group.group_id, fetch, refuse)
    return then(reply, partial(_add_refused, refused)) if refused else reply


def _admit(ctx: RequestContext, topic: OffsetFetchRequestTopics, refused: list[OffsetFetchResponseTopics]) -> bool:
    """Give the topic both name and id, as far as it is known, or put it among the refused ones."""
    image = ctx.broker.images.current
    by_id = ctx.api_version >= TOPIC_IDS_SINCE
    known = image.topics_by_id.get(topic.topic_id) if by_id else image.topics.get(topic.name)
    if known is not None:
        topic.name, topic.topic_id = known.name, known.topic_id
    elif by_id:
        refused.append(_refuse_topic(topic, ErrorCode.UNKNOWN_TOPIC_ID))
        return False
    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, topic.name):
        refused.append(_refuse_topic(topic, ErrorCode.TOPIC_AUTHORIZATION_FAILED))
        return False
    return True


def _refuse_topic(topic: OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics:
    partitions = [
        OffsetFetchResponsePartitions(partition_index=index, committed_offset=NO_OFFSET, metadata="", error_code=error)
        for index in topic.partition_indexes
    ]
    return OffsetFetchResponseTopics(name=topic.name, topic_id=topic.topic_id, partitions=partitions)


def _add_refused(refused: list[OffsetFetchResponseTopics], group: OffsetFetchResponseGroup) -> OffsetFetchResponseGroup:
    if group.error_code == ErrorCode.NONE:
        group.topics += refused
    return group


def _show_allowed(ctx: RequestContext, group: OffsetFetchResponseGroup) -> OffsetFetchResponseGroup:
    """Leave of all topics those that the client may see, and that its version has a way to name."""
    topics = ctx.broker.images.current.topics
    shown = []
    for topic in group.topics:
        known = topics.get(topic.name)
        if known is not None:
            topic.topic_id = known.topic_id
        elif ctx.api_version >= TOPIC_IDS_SINCE:
            continue
        if ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, topic.name):
            shown.append(topic)
    group.topics = shown
    return group


def _of_one_group(version: int, request: OffsetFetchRequest, group: OffsetFetchResponseGroup) -> OffsetFetchResponse:
    """The group's answer in the shape that it had before there were several."""
    if group.error_code and version < GROUP_ERROR_SINCE:
        code = ErrorCode(group.error_code)
        asked = [
            OffsetFetchRequestTopics(name=topic.name, partition_indexes=topic.partition_indexes)
            for topic in request.topics or ()
        ]
        group = OffsetFetchResponseGroup(
            group_id=group.group_id, topics=[_refuse_topic(topic, code) for topic in asked]
        )
    topics = [
        OffsetFetchResponseTopic(
            name=topic.name,
            partitions=[
                OffsetFetchResponsePartition(
                    partition_index=partition.partition_index,
                    committed_offset=partition.committed_offset,
                    committed_leader_epoch=partition.committed_leader_epoch,
                    metadata=partition.metadata,
                    error_code=partition.error_code,
                )
                for partition in topic.partitions
            ],
        )
        for topic in group.topics
    ]
    return OffsetFetchResponse(topics=topics, error_code=group.error_code)
