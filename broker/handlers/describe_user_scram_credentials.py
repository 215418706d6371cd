"""DescribeUserScramCredentials (key 50), version 0: which SCRAM credentials users have (KIP-554).

Behaviour
- Nobody has any: there are none to list, and a user who is named is RESOURCE_NOT_FOUND, or DUPLICATE_RESOURCE where he
  is named twice.
- It takes DESCRIBE on the cluster, else CLUSTER_AUTHORIZATION_FAILED for all and for each. A Kafka never answers who
  asks so for all users.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)

from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: DescribeUserScramCredentialsRequest) -> DescribeUserScramCredentialsResponse:
    """Answer for each user who is named."""
    named = Counter(user.name for user in request.users or ())
    if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME):
        code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        results = [DescribeUserScramCredentialsResult(user=user, error_code=code, error_message=None) for user in named]
        return DescribeUserScramCredentialsResponse(error_code=code, error_message=None, results=results)
    results = [_missing(user) if times == 1 else _duplicate(user) for user, times in named.items()]
    return DescribeUserScramCredentialsResponse(error_code=ErrorCode.NONE, error_message="", results=results)


def _missing(user: str) -> DescribeUserScramCredentialsResult:
    message = f"Attempt to describe a user credential that does not exist: {user}"
    return DescribeUserScramCredentialsResult(user=user, error_code=ErrorCode.RESOURCE_NOT_FOUND, error_message=message)


def _duplicate(user: str) -> DescribeUserScramCredentialsResult:
    message = f"Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
    return DescribeUserScramCredentialsResult(user=user, error_code=ErrorCode.DUPLICATE_RESOURCE, error_message=message)
