"""CreateAcls (key 30), versions 1-3: grant or deny rights (KIP-140).

Behaviour
- There is no authorizer that keeps ACLs, so each of them is refused with SECURITY_DISABLED, as by a Kafka without one.
- It takes ALTER on the cluster, else CLUSTER_AUTHORIZATION_FAILED for each.
- What an ACL says is not looked at; at a code 0, "unknown", Kafka closes the connection.

Versions: 2 flexible; 3 users as resources (KIP-373).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse

from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: CreateAclsRequest) -> CreateAclsResponse:
    """Refuse each of them."""
    if ctx.authorize(AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME):
        code, message = ErrorCode.SECURITY_DISABLED, "No Authorizer is configured."
    else:
        code, message = ErrorCode.CLUSTER_AUTHORIZATION_FAILED, CLUSTER_REFUSAL
    return CreateAclsResponse(
        results=[AclCreationResult(error_code=code, error_message=message) for _ in request.creations]
    )
