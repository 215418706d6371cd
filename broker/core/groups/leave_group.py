"""LeaveGroup: members leave, or an administrator removes static ones by their instance ids (KIP-345)."""

from __future__ import annotations

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse

from ..result import Moment, Result
from . import rebalance
from .classic_group import ClassicGroup
from .classic_state import ClassicGroupState
from .groups import Groups


def leave_group(groups: Groups, request: LeaveGroupRequest, now: Moment) -> Result:
    """Remove the members that are listed, as of v3, and answer for each; raises KafkaError(INVALID_GROUP_ID)."""
    if not request.group_id:
        raise KafkaError(ErrorCode.INVALID_GROUP_ID)
    result = Result()
    group = groups.live.get(request.group_id)
    if group is None:
        codes = [ErrorCode.UNKNOWN_MEMBER_ID] * len(request.members)
    else:
        codes = [_remove(group, identity, result) for identity in request.members]
        if ErrorCode.NONE in codes:
            _go_on_without(groups, group, now, result, _reason(request, codes))
    responses = [
        MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id, error_code=code)
        for identity, code in zip(request.members, codes, strict=True)
    ]
    result.reply = LeaveGroupResponse(error_code=ErrorCode.NONE, members=responses)
    return result


def _remove(group: ClassicGroup, identity: MemberIdentity, result: Result) -> ErrorCode:
    member_id, instance_id = identity.member_id, identity.group_instance_id
    if member_id in group.pending_members:
        rebalance.remove_pending_member(group, member_id, result)
        return ErrorCode.NONE
    if not member_id and instance_id is not None:
        member_id = group.static_members.get(instance_id, "")
    try:
        member = group.validate_member(member_id, instance_id)
    except KafkaError as error:
        return error.code
    rebalance.remove_member(group, member, result)
    return ErrorCode.NONE


def _reason(request: LeaveGroupRequest, codes: list[ErrorCode]) -> str:
    """Who leaves, and why if its client says so (KIP-800); the first stands for many."""
    left = [identity for identity, code in zip(request.members, codes, strict=True) if code is ErrorCode.NONE]
    first = left[0]
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    why = f" ({first.reason})" if first.reason else ""
    return f"{first.member_id or first.group_instance_id}{more} left{why}"


def _go_on_without(groups: Groups, group: ClassicGroup, now: Moment, result: Result, reason: str) -> None:
    if group.state is ClassicGroupState.EMPTY:
        groups.release(group)  # only pending members have left
        return
    rebalance.prepare_or_complete(groups, group, now, result, reason)
    take_back = result.on_refused
    if take_back is not None:

        def on_refused(code: ErrorCode) -> Result:
            instead = take_back(code)
            instead.reply = LeaveGroupResponse(error_code=code)
            return instead

        result.on_refused = on_refused
