"""SyncGroup (key 14), versions 0-5: the leader hands in the assignment, and every member is given its part.

Behaviour
- It takes READ on the group.
- The answer waits for the leader's request, whose assignments are written first. A member that has not synced by the
  end of the rebalance timeout is removed.
- UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID, INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS,
  INVALID_GROUP_ID.

Versions: 3 static members (KIP-345); 4 flexible; 5 protocol_type and protocol_name (KIP-559), which must be given then:
else INCONSISTENT_GROUP_PROTOCOL, before anything else is checked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

from ..core.groups.caller import Caller
from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard


def handle(ctx: RequestContext, request: SyncGroupRequest) -> SyncGroupResponse | asyncio.Future[SyncGroupResponse]:
    """Hand the request to the group's coordinator."""

    def sync(shard: GroupShard, now: Moment, ticket: Ticket) -> Result:
        caller = Caller(ticket, ctx.client_id or "", f"/{ctx.client_host}", ctx.api_version)
        return shard.sync_group(request, caller, now)

    if ctx.api_version >= 5 and (request.protocol_type is None or request.protocol_name is None):
        return _refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if not ctx.authorize(AclOperation.READ, ResourceType.GROUP, request.group_id):
        return _refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    return ctx.broker.groups.call(request.group_id, sync, _refuse)


def _refuse(error: ErrorCode) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=error, assignment=b"")
