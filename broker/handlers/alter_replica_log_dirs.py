"""AlterReplicaLogDirs (key 34), versions 1-2: move logs between the log directories of this broker (KIP-113).

Behaviour
- Each partition has its own error. The answer comes when the moves are begun; DescribeLogDirs shows how far they are,
  and when the copy has taken the log's place. Records are written and read meanwhile.
- A path has to be that of a log directory to the letter, as DescribeLogDirs gives it, else LOG_DIR_NOT_FOUND.
  KAFKA_STORAGE_ERROR where it, or the partition, is offline, or a move would begin while any directory is offline.
- The copy has the leader epochs of the log. Kafka forgets the one of a log that has no records.
- The directory that a log is in ends the log's move, if there is one; that of a move that is under way changes nothing.
- UNKNOWN_TOPIC_OR_PARTITION for a partition that is not there, REPLICA_NOT_AVAILABLE for one that is elsewhere. Either
  is made in the directory that was named last if it is made here before the broker ends.
- INVALID_TOPIC_EXCEPTION for a name that leaves no room for that of the copy's directory, some 210 characters.
- A partition that comes twice goes to the directory that was named last.
- It takes ALTER on the cluster, else CLUSTER_AUTHORIZATION_FAILED for each partition.

Versions: 2 flexible.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)

from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_Results = dict[tuple[str, int], ErrorCode]


def handle(ctx: RequestContext, request: AlterReplicaLogDirsRequest) -> asyncio.Future[AlterReplicaLogDirsResponse]:
    """Begin the moves, one after the other."""
    paths = {
        (topic.name, index): directory.path
        for directory in request.dirs
        for topic in directory.topics
        for index in topic.partitions
    }
    return ctx.broker.run(_alter(ctx, paths))


async def _alter(ctx: RequestContext, paths: dict[tuple[str, int], str]) -> AlterReplicaLogDirsResponse:
    if ctx.authorize(AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME):
        results = {key: await _alter_one(ctx, key, path) for key, path in paths.items()}
    else:
        results = dict.fromkeys(paths, ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    topics: dict[str, AlterReplicaLogDirTopicResult] = {}
    for (name, index), code in results.items():
        topic = topics.setdefault(name, AlterReplicaLogDirTopicResult(topic_name=name))
        topic.partitions.append(AlterReplicaLogDirPartitionResult(partition_index=index, error_code=code))
    return AlterReplicaLogDirsResponse(results=list(topics.values()))


async def _alter_one(ctx: RequestContext, key: tuple[str, int], path: str) -> ErrorCode:
    try:
        await ctx.broker.log_mover.alter(key, path)
    except KafkaError as error:
        name, index = key
        topic = ctx.broker.images.current.topics.get(name)
        is_known = topic is not None and 0 <= index < len(topic.partitions)
        if error.code == ErrorCode.REPLICA_NOT_AVAILABLE and not is_known:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return error.code
    return ErrorCode.NONE
