"""DeleteTopics (key 20), versions 1-6: remove topics and all their records.

Behaviour
- Each topic has its own error; broker.core.controller.topic_deletion holds the rules.
- It takes DELETE on the topic; who may not DESCRIBE it learns nothing of it.
- An internal topic stays: INVALID_TOPIC_EXCEPTION, the code of all that is not done to them (Kafka deletes it).
- delete.topic.enable=false: TOPIC_DELETION_DISABLED, before version 3 INVALID_REQUEST.
- The answer comes when the topics are gone. After timeout_ms every topic is answered with REQUEST_TIMED_OUT, though it
  may be gone later; with 0 or less nothing is begun, as in Kafka.

Versions: 4 flexible; 5 error messages, and THROTTLING_QUOTA_EXCEEDED (KIP-599), never answered here; 6 by name or by id
(KIP-516).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.delete_topics import DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse

from ..core.controller.topic_deletion import TopicReference
from ..security.acl import AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(
    ctx: RequestContext, request: DeleteTopicsRequest
) -> DeleteTopicsResponse | asyncio.Future[DeleteTopicsResponse]:
    """Delete the topics and answer once nobody sees them any more."""
    references = [TopicReference(topic.name, topic.topic_id) for topic in request.topics]
    references += [TopicReference(name) for name in request.topic_names]
    if not ctx.broker.config.bool("delete.topic.enable"):
        code = ErrorCode.INVALID_REQUEST if ctx.api_version < 3 else ErrorCode.TOPIC_DELETION_DISABLED
        return _refusal(references, KafkaError(code, "Topic deletion is disabled."))
    return ctx.broker.run(_delete(ctx, references, request.timeout_ms))


async def _delete(ctx: RequestContext, references: list[TopicReference], timeout_ms: int) -> DeleteTopicsResponse:
    def may(operation: AclOperation, name: str) -> bool:
        return ctx.authorize(operation, ResourceType.TOPIC, name)

    try:
        plan = await ctx.broker.topics.delete(
            references,
            may_describe=partial(may, AclOperation.DESCRIBE),
            may_delete=partial(may, AclOperation.DELETE),
            timeout_ms=timeout_ms,
        )
    except KafkaError as error:
        return _refusal(references, error)
    responses = [
        DeletableTopicResult(name=topic.name, topic_id=topic.topic_id, error_code=ErrorCode.NONE)
        for topic in plan.topics
    ]
    responses += [_refused(name, topic_id, error) for name, topic_id, error in plan.refused]
    return DeleteTopicsResponse(responses=responses)


def _refusal(references: list[TopicReference], error: KafkaError) -> DeleteTopicsResponse:
    return DeleteTopicsResponse(responses=[_refused(name, topic_id, error) for name, topic_id in references])


def _refused(name: str | None, topic_id: bytes, error: KafkaError) -> DeletableTopicResult:
    return DeletableTopicResult(name=name, topic_id=topic_id, error_code=error.code, error_message=error.message)
