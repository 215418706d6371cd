"""FindCoordinator (key 10), versions 0-6: the broker that coordinates a group.

Behaviour
- A group's coordinator leads the partition of `__consumer_offsets` that the group belongs to. The first group that
  anybody asks for makes that topic; whoever asks meanwhile waits with them, and nobody else does.
- It takes DESCRIBE on the group or on the transactional id, each key has its own error.
- COORDINATOR_NOT_AVAILABLE where nobody leads the partition, or this listener cannot say where to find who does.
- A key type that there is not is an INVALID_REQUEST.

Versions: 1 key types (KIP-98); 3 flexible; 4 several keys (KIP-699); 6 share groups (KIP-932).

Omitted: transactions and share groups. A transactional id is coordinated by this broker, which then refuses its
InitProducerId with UNSUPPORTED_VERSION. That is what the client's user is told, at once or, by librdkafka, when the
time of its init_transactions is over; an error here librdkafka would try again without ever showing it. Share groups
are answered as by a Kafka that has them turned off: INVALID_REQUEST, after CLUSTER_ACTION.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import IntEnum
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

from ..metadata.image import GROUPS_TOPIC
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

SEVERAL_KEYS_SINCE = 4
_MESSAGE_OF_SUCCESS = "NONE"  # of a single key, as Kafka has it; among several it is empty
SHARE_GROUPS_SINCE = 6


class KeyType(IntEnum):
    """What a key is the name of."""

    GROUP = 0
    TRANSACTION = 1
    SHARE = 2


def handle(
    ctx: RequestContext, request: FindCoordinatorRequest
) -> FindCoordinatorResponse | asyncio.Future[FindCoordinatorResponse]:
    """Answer from the current image, once it has the topic that groups need."""
    keys = request.coordinator_keys if ctx.api_version >= SEVERAL_KEYS_SINCE else [request.key]
    lacks_topic = request.key_type == KeyType.GROUP and GROUPS_TOPIC not in ctx.broker.images.current.topics
    if lacks_topic and any(ctx.authorize(AclOperation.DESCRIBE, ResourceType.GROUP, key) for key in keys):
        return ctx.broker.run(_make_topic_and_answer(ctx, request.key_type, keys))
    return _answer(ctx, request.key_type, keys)


async def _make_topic_and_answer(ctx: RequestContext, key_type: int, keys: list[str]) -> FindCoordinatorResponse:
    with contextlib.suppress(KafkaError):  # it has been logged, and without the topic no group has a coordinator
        await ctx.broker.groups.ensure_topic()
    return _answer(ctx, key_type, keys)


def _answer(ctx: RequestContext, key_type: int, keys: list[str]) -> FindCoordinatorResponse:
    coordinators = [_find(ctx, key_type, key) for key in keys]
    if ctx.api_version >= SEVERAL_KEYS_SINCE:
        return FindCoordinatorResponse(coordinators=coordinators)
    [found] = coordinators
    return FindCoordinatorResponse(
        error_code=found.error_code,
        error_message=_MESSAGE_OF_SUCCESS if found.error_code == ErrorCode.NONE else found.error_message,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )


def _find(ctx: RequestContext, key_type: int, key: str) -> Coordinator:
    try:
        node_id = _node_of(ctx, key_type, key)
        address = ctx.advertised(node_id)
        if address is None:
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, "The coordinator cannot be reached by this listener.")
    except KafkaError as error:
        return Coordinator(
            key=key, node_id=-1, host="", port=-1, error_code=error.code, error_message=error.message or None
        )
    host, port = address
    return Coordinator(key=key, node_id=node_id, host=host, port=port, error_code=ErrorCode.NONE, error_message="")


def _node_of(ctx: RequestContext, key_type: int, key: str) -> int:
    """The node id of the key's coordinator; raises KafkaError."""
    if key_type == KeyType.GROUP:
        if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.GROUP, key):
            raise KafkaError(ErrorCode.GROUP_AUTHORIZATION_FAILED)
        topic = ctx.broker.images.current.topics.get(GROUPS_TOPIC)
        if topic is None:
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, f"{GROUPS_TOPIC} is not there.")
        return topic.partitions[ctx.broker.groups.partition_of(key)].leader
    if key_type == KeyType.TRANSACTION:
        if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.TRANSACTIONAL_ID, key):
            raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        return ctx.broker.node_id
    if key_type == KeyType.SHARE and ctx.api_version >= SHARE_GROUPS_SINCE:
        if not ctx.authorize(AclOperation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME):
            raise KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Share groups are not served.")
    raise KafkaError(ErrorCode.INVALID_REQUEST, f"{key_type} is no type of key in version {ctx.api_version}.")
