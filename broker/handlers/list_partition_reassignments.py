"""ListPartitionReassignments (key 46), version 0: the partitions whose replicas are being moved (KIP-455).

Behaviour
- Of every partition that is asked for, known or not, nothing is listed: a reassignment is in force at once or refused
  (broker.core.controller.reassignment), so that none is ever in progress.
- It takes DESCRIBE on the cluster, else CLUSTER_AUTHORIZATION_FAILED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)

from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse:
    """Answer that there are none."""
    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME):
        code, message = ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_REFUSAL
        return ListPartitionReassignmentsResponse(error_code=code, error_message=message)
    return ListPartitionReassignmentsResponse(error_code=ErrorCode.NONE, error_message=None)
