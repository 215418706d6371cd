"""LeaveGroup (key 13), versions 0-5: members leave a classic group.

Behaviour
- It takes READ on the group.
- Each member has its own error: UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID where another has taken its place. Those that
  are left rebalance.

Versions: 3 several members, static ones by their instance id (KIP-345), before which the one member's error is that of
the answer; 4 flexible; 5 the reason (KIP-800), which the log tells.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity

from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType
from .outstanding import then

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard


def handle(ctx: RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse | asyncio.Future[LeaveGroupResponse]:
    """Hand the request to the group's coordinator."""

    def leave(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.leave_group(request, now)

    if not ctx.authorize(AclOperation.READ, ResourceType.GROUP, request.group_id):
        return _refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    if ctx.api_version >= 3:
        return ctx.broker.groups.call(request.group_id, leave, _refuse)
    request.members = [MemberIdentity(member_id=request.member_id)]
    return then(ctx.broker.groups.call(request.group_id, leave, _refuse), _of_one_member)


def _refuse(error: ErrorCode) -> LeaveGroupResponse:
    return LeaveGroupResponse(error_code=error)


def _of_one_member(response: LeaveGroupResponse) -> LeaveGroupResponse:
    codes = [response.error_code, *(member.error_code for member in response.members)]
    return LeaveGroupResponse(error_code=next((code for code in codes if code), ErrorCode.NONE))
