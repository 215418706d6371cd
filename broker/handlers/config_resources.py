"""Which right it takes to describe or alter the settings of a resource, and the answers that both kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError

from ..core.controller.configs import ConfigResourceType
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def refusal(
    ctx: RequestContext, operation: AclOperation, resource_type: ConfigResourceType, name: str
) -> KafkaError | None:
    """Return the error of a client that lacks the right, None for one that has it."""
    if resource_type is ConfigResourceType.TOPIC:
        right, code = (ResourceType.TOPIC, name), ErrorCode.TOPIC_AUTHORIZATION_FAILED
    elif resource_type is ConfigResourceType.GROUP:
        right, code = (ResourceType.GROUP, name), ErrorCode.GROUP_AUTHORIZATION_FAILED
    else:
        right, code = (ResourceType.CLUSTER, CLUSTER_NAME), ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    if ctx.authorize(operation, *right):
        return None
    return KafkaError(code, f"{right[0].name.capitalize()} authorization failed.")
