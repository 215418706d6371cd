"""Groups seen with the raw client: what the broker says of them, and offsets committed from outside."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import kio.serial
from kio.schema.consumer_protocol_assignment.v0.data import ConsumerProtocolAssignment
from kio.schema.errors import ErrorCode

from .wait import wait_until
from .wire import WireClient

TopicPartition = tuple[str, int]

NOT_YET = (
    ErrorCode.coordinator_not_available,
    ErrorCode.coordinator_load_in_progress,
    ErrorCode.not_coordinator,
)
_GROUP = 0
_read_assignment = kio.serial.entity_reader(ConsumerProtocolAssignment)
_VERSION = struct.Struct(">h")


class DescribedMember(NamedTuple):
    """A member as DescribeGroups shows it."""

    member_id: str
    instance_id: str | None
    client_id: str
    assignment: tuple[TopicPartition, ...]
    """In order."""


class DescribedGroup(NamedTuple):
    """A group as DescribeGroups shows it."""

    state: str
    protocol_type: str
    protocol: str
    members: tuple[DescribedMember, ...]
    """In the order of their assignments."""


def ask_coordinator(
    wire: WireClient, api: str, version: int, error_of: Callable[[Any], ErrorCode], **fields: Any
) -> Any:
    """Ask again until the coordinator has loaded the group, and return the answer, whatever it is."""

    def answer() -> Any:
        received = wire.ask(api, version, **fields)
        if error_of(received) not in NOT_YET:
            return received
        # The first of these in a cluster's life has the offsets topic made.
        wire.ask("FindCoordinator", 4, key_type=_GROUP, coordinator_keys=["any"])
        return None

    return wait_until(answer, f"the coordinator answers {api}")


def describe_group(wire: WireClient, group: str) -> DescribedGroup:
    """Ask for a group; one that does not exist has the state "Dead"."""
    answer = ask_coordinator(wire, "DescribeGroups", 5, lambda answer: answer.groups[0].error_code, groups=[group])
    (described,) = answer.groups
    assert described.error_code == 0, described
    members = [
        DescribedMember(
            member.member_id, member.group_instance_id, member.client_id, decode_assignment(member.member_assignment)
        )
        for member in described.members
    ]
    return DescribedGroup(
        described.group_state,
        described.protocol_type,
        described.protocol_data,
        tuple(sorted(members, key=lambda member: (member.assignment, member.member_id))),
    )


def decode_assignment(data: bytes) -> tuple[TopicPartition, ...]:
    """The partitions in what a consumer's leader has assigned; of later versions too, whose additions come last."""
    if not data:
        return ()
    assignment, _ = _read_assignment(data, _VERSION.size)
    return tuple(sorted((topic.topic, index) for topic in assignment.assigned_partitions for index in topic.partitions))


def list_groups(wire: WireClient) -> dict[str, str]:
    """The states of all groups, by their names."""
    answer = ask_coordinator(wire, "ListGroups", 5, lambda answer: answer.error_code)
    assert answer.error_code == 0, answer
    return {group.group_id: group.group_state for group in answer.groups}


def fetch_offsets(wire: WireClient, group: str, topic: str, partitions: Sequence[int]) -> dict[int, tuple[int, str]]:
    """Offset and metadata that a group has committed, by partition; -1 where there is none."""
    topics = [{"name": topic, "partition_indexes": partitions}]
    answer = ask_coordinator(
        wire,
        "OffsetFetch",
        8,
        lambda answer: answer.groups[0].error_code,
        groups=[{"group_id": group, "topics": topics}],
    )
    (fetched,) = answer.groups
    assert fetched.error_code == 0, fetched
    (fetched_topic,) = fetched.topics
    assert all(partition.error_code == 0 for partition in fetched_topic.partitions), fetched_topic
    return {
        partition.partition_index: (partition.committed_offset, partition.metadata or "")
        for partition in fetched_topic.partitions
    }


def committed(wire: WireClient, group: str, topic: str, partitions: int) -> list[int]:
    """The offsets that a group has committed for the first partitions of a topic; -1 where there is none."""
    fetched = fetch_offsets(wire, group, topic, range(partitions))
    return [fetched[index][0] for index in range(partitions)]


def commit(wire: WireClient, group: str, topic: str, offsets: Mapping[int, int], metadata: str = "") -> None:
    """Commit offsets by partition, for a group without members."""
    partitions = [
        {"partition_index": index, "committed_offset": offset, "committed_metadata": metadata}
        for index, offset in offsets.items()
    ]
    answer = ask_coordinator(
        wire,
        "OffsetCommit",
        8,
        lambda answer: answer.topics[0].partitions[0].error_code,
        group_id=group,
        generation_id_or_member_epoch=-1,
        member_id="",
        topics=[{"name": topic, "partitions": partitions}],
    )
    assert all(partition.error_code == 0 for partition in answer.topics[0].partitions), answer
