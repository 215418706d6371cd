"""DescribeCluster (key 60), versions 0-2: the brokers, for admin clients (KIP-700).

Behaviour
- The controller is the broker that was asked: every broker takes the requests meant for a controller.
- Everybody may ask, as in Kafka; only the authorized operations need DESCRIBE on the cluster.

Versions: 1 the endpoint type (KIP-919), where controllers are a MISMATCHED_ENDPOINT_TYPE and anything but brokers an
UNSUPPORTED_ENDPOINT_TYPE; 2 fenced brokers on request (KIP-1073), of which there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_BROKERS = 1
_CONTROLLERS = 2


def handle(ctx: RequestContext, request: DescribeClusterRequest) -> DescribeClusterResponse:
    """Describe the brokers that the client's listener reaches."""
    if request.endpoint_type == _CONTROLLERS:
        message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
        return _refusal(ErrorCode.MISMATCHED_ENDPOINT_TYPE, message)
    if request.endpoint_type != _BROKERS:
        return _refusal(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, f"Unsupported endpoint type {request.endpoint_type}")
    image = ctx.broker.images.current
    response = DescribeClusterResponse(
        error_code=ErrorCode.NONE, cluster_id=image.cluster_id, controller_id=ctx.broker.node_id
    )
    for broker in image.brokers.values():
        endpoint = ctx.advertised(broker.node_id)
        if endpoint is not None:
            host, port = endpoint
            response.brokers.append(
                DescribeClusterBroker(broker_id=broker.node_id, host=host, port=port, rack=broker.rack, is_fenced=False)
            )
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = (
            ctx.authorized_operations(ResourceType.CLUSTER, CLUSTER_NAME)
            if ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME)
            else 0
        )
    return response


def _refusal(code: ErrorCode, message: str) -> DescribeClusterResponse:
    return DescribeClusterResponse(error_code=code, error_message=message, cluster_id="")
