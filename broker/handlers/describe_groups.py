"""DescribeGroups (key 15), versions 0-6: state and members of classic groups.

Behaviour
- It takes DESCRIBE on each group, which has its own error.

Versions: 3 authorized operations (KIP-430); 4 static members (KIP-345); 5 flexible; 6 GROUP_ID_NOT_FOUND and a message
for a group that does not exist (KIP-1043), before which it is a group in state Dead.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse

from ..core.result import Moment, Result, Ticket
from ..security.acl import AclOperation, ResourceType
from .outstanding import all_then

if TYPE_CHECKING:
    from ..context import RequestContext
    from ..core.groups.shard import GroupShard


def handle(
    ctx: RequestContext, request: DescribeGroupsRequest
) -> DescribeGroupsResponse | asyncio.Future[DescribeGroupsResponse]:
    """Ask each group's coordinator."""

    def answer(groups: list[DescribedGroup]) -> DescribeGroupsResponse:
        if request.include_authorized_operations:
            for group in groups:
                if group.error_code == ErrorCode.NONE:
                    group.authorized_operations = ctx.authorized_operations(ResourceType.GROUP, group.group_id)
        return DescribeGroupsResponse(groups=groups)

    return all_then([_describe(ctx, group_id) for group_id in request.groups], answer)


def _describe(ctx: RequestContext, group_id: str) -> DescribedGroup | asyncio.Future[DescribedGroup]:
    def describe(shard: GroupShard, now: Moment, _: Ticket) -> Result:
        return shard.describe_group(group_id, ctx.api_version)

    refuse = partial(_refuse, group_id)
    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.GROUP, group_id):
        return refuse(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    return ctx.broker.groups.call(group_id, describe, refuse)


def _refuse(group_id: str, error: ErrorCode) -> DescribedGroup:
    return DescribedGroup(error_code=error, group_id=group_id, group_state="", protocol_type="", protocol_data="")
