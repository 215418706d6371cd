"""Heartbeat (key 12), versions 0-4: a member of a classic group says that it lives.

Behaviour
- It takes READ on the group.
- It keeps the member's session alive. REBALANCE_IN_PROGRESS tells the member to join again.
- UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID, INVALID_GROUP_ID.
- While the group is being loaded all is well: no session ends before it is loaded.

Versions: 3 static members (KIP-345); 4 flexible.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse

from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard


def handle(ctx: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse | asyncio.Future[HeartbeatResponse]:
    """Hand the request to the group's coordinator."""

    def heartbeat(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.heartbeat(request, now)

    if not ctx.authorize(AclOperation.READ, ResourceType.GROUP, request.group_id):
        return HeartbeatResponse(error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    return ctx.broker.groups.call(request.group_id, heartbeat, _refuse)


def _refuse(error: ErrorCode) -> HeartbeatResponse:
    return HeartbeatResponse(error_code=ErrorCode.NONE if error is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS else error)
