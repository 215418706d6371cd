"""DescribeLogDirs (key 35), versions 1-5: what is in each log directory of this broker (KIP-113).

Behaviour
- All directories are listed, in the order of `log.dirs`, with the partitions that are asked for, null standing for all
  of them. What is not there is left out, without an error.
- A directory that is offline has KAFKA_STORAGE_ERROR and shows nothing.
- A log that is being moved is listed in both directories, its copy as a future one and with what it lacks.
- It takes DESCRIBE on the cluster, else CLUSTER_AUTHORIZATION_FAILED, before version 3 an empty list.

Versions: 2 flexible; 3 the error; 4 the size of the volume and how much of it may still be used (KIP-827); 5 cordoned
directories (KIP-1066), of which there are none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from storage.log_move import LogMove

from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from storage.log import Log

    from ..context import RequestContext

_UNKNOWN_LAG = -1
_PARTITIONS_PER_TURN = 256

_Key = tuple[str, int]
_Wanted = Collection[_Key] | None


def handle(
    ctx: RequestContext, request: DescribeLogDirsRequest
) -> DescribeLogDirsResponse | asyncio.Future[DescribeLogDirsResponse]:
    """Describe the directories, a few partitions a turn of the loop."""
    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME):
        return DescribeLogDirsResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    wanted: _Wanted = None
    if request.topics is not None:
        wanted = {(topic.topic, index) for topic in request.topics for index in topic.partitions}
    return ctx.broker.run(_describe(ctx, wanted))


async def _describe(ctx: RequestContext, wanted: _Wanted) -> DescribeLogDirsResponse:
    logs = ctx.broker.logs
    online = {directory.path: directory for directory in logs.directories}
    usages = {path: await _usage(ctx, path) for path in online}
    # All at once, or a log that is moved meanwhile would be in two directories, or in none.
    tables = {
        path: [*_chosen(directory.logs, wanted), *_chosen(directory.copies, wanted)]
        for path, directory in online.items()
        if directory.failure is None
    }
    response = DescribeLogDirsResponse(error_code=ErrorCode.NONE)
    for path in logs.paths:
        result = DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path)
        usage = usages.get(path)
        if path in tables and usage is not None:
            result.error_code = ErrorCode.NONE
            result.topics = await _topics(ctx, tables[path])
            result.total_bytes, result.usable_bytes = usage
        response.results.append(result)
    return response


async def _usage(ctx: RequestContext, path: str) -> tuple[int, int] | None:
    """Bytes of the volume, and those that may be used; None where its disk, which is given its time, does not say."""
    try:
        return await asyncio.to_thread(ctx.broker.filesystem.usage, path)
    except OSError:
        return None


async def _topics(ctx: RequestContext, logs: Iterable[tuple[_Key, Log | LogMove]]) -> list[DescribeLogDirsTopic]:
    topics: dict[str, DescribeLogDirsTopic] = {}
    for count, (key, log) in enumerate(logs, 1):
        topic = topics.setdefault(key[0], DescribeLogDirsTopic(name=key[0]))
        topic.partitions.append(_partition(ctx, key, log))
        if count % _PARTITIONS_PER_TURN == 0:
            await asyncio.sleep(0)
    return list(topics.values())


def _chosen(table: Mapping[_Key, Log] | Mapping[_Key, LogMove], wanted: _Wanted) -> list[tuple[_Key, Log | LogMove]]:
    if wanted is None:
        return list(table.items())
    return [(key, table[key]) for key in wanted if key in table]


def _partition(ctx: RequestContext, key: _Key, log: Log | LogMove) -> DescribeLogDirsPartition:
    is_future = isinstance(log, LogMove)
    lag = _lag_of_copy(log) if isinstance(log, LogMove) else _lag(ctx, key, log)
    return DescribeLogDirsPartition(
        partition_index=key[1], partition_size=log.size_bytes, offset_lag=lag, is_future_key=is_future
    )


def _lag(ctx: RequestContext, key: _Key, log: Log) -> int:
    partition = ctx.broker.partitions.get(*key)
    return _UNKNOWN_LAG if partition is None else max(0, partition.high_watermark - log.log_end_offset)


def _lag_of_copy(move: LogMove) -> int:
    try:
        return move.lag
    except OSError:
        return _UNKNOWN_LAG
