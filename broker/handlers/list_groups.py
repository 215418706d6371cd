"""ListGroups (key 16), versions 0-5: the groups that this broker coordinates.

Behaviour
- Who may DESCRIBE the cluster sees all groups, others those that they may DESCRIBE.
- Filters compare without regard to case; a name that there is not lets nothing pass.
- While a partition of the groups' topic is being loaded the answer is COORDINATOR_LOAD_IN_PROGRESS, and no list.

Versions: 3 flexible; 4 states, to show and to filter by (KIP-518); 5 types (KIP-848).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse

from ..core.result import Moment, Result, Ticket
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard


def handle(ctx: RequestContext, request: ListGroupsRequest) -> asyncio.Future[ListGroupsResponse]:
    """Ask all state machines of this broker, in turns with the rest of the loop: there may be many groups."""
    return ctx.broker.run(_list(ctx, request))


async def _list(ctx: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse:
    def list_groups(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.list_groups(request.states_filter, request.types_filter)

    def refuse(error: ErrorCode) -> ErrorCode:
        return error

    sees_all = ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME)
    response = ListGroupsResponse(error_code=ErrorCode.NONE)
    listed: list[ListedGroup] | ErrorCode
    for listed in await ctx.broker.groups.call_each(list_groups, refuse):
        if not isinstance(listed, ErrorCode):
            response.groups += (
                group
                for group in listed
                if sees_all or ctx.authorize(AclOperation.DESCRIBE, ResourceType.GROUP, group.group_id)
            )
        elif listed is not ErrorCode.NOT_COORDINATOR:  # which has moved away: its new broker lists it
            return ListGroupsResponse(error_code=listed)
    return response
