"""OffsetCommit: a group stores how far it has come.

A member of the current generation may commit; and, as long as the group has no members, anybody who names no
generation, which makes a group of offsets alone where there was none.

v2-v4 may say how long the offsets are to be kept (until KIP-211). That is stored in a value of v1, which has no room
for leader epoch and topic id. v9 tells a group that does not exist from a generation that is over.
"""

from __future__ import annotations

from typing import Final

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

from ..result import CoordinatorRecord, Moment, Result
from .classic_state import ClassicGroupState
from .groups import Groups
from .offset_store import NO_EXPIRY, encode_index, encode_value, key_of_topic

NO_RETENTION: Final = -1
_TIMESTAMP_MAX: Final = 0x7FFF_FFFF_FFFF_FFFF


def commit_offsets(groups: Groups, request: OffsetCommitRequest, api_version: int, now: Moment) -> Result:
    """Commit the offsets of all topics of the request, by their names; a commit is a sign of life of its member.

    A topic's id is stored where it is given. Raises KafkaError: GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID,
    FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS. Metadata that is too long is refused for each
    partition alone.
    """
    _admit(groups, request, api_version, now)
    metadata_length_max = groups.settings.offset_metadata_bytes_max
    expire_timestamp = NO_EXPIRY
    if request.retention_time_ms != NO_RETENTION:
        expire_timestamp = min(now.wall_ms + request.retention_time_ms, _TIMESTAMP_MAX)
    records = []
    response = OffsetCommitResponse()
    for topic in request.topics:
        answer = OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id)
        response.topics.append(answer)
        prefix = key_of_topic(request.group_id, topic.name)
        for partition in topic.partitions:
            index = partition.partition_index
            metadata = partition.committed_metadata or ""
            # No character has more than two units: most need not be counted.
            if 2 * len(metadata) > metadata_length_max and _java_length(metadata) > metadata_length_max:
                code = ErrorCode.OFFSET_METADATA_TOO_LARGE
            else:
                code = ErrorCode.NONE
                value = encode_value(
                    partition.committed_offset,
                    partition.committed_leader_epoch,
                    metadata,
                    now.wall_ms,
                    expire_timestamp,
                    topic.topic_id,
                )
                # Made so, it takes a third of the time: one for each offset.
                record: CoordinatorRecord = tuple.__new__(CoordinatorRecord, (prefix + encode_index(index), value))
                records.append(record)
            answer.partitions.append(OffsetCommitResponsePartition(partition_index=index, error_code=code))
    return Result(response, records)


def _admit(groups: Groups, request: OffsetCommitRequest, api_version: int, now: Moment) -> None:
    generation = request.generation_id_or_member_epoch
    group = groups.live.get(request.group_id)
    if group is None:  # then it has no members
        if generation < 0:
            return
        if groups.find(request.group_id) is not None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND if api_version >= 9 else ErrorCode.ILLEGAL_GENERATION)
    if generation < 0 and group.state is ClassicGroupState.EMPTY:
        return
    member = group.validate_member(request.member_id, request.group_instance_id)
    if generation != group.generation:
        raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
    if group.state is ClassicGroupState.COMPLETING_REBALANCE:
        # The member knows its generation from JoinGroup, but not yet what it has been assigned in it.
        raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)
    # The timer that is armed will see it. None is armed here, for the result's timers are lost if its records are.
    member.session_deadline_ms = now.monotonic_ms + member.session_timeout_ms


def _java_length(text: str) -> int:
    """The length of the text in UTF-16 units, which is what Kafka compares with offset.metadata.max.bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
