"""DescribeGroups: state and members of classic groups.

v6 answers GROUP_ID_NOT_FOUND for a group that does not exist (KIP-1043); before, such a group is called dead.
"""

from __future__ import annotations

from protocol.errors import ErrorCode
from protocol.messages.describe_groups import DescribedGroup, DescribedGroupMember

from ..result import Result
from .classic_member import ClassicMember
from .classic_state import ClassicGroupState
from .groups import Groups


def describe_group(groups: Groups, group_id: str, api_version: int) -> Result:
    """Describe one group. Its protocol, and what its members said of themselves, it shows only while it is stable."""
    group = groups.find(group_id)
    if group is None:
        return Result(_describe_missing(group_id, api_version))
    protocol = group.protocol if group.state is ClassicGroupState.STABLE else None
    return Result(
        DescribedGroup(
            error_code=ErrorCode.NONE,
            group_id=group_id,
            group_state=group.state.value,
            protocol_type=group.protocol_type or "",
            protocol_data=protocol or "",
            members=[_describe_member(member, protocol) for member in group.members.values()],
        )
    )


def _describe_missing(group_id: str, api_version: int) -> DescribedGroup:
    has_error = api_version >= 6
    return DescribedGroup(
        error_code=ErrorCode.GROUP_ID_NOT_FOUND if has_error else ErrorCode.NONE,
        error_message=f"Group {group_id} not found." if has_error else None,
        group_id=group_id,
        group_state=ClassicGroupState.DEAD.value,
        protocol_type="",
        protocol_data="",
    )


def _describe_member(member: ClassicMember, protocol: str | None) -> DescribedGroupMember:
    return DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=b"" if protocol is None else member.protocols[protocol],
        member_assignment=member.assignment,
    )
