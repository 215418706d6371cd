"""JoinGroup (key 11), versions 0-9: a member of a classic group takes part in the next generation.

Behaviour
- It takes READ on the group.
- The answer waits until all members have joined, or the rebalance timeout is over; broker.core.groups holds the rules.
- An error names the member id that the request came with; MEMBER_ID_REQUIRED the one to come back with.

Versions: 1 rebalance_timeout_ms, which is the session timeout before (KIP-62); 4 MEMBER_ID_REQUIRED (KIP-394); 5 static
members (KIP-345); 6 flexible; 7 protocol_type (KIP-559), and an error has a null protocol_name, an empty one before; 8
reason (KIP-800), not used; 9 skip_assignment (KIP-814).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse

from ..core.groups.caller import Caller
from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType
from .outstanding import then

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard

NULL_PROTOCOL_SINCE = 7


def handle(ctx: RequestContext, request: JoinGroupRequest) -> JoinGroupResponse | asyncio.Future[JoinGroupResponse]:
    """Hand the request to the group's coordinator."""

    def join(shard: GroupShard, now: Moment, ticket: Ticket) -> Result:
        caller = Caller(ticket, ctx.client_id or "", f"/{ctx.client_host}", ctx.api_version)
        return shard.join_group(request, caller, now)

    def refuse(error: ErrorCode) -> JoinGroupResponse:
        return JoinGroupResponse(error_code=error, protocol_name=None, leader="", member_id=request.member_id)

    def name_no_protocol(response: JoinGroupResponse) -> JoinGroupResponse:
        if response.error_code:
            response.protocol_name = None if ctx.api_version >= NULL_PROTOCOL_SINCE else ""
        return response

    if not ctx.authorize(AclOperation.READ, ResourceType.GROUP, request.group_id):
        return name_no_protocol(refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED))
    return then(ctx.broker.groups.call(request.group_id, join, refuse), name_no_protocol)
