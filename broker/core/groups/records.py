"""The record of a classic group: its last generation, written when the group has agreed on it or has become empty."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.codec import decode_versioned
from protocol.consumer_offsets import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    encode_group_metadata_key,
    encode_group_metadata_value,
)
from protocol.errors import MalformedFrame

from ..result import CoordinatorRecord
from .classic_group import ClassicGroup
from .classic_member import ClassicMember


def encode_group(group: ClassicGroup, assignments: Mapping[str, bytes]) -> CoordinatorRecord:
    """The record of the group with these assignments by member id; a member without one has an empty one."""
    members = [
        MemberMetadata(
            member_id=member.member_id,
            group_instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            rebalance_timeout=member.rebalance_timeout_ms,
            session_timeout=member.session_timeout_ms,
            subscription=member.protocols[group.protocol or ""],
            assignment=assignments.get(member.member_id, b""),
        )
        for member in group.members.values()
    ]
    value = GroupMetadataValue(
        protocol_type=group.protocol_type or "",
        generation=group.generation,
        protocol=group.protocol,
        leader=group.leader,
        current_state_timestamp=group.state_timestamp_ms,
        members=members,
    )
    return CoordinatorRecord(_key(group.group_id), encode_group_metadata_value(value))


def encode_new_group(group: ClassicGroup) -> CoordinatorRecord:
    """The record that says no more than that there is such a group."""
    return encode_group(ClassicGroup(group.group_id, group.state_timestamp_ms), {})


def encode_tombstone(group_id: str) -> CoordinatorRecord:
    """The record by which the group ends."""
    return CoordinatorRecord(_key(group_id), None)


def decode_group(group_id: str, value: bytes) -> ClassicGroup | None:
    """The group that a record tells of; None if it cannot be read."""
    try:
        decoded = decode_versioned(GroupMetadataValue, value)
    except MalformedFrame:
        return None
    members = [
        ClassicMember(
            member.member_id,
            member.group_instance_id,
            member.client_id,
            member.client_host,
            member.session_timeout,
            member.session_timeout if member.rebalance_timeout == -1 else member.rebalance_timeout,
            {decoded.protocol or "": member.subscription},
            member.assignment,
        )
        for member in decoded.members
    ]
    group = ClassicGroup(group_id, decoded.current_state_timestamp)
    group.restore(decoded.generation, decoded.protocol_type, decoded.protocol, decoded.leader, members)
    return group


def read_group_id(key: bytes) -> str | None:
    """The group that a record's key is of; None if it cannot be read."""
    try:
        return decode_versioned(GroupMetadataKey, key).group
    except MalformedFrame:
        return None


def _key(group_id: str) -> bytes:
    return encode_group_metadata_key(GroupMetadataKey(group=group_id))
