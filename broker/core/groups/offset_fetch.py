"""OffsetFetch: how far a group has come.

A group that does not exist has committed nothing, which is no error. Members and their epochs count only with KIP-848's
protocol; any client may ask for the offsets of a classic group.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from protocol.schema import ZERO_UUID

from ..result import Result
from .offset_store import OffsetStore, decode_place, decode_value, encode_place

NO_OFFSET = -1


def fetch_offsets(offsets: OffsetStore, request: OffsetFetchRequestGroup) -> Result:
    """The offsets of the partitions asked for, or all that the group has.

    A topic that is asked for with an id has no offsets of a topic with another id: they are those of a deleted topic
    of the same name. What is asked for without names comes without ids.
    """
    committed = offsets.of_group(request.group_id.encode()) or {}
    if request.topics is None:
        topics = _all_offsets(committed)
    else:
        topics = [
            OffsetFetchResponseTopics(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    _answer(index, committed.get(encode_place(topic.name, index)), topic.topic_id)
                    for index in topic.partition_indexes
                ],
            )
            for topic in request.topics
        ]
    return Result(OffsetFetchResponseGroup(group_id=request.group_id, topics=topics))


def _all_offsets(committed: Mapping[bytes, bytes]) -> list[OffsetFetchResponseTopics]:
    by_name: dict[str, OffsetFetchResponseTopics] = {}
    for place, value in committed.items():
        name, index = decode_place(place)
        topic = by_name.get(name)
        if topic is None:
            topic = by_name[name] = OffsetFetchResponseTopics(name=name)
        topic.partitions.append(_answer(index, value, ZERO_UUID))
    return list(by_name.values())


def _answer(index: int, value: bytes | None, topic_id: bytes) -> OffsetFetchResponsePartitions:
    if value is not None:
        committed = decode_value(value)
        if committed.topic_id == topic_id or ZERO_UUID in (committed.topic_id, topic_id):
            return OffsetFetchResponsePartitions(
                partition_index=index,
                committed_offset=committed.offset,
                committed_leader_epoch=committed.leader_epoch,
                metadata=committed.metadata,
                error_code=0,
            )
    return OffsetFetchResponsePartitions(partition_index=index, committed_offset=NO_OFFSET, metadata="", error_code=0)
