"""DeleteGroups (key 42), versions 0-2: forget groups that have no members, and their offsets (KIP-229).

Behaviour
- It takes DELETE on each group, which has its own error; one that is named twice is answered once.

Versions: 2 flexible.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse

from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType
from .outstanding import all_then

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard


def handle(
    ctx: RequestContext, request: DeleteGroupsRequest
) -> DeleteGroupsResponse | asyncio.Future[DeleteGroupsResponse]:
    """Have each group's coordinator delete it."""
    results = [_delete(ctx, group_id) for group_id in dict.fromkeys(request.groups_names)]
    return all_then(results, lambda results: DeleteGroupsResponse(results=results))


def _delete(ctx: RequestContext, group_id: str) -> DeletableGroupResult | asyncio.Future[DeletableGroupResult]:
    def delete(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.delete_group(group_id)

    refuse = partial(_refuse, group_id)
    if not ctx.authorize(AclOperation.DELETE, ResourceType.GROUP, group_id):
        return refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    return ctx.broker.groups.call(group_id, delete, refuse)


def _refuse(group_id: str, error: ErrorCode) -> DeletableGroupResult:
    return DeletableGroupResult(group_id=group_id, error_code=error)
