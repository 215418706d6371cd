"""InitProducerId (key 22), versions 0-5: the id with which an idempotent producer numbers its batches (KIP-98).

Behaviour
- Without a transactional id everybody gets a new id with epoch 0, whatever id and epoch the client had before. One of
  the two without the other is an INVALID_REQUEST.
- It takes IDEMPOTENT_WRITE on the cluster or WRITE on any topic (KIP-679), else CLUSTER_AUTHORIZATION_FAILED.
- While no new block of ids can be reserved, COORDINATOR_LOAD_IN_PROGRESS, as in Kafka: the client tries again.

Versions: 2 flexible; 3 the id and epoch that the client had (KIP-360); 4 and 5 errors of transactions (KIP-588,
KIP-890).

Omitted: transactions. A transactional id is answered with UNSUPPORTED_VERSION, after the checks that Kafka makes first:
WRITE on it (TRANSACTIONAL_ID_AUTHORIZATION_FAILED), and that it is not empty (INVALID_REQUEST).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode
from protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

from ..bad_requests import client_in_words
from ..config_follower import printable
from ..metadata.store import StoreError
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

logger = logging.getLogger(__name__)


def handle(
    ctx: RequestContext, request: InitProducerIdRequest
) -> InitProducerIdResponse | asyncio.Future[InitProducerIdResponse]:
    """Give out the next producer id; only once in a block of a thousand that takes a write to the store."""
    error = _check(ctx, request)
    if error is not ErrorCode.NONE:
        return _refusal(error)
    producer_id = ctx.broker.producer_ids.try_next()
    if producer_id is None:
        return ctx.broker.run(_await_producer_id(ctx))
    return _accept(producer_id)


def _check(ctx: RequestContext, request: InitProducerIdRequest) -> ErrorCode:
    if request.transactional_id is not None:
        if not ctx.authorize(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, request.transactional_id):
            return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    elif not ctx.authorize(
        AclOperation.IDEMPOTENT_WRITE, ResourceType.CLUSTER, CLUSTER_NAME
    ) and not ctx.broker.authorizer.authorize_by_resource_type(
        ctx.principal, ctx.client_host, AclOperation.WRITE, ResourceType.TOPIC
    ):
        return ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    if (request.producer_id == -1) != (request.producer_epoch == -1) or request.transactional_id == "":
        return ErrorCode.INVALID_REQUEST
    if request.transactional_id is None:
        return ErrorCode.NONE
    ctx.broker.server.bad_clients.warning(
        "[producer-ids] %s asks for transactions (transactional.id=%s), which are not served yet.",
        client_in_words(ctx.client_id),
        printable(request.transactional_id),
    )
    return ErrorCode.UNSUPPORTED_VERSION


async def _await_producer_id(ctx: RequestContext) -> InitProducerIdResponse:
    try:
        return _accept(await ctx.broker.producer_ids.next())
    except StoreError as error:
        logger.error("[producer-ids] No block of ids can be reserved: %s", error)
        return _refusal(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)  # as Kafka: the client tries again


def _accept(producer_id: int) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=ErrorCode.NONE, producer_id=producer_id, producer_epoch=0)


def _refusal(error: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error, producer_id=-1, producer_epoch=-1)
