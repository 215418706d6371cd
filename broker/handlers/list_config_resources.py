"""ListConfigResources (key 74), versions 0-1: which resources have settings.

Behaviour
- All topics and brokers, and the loggers of all brokers. There are no client metrics and no groups with settings of
  their own, so that version 0 always finds none.
- It takes DESCRIBE_CONFIGS on the cluster.
- A type that does not exist, or has no settings, is UNSUPPORTED_VERSION for the whole.

Versions: 0 client metrics alone (KIP-714); 1 all types, or some (KIP-1142).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

from ..core.controller.configs import ConfigResourceType
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse:
    """Answer from the current image."""
    if not ctx.authorize(AclOperation.DESCRIBE_CONFIGS, ResourceType.CLUSTER, CLUSTER_NAME):
        return _answer(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
    if ctx.api_version == 0:
        return _answer(ErrorCode.NONE)
    asked = set(request.resource_types) or set(ConfigResourceType)
    if not asked <= set(ConfigResourceType):
        return _answer(ErrorCode.UNSUPPORTED_VERSION)
    image = ctx.broker.images.current
    brokers = [str(node_id) for node_id in sorted(image.brokers)]
    names = {
        ConfigResourceType.TOPIC: sorted(image.topics),
        ConfigResourceType.BROKER: brokers,
        ConfigResourceType.BROKER_LOGGER: brokers,
    }
    return _answer(
        ErrorCode.NONE,
        [
            ConfigResource(resource_name=name, resource_type=resource_type)
            for resource_type, listed in names.items()
            if resource_type in asked
            for name in listed
        ],
    )


def _answer(error_code: ErrorCode, resources: list[ConfigResource] | None = None) -> ListConfigResourcesResponse:
    return ListConfigResourcesResponse(throttle_time_ms=0, error_code=error_code, config_resources=resources or [])
