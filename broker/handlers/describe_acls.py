"""DescribeAcls (key 29), versions 1-3: the ACLs that a filter matches (KIP-140).

Behaviour
- There is no authorizer that keeps ACLs, so the answer is SECURITY_DISABLED, as that of a Kafka without one.
- It takes DESCRIBE on the cluster.
- A filter with a code that Kafka does not have is not looked at; at code 0, "unknown", Kafka closes the connection.

Versions: 2 flexible; 3 users as resources (KIP-373).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse

from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: DescribeAclsRequest) -> DescribeAclsResponse:
    """Say that there are none to describe."""
    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME):
        return DescribeAclsResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED, error_message=CLUSTER_REFUSAL)
    message = "No Authorizer is configured on the broker"
    return DescribeAclsResponse(error_code=ErrorCode.SECURITY_DISABLED, error_message=message)
