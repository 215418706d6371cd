"""DescribeGroups (API key 15): state and members of classic groups.

v3: authorized operations (KIP-430). v4: static members (KIP-345). v5: flexible. v6: GROUP_ID_NOT_FOUND and an error
message for a group that does not exist (KIP-1043).
"""

from __future__ import annotations

from ..schema import Message, Struct, array, binary, boolean, int16, int32, string
from .metadata import UNASKED_OPERATIONS


class DescribeGroupsRequest(Message, api_key=15, versions="0-6", flexible="5+"):
    groups: list[str] = array(string)
    include_authorized_operations: bool = boolean("3+", default=False)


class DescribedGroupMember(Struct):
    member_id: str = string()
    group_instance_id: str | None = string("4+", nullable="4+", default=None, ignorable=True)
    client_id: str = string()
    client_host: str = string()
    """As Kafka shows it: `/127.0.0.1`."""
    member_metadata: bytes = binary()
    member_assignment: bytes = binary()


class DescribedGroup(Struct):
    error_code: int = int16()
    error_message: str | None = string("6+", nullable="6+", default=None)
    group_id: str = string()
    group_state: str = string()
    protocol_type: str = string()
    protocol_data: str = string()
    """The name of the protocol that the members agreed on, as `range`."""
    members: list[DescribedGroupMember] = array(DescribedGroupMember)
    authorized_operations: int = int32("3+", default=UNASKED_OPERATIONS)


class DescribeGroupsResponse(Message, api_key=15, versions="0-6", flexible="5+"):
    throttle_time_ms: int = int32("1+", default=0, ignorable=True)
    groups: list[DescribedGroup] = array(DescribedGroup)
