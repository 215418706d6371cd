"""UnregisterBroker (key 64), version 0: forget a broker that is gone for good (KIP-500).

Behaviour
- An id that is not registered is BROKER_ID_NOT_REGISTERED.
- A registered broker is refused with DUPLICATE_BROKER_REGISTRATION, which clients report as "This broker ID is already
  in use". Kafka would forget even a broker that runs, this one included, which leaves its partitions without a leader;
  and the registration holds how often the broker was started, which the leader epochs of its partitions count on.
- It takes ALTER on the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse

from ..security.acl import CLUSTER_NAME, CLUSTER_REFUSAL, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse:
    """Refuse to forget any broker that is known."""
    if not ctx.authorize(AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME):
        return UnregisterBrokerResponse(
            error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED, error_message=CLUSTER_REFUSAL
        )
    broker_id = request.broker_id
    if broker_id not in ctx.broker.images.current.brokers:
        return UnregisterBrokerResponse(
            error_code=ErrorCode.BROKER_ID_NOT_REGISTERED,
            error_message=f"Broker ID {broker_id} is not currently registered",
        )
    return UnregisterBrokerResponse(
        error_code=ErrorCode.DUPLICATE_BROKER_REGISTRATION,
        error_message=f"Broker ID {broker_id} is in use and cannot be unregistered",
    )
