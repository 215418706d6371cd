"""Offsets of a group shard without a broker: requests in few words, and records carried out as the runtime would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_member import ClassicMember
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Result
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from protocol.schema import ZERO_UUID

TopicPartition = tuple[str, int]

START = Moment(1_700_000_000_000, 5_000)


def new_shard(**settings: int) -> GroupShard:
    """A shard without groups whose uuids are numbers."""
    numbers: Iterator[int] = count(1)
    return GroupShard(GroupSettings(**settings), lambda: str(next(numbers)))


def later(now: Moment, ms: int) -> Moment:
    """The moment so many ms later."""
    return Moment(now.wall_ms + ms, now.monotonic_ms + ms)


def carry_out(shard: GroupShard, result: Result) -> Any:
    """Replay the records of a result; return its reply."""
    for key, value in result.records:
        shard.replay(key, value)
    return result.reply


def commit_request(
    group: str,
    offsets: Mapping[TopicPartition, int],
    metadata: str | None = "",
    leader_epoch: int = -1,
    topic_ids: Mapping[str, bytes] | None = None,
    **fields: Any,
) -> OffsetCommitRequest:
    """A commit of offsets by topic and partition; `member` and `generation` are short for the field's names."""
    topics: dict[str, OffsetCommitRequestTopic] = {}
    for (name, index), offset in offsets.items():
        if name not in topics:
            topics[name] = OffsetCommitRequestTopic(name=name, topic_id=(topic_ids or {}).get(name, ZERO_UUID))
        topics[name].partitions.append(
            OffsetCommitRequestPartition(
                partition_index=index,
                committed_offset=offset,
                committed_leader_epoch=leader_epoch,
                committed_metadata=metadata,
            )
        )
    return OffsetCommitRequest(
        group_id=group,
        member_id=fields.pop("member", ""),
        generation_id_or_member_epoch=fields.pop("generation", -1),
        topics=list(topics.values()),
        **fields,
    )


def commit(
    shard: GroupShard,
    group: str,
    offsets: Mapping[TopicPartition, int],
    now: Moment = START,
    api_version: int = 9,
    **fields: Any,
) -> dict[TopicPartition, int]:
    """Commit offsets and return the error codes."""
    response = carry_out(shard, shard.commit_offsets(commit_request(group, offsets, **fields), api_version, now))
    return {
        (topic.name, partition.partition_index): partition.error_code
        for topic in response.topics
        for partition in topic.partitions
    }


def fetch(
    shard: GroupShard, group: str, partitions: Mapping[str, list[int]] | None = None, topic_id: bytes = ZERO_UUID
) -> dict[TopicPartition, tuple[int, int, str | None]]:
    """Fetch offset, leader epoch and metadata of these partitions, or of all that the group has."""
    topics = None
    if partitions is not None:
        topics = [
            OffsetFetchRequestTopics(name=name, topic_id=topic_id, partition_indexes=indexes)
            for name, indexes in partitions.items()
        ]
    result = shard.fetch_offsets(OffsetFetchRequestGroup(group_id=group, topics=topics), START)
    assert not result.records
    assert result.reply.group_id == group
    assert result.reply.error_code == 0
    fetched = {}
    for topic in result.reply.topics:
        for partition in topic.partitions:
            assert partition.error_code == 0
            value = (partition.committed_offset, partition.committed_leader_epoch, partition.metadata)
            fetched[topic.name, partition.partition_index] = value
    return fetched


def committed(shard: GroupShard, group: str) -> dict[TopicPartition, int]:
    """All offsets of a group."""
    return {partition: offset for partition, (offset, _, _) in fetch(shard, group).items()}


def subscription(*topics: str) -> bytes:
    """What a consumer of these topics says of itself when it joins, in version 0."""
    encoded = [len(topic.encode()).to_bytes(2) + topic.encode() for topic in topics]
    return b"\x00\x00" + len(topics).to_bytes(4) + b"".join(encoded) + b"\xff\xff\xff\xff"


def add_group(
    shard: GroupShard,
    group: str,
    state: ClassicGroupState = ClassicGroupState.STABLE,
    protocol_type: str = "consumer",
    metadata: bytes = b"",
    generation: int = 3,
    instance_id: str | None = None,
) -> ClassicMember:
    """Let a group live that has one member, `m`, and return that."""
    member = ClassicMember("m", instance_id, "client", "/127.0.0.1", 10_000, 30_000, {"range": metadata}, b"assigned")
    member.session_deadline_ms = START.monotonic_ms + member.session_timeout_ms
    live = ClassicGroup(group, START.wall_ms)
    live.restore(generation, protocol_type, "range", "m", [member])
    live.state = state
    shard.groups.keep(live)
    return member
