"""OffsetDelete: forget a group's offsets of partitions that none of its members reads (KIP-496)."""

from __future__ import annotations

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

from ..result import CoordinatorRecord, Result
from .classic_group import CONSUMER_PROTOCOL_TYPE, ClassicGroup
from .classic_state import ClassicGroupState
from .groups import Groups
from .offset_store import OffsetStore, encode_place, key_prefix


def delete_offsets(groups: Groups, offsets: OffsetStore, request: OffsetDeleteRequest) -> Result:
    """Delete the offsets of the partitions in the request; those that there are none of are deleted, too.

    Raises KafkaError: INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. A topic that the group is subscribed to
    is refused for itself.
    """
    group = _validate(groups, request.group_id)
    encoded_id = request.group_id.encode()
    prefix = key_prefix(encoded_id)
    committed = offsets.of_group(encoded_id) or {}
    records = []
    response = OffsetDeleteResponse(error_code=ErrorCode.NONE)
    for topic in request.topics:
        answer = OffsetDeleteResponseTopic(name=topic.name)
        response.topics.append(answer)
        code = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if _is_subscribed(group, topic.name) else ErrorCode.NONE
        for partition in topic.partitions:
            index = partition.partition_index
            answer.partitions.append(OffsetDeleteResponsePartition(partition_index=index, error_code=code))
            place = encode_place(topic.name, index)
            if code is ErrorCode.NONE and place in committed:
                records.append(CoordinatorRecord(prefix + place, None))
    return Result(response, records)


def _validate(groups: Groups, group_id: str) -> ClassicGroup:
    if not group_id:
        raise KafkaError(ErrorCode.INVALID_GROUP_ID)
    group = groups.find(group_id)
    if group is None:
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND)
    # What members of other protocol types are subscribed to is not known.
    if group.state is not ClassicGroupState.EMPTY and group.protocol_type != CONSUMER_PROTOCOL_TYPE:
        raise KafkaError(ErrorCode.NON_EMPTY_GROUP)
    return group


def _is_subscribed(group: ClassicGroup, topic: str) -> bool:
    """Whether a member may read the topic; consumers whose subscription is not known may read any."""
    topics = group.subscribed_topics()
    return group.protocol_type == CONSUMER_PROTOCOL_TYPE if topics is None else topic in topics
