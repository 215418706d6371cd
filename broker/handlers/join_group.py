"""JoinGroup (key 11), versions 0-9: a member of a classic group takes part in the next generation.

Behaviour
- It takes READ on the group.
- The answer waits until all members have joined, or the longest rebalance timeout of a member is over. The first
  generation of a group waits for group.initial.rebalance.delay.ms, and again as long as members come.
- A new dynamic member is given an id first; a static one takes the place of its former self, and a stable group whose
  protocol stays goes on without a rebalance. A follower that has not changed learns the present generation at once.
- INVALID_SESSION_TIMEOUT outside group.min.session.timeout.ms and group.max.session.timeout.ms,
  INCONSISTENT_GROUP_PROTOCOL without a protocol that all others support, GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID,
  FENCED_INSTANCE_ID, INVALID_GROUP_ID.
- What members say of themselves is opaque: nobody is refused because of it. With a consumer's subscription
  that cannot be read, a group of Kafka's never gets beyond joining; the answer is UNKNOWN_SERVER_ERROR, or none.
- Between protocols that equally many members like best, the oldest member's; Kafka's choice follows from the hashes
  of their names.
- A protocol that is named twice counts once; in Kafka its group never gets beyond joining.
- After a leader that leaves the oldest member leads; Kafka takes any. A request that is refused makes no group.
- Of a member that asks again while it waits the earlier request gets REBALANCE_IN_PROGRESS; Kafka never answers it.
- An error names the member id that the request came with; MEMBER_ID_REQUIRED the one to come back with.

Versions: 1 rebalance_timeout_ms, which is the session timeout before (KIP-62); 4 MEMBER_ID_REQUIRED (KIP-394); 5 static
members (KIP-345); 6 flexible; 7 protocol_type (KIP-559), and an error has a null protocol_name, an empty one before; 8
the reason (KIP-800), which the log tells; 9 skip_assignment (KIP-814).
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
