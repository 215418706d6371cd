"""Responses, records and groups as the lines of a scenario's output."""

from __future__ import annotations

from typing import Any

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.records import decode_group, read_group_id
from broker.core.groups.subscription import topics_of
from broker.core.result import CoordinatorRecord
from protocol.codec import decode_versioned
from protocol.consumer_offsets import OffsetCommitKey, OffsetCommitValue
from protocol.errors import ErrorCode
from protocol.messages.delete_groups import DeletableGroupResult
from protocol.messages.describe_groups import DescribedGroup
from protocol.messages.heartbeat import HeartbeatResponse
from protocol.messages.join_group import JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupResponse
from protocol.messages.offset_commit import OffsetCommitResponse
from protocol.messages.offset_delete import OffsetDeleteResponse
from protocol.messages.offset_fetch import OffsetFetchResponseGroup
from protocol.messages.sync_group import SyncGroupResponse


def code_name(code: int) -> str:
    return "ok" if code == 0 else ErrorCode(code).name


def metadata_text(metadata: bytes) -> str:
    """A consumer's topics, or the bytes where they are none's."""
    topics = topics_of([metadata])
    return metadata.hex(" ") if topics is None else ",".join(sorted(topics))


def response_text(response: Any) -> str:
    """What a client learns."""
    match response:
        case JoinGroupResponse():
            return _join_text(response)
        case SyncGroupResponse():
            return code_name(response.error_code) if response.error_code else f"[{response.assignment.decode()}]"
        case HeartbeatResponse():
            return code_name(response.error_code)
        case LeaveGroupResponse():
            if response.error_code:
                return code_name(response.error_code)
            return ", ".join(
                f"{member.member_id or member.group_instance_id or 'nobody'} {code_name(member.error_code)}"
                for member in response.members
            )
        case OffsetCommitResponse() | OffsetDeleteResponse():
            code = getattr(response, "error_code", 0)
            parts = [
                f"{topic.name}-{partition.partition_index} {code_name(partition.error_code)}"
                for topic in response.topics
                for partition in topic.partitions
            ]
            return code_name(code) if code else ", ".join(parts)
        case OffsetFetchResponseGroup():
            parts = [
                f"{topic.name}-{partition.partition_index}={partition.committed_offset}"
                for topic in response.topics
                for partition in topic.partitions
            ]
            return ", ".join(parts) or "nothing"
        case DescribedGroup():
            return _described_text(response)
        case DeletableGroupResult():
            return code_name(response.error_code)
        case list():
            groups = [f"{group.group_id} {group.group_state} ({group.protocol_type or 'simple'})" for group in response]
            return ", ".join(groups) or "no groups"
        case _:
            raise TypeError(type(response))


def _join_text(response: JoinGroupResponse) -> str:
    if response.error_code:
        parts = [code_name(response.error_code)]
        if response.member_id:
            parts.append(f"member id {response.member_id}")
        return ", ".join(parts)
    parts = [f"generation {response.generation_id}", f"{response.protocol_name}", f"member id {response.member_id}"]
    if response.leader != response.member_id:
        parts.append(f"leader {response.leader}")
    if response.skip_assignment:
        parts.append("skips the assignment")
    if response.members:
        members = [f"{member.member_id} ({metadata_text(member.metadata)})" for member in response.members]
        parts.append(f"members {', '.join(members)}")
    return ", ".join(parts)


def _described_text(group: DescribedGroup) -> str:
    parts = [group.group_state]
    if group.error_code:
        parts.append(code_name(group.error_code))
    if group.protocol_type:
        parts.append(group.protocol_type)
    if group.protocol_data:
        parts.append(group.protocol_data)
    for member in group.members:
        instance = f" {member.group_instance_id}" if member.group_instance_id else ""
        subscribed = f" ({metadata_text(member.member_metadata)})" if member.member_metadata else ""
        parts.append(f"{member.member_id}{instance}{subscribed} [{member.member_assignment.decode()}]")
    return ", ".join(parts)


def record_text(record: CoordinatorRecord) -> str:
    """What a record says."""
    if record.key[:2] == b"\x00\x02":
        group_id = read_group_id(record.key)
        assert group_id is not None
        if record.value is None:
            return f"{group_id} deleted"
        group = decode_group(group_id, record.value)
        assert group is not None
        if not group.members:
            return f"{group_id} generation {group.generation}, empty"
        members = [
            f"{member.member_id} [{member.assignment.decode()}]"
            + (" leads" if member.member_id == group.leader else "")
            for member in group.members.values()
        ]
        return f"{group_id} generation {group.generation}, {group.protocol}, {', '.join(members)}"
    key = decode_versioned(OffsetCommitKey, record.key)
    if record.value is None:
        return f"{key.group} {key.topic}-{key.partition} deleted"
    value = decode_versioned(OffsetCommitValue, record.value)
    return f"{key.group} {key.topic}-{key.partition} = {value.offset}"


def group_text(group: ClassicGroup) -> str:
    """What a group is now."""
    parts = [f"{group.group_id}: {group.state.value}", f"generation {group.generation}"]
    if group.protocol is not None:
        parts.append(group.protocol)
    if group.members:
        members = [
            member.member_id
            + (" leads" if member.member_id == group.leader else "")
            + (" joins" if member.awaiting_join is not None else "")
            + (" syncs" if member.awaiting_sync is not None else "")
            for member in group.members.values()
        ]
        parts.append(f"members {', '.join(members)}")
    if group.pending_members:
        parts.append(f"pending {', '.join(sorted(group.pending_members))}")
    return ", ".join(parts)
