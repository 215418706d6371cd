"""DeleteAcls (key 31), versions 1-3: take back the rights that filters match (KIP-140).

Behaviour
- There is no authorizer that keeps ACLs, so each filter is answered with SECURITY_DISABLED, as by a Kafka without one.
- It takes ALTER on the cluster, else CLUSTER_AUTHORIZATION_FAILED for each.
- A filter is not looked at; at a code 0, "unknown", Kafka closes the connection.

Versions: 2 flexible; 3 users as resources (KIP-373).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse

from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: DeleteAclsRequest) -> DeleteAclsResponse:
    """Refuse each of them."""
    if ctx.authorize(AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME):
        code, message = ErrorCode.SECURITY_DISABLED, "No Authorizer is configured."
    else:
        code, message = ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_REFUSAL
    return DeleteAclsResponse(
        filter_results=[DeleteAclsFilterResult(error_code=code, error_message=message) for _ in request.filters]
    )
