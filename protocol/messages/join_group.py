"""JoinGroup (API key 11): a member of a classic group takes part in the next generation.

v1: rebalance_timeout_ms (KIP-62). v4: MEMBER_ID_REQUIRED, a new member joins twice (KIP-394). v5: static members
(KIP-345). v6: flexible. v7: the protocol's type and name (KIP-559). v8: the reason for joining (KIP-800). v9:
skip_assignment (KIP-814).
"""

from __future__ import annotations

from ..schema import Message, Struct, array, binary, boolean, int16, int32, string


class JoinGroupRequestProtocol(Struct):
    name: str = string()
    metadata: bytes = binary()


class JoinGroupRequest(Message, api_key=11, versions="0-9", flexible="6+"):
    group_id: str = string()
    session_timeout_ms: int = int32()
    rebalance_timeout_ms: int = int32("1+", default=-1, ignorable=True)
    """How long the others wait for this member to join again; before v1 it is the session timeout."""
    member_id: str = string()
    """Empty for a new member."""
    group_instance_id: str | None = string("5+", nullable="5+", default=None)
    protocol_type: str = string()
    protocols: list[JoinGroupRequestProtocol] = array(JoinGroupRequestProtocol)
    """Those that the member supports, the one it likes best first."""
    reason: str | None = string("8+", nullable="8+", default=None, ignorable=True)


class JoinGroupResponseMember(Struct):
    member_id: str = string()
    group_instance_id: str | None = string("5+", nullable="5+", default=None, ignorable=True)
    metadata: bytes = binary()


class JoinGroupResponse(Message, api_key=11, versions="0-9", flexible="6+"):
    throttle_time_ms: int = int32("2+", default=0, ignorable=True)
    error_code: int = int16()
    generation_id: int = int32(default=-1)
    protocol_type: str | None = string("7+", nullable="7+", default=None, ignorable=True)
    protocol_name: str | None = string(nullable="7+")
    leader: str = string()
    skip_assignment: bool = boolean("9+", default=False)
    """Whether the leader may leave out the assignment: it came back as a static member (KIP-814)."""
    member_id: str = string()
    members: list[JoinGroupResponseMember] = array(JoinGroupResponseMember)
    """For the leader alone, which assigns."""
