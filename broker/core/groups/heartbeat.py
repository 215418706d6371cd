"""Heartbeat: a member says that it lives, and learns whether it has to join again."""

from __future__ import annotations

from protocol.errors import ErrorCode
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse

from ..result import Moment, Result
from .classic_state import ClassicGroupState
from .groups import Groups
from .sessions import extend_session


def heartbeat(groups: Groups, request: HeartbeatRequest, now: Moment) -> Result:
    """Extend the member's session.

    Raises KafkaError: INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION.
    """
    group, member = groups.find_member(request)
    is_preparing = group.state is ClassicGroupState.PREPARING_REBALANCE
    result = Result(HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS if is_preparing else ErrorCode.NONE))
    extend_session(group, member, now, result)
    return result
