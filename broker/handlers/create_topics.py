"""CreateTopics (key 19), versions 2-7: make topics, or with validate_only say what would come of it (KIP-4).

Behaviour
- Each topic has its own error; broker.core.controller.topic_creation holds the rules.
- The answer shows what was set on the topic as it came. For all else it shows what holds, where Kafka quotes what was
  set on brokers, too.
- It takes CREATE on the cluster or on the topic, else TOPIC_AUTHORIZATION_FAILED.
- The answer comes when the topics can be used. After timeout_ms every topic is answered with REQUEST_TIMED_OUT, though
  it may be made later; with 0 or less nothing is begun, as in Kafka.

Versions: 4 -1 partitions or replicas for the broker's defaults (KIP-464), which a real broker takes before, too; 5
flexible, and the answer shows partitions, replicas and all effective settings (KIP-525), or in topic_config_error_code
that the client lacks DESCRIBE_CONFIGS on the topic; 6 THROTTLING_QUOTA_EXCEEDED (KIP-599), never answered here; 7 topic
ids (KIP-516).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from protocol.codec import encoder
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

from ..config_entries import topic_entries
from ..core.controller.topic_creation import CreationResults, NewTopic
from ..metadata.records import TopicRecord
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext


def handle(ctx: RequestContext, request: CreateTopicsRequest) -> asyncio.Future[CreateTopicsResponse]:
    """Create the topics and answer once they are published."""
    return ctx.broker.run(_create(ctx, request))


async def _create(ctx: RequestContext, request: CreateTopicsRequest) -> CreateTopicsResponse:
    may_create_all = ctx.authorize(AclOperation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME)
    results: CreationResults
    try:
        results = await ctx.broker.topics.create(
            [_new_topic(topic) for topic in request.topics],
            may_create=lambda name: may_create_all or ctx.authorize(AclOperation.CREATE, ResourceType.TOPIC, name),
            timeout_ms=request.timeout_ms,
            validate_only=request.validate_only,
        )
    except KafkaError as error:
        results = dict.fromkeys((topic.name for topic in request.topics), error)
    configs = _EffectiveConfigs(ctx)
    return CreateTopicsResponse(
        topics=[
            CreatableTopicResult(name=name, error_code=result.code, error_message=result.message)
            if isinstance(result, KafkaError)
            else _created(ctx, name, result, configs)
            for name, result in results.items()
        ]
    )


def _new_topic(topic: CreatableTopic) -> NewTopic:
    return NewTopic(
        topic.name,
        topic.num_partitions,
        topic.replication_factor,
        [(assignment.partition_index, assignment.broker_ids) for assignment in topic.assignments],
        [(config.name, config.value) for config in topic.configs],
    )


def _created(ctx: RequestContext, name: str, record: TopicRecord, configs: _EffectiveConfigs) -> CreatableTopicResult:
    result = CreatableTopicResult(name=name, topic_id=record.topic_id, error_code=ErrorCode.NONE, error_message=None)
    if ctx.api_version < 5:
        return result
    if ctx.authorize(AclOperation.DESCRIBE_CONFIGS, ResourceType.TOPIC, name):
        result.num_partitions = len(record.assignment)
        result.replication_factor = len(record.assignment[0])
        result.configs = configs.of(record)
    else:
        result.topic_config_error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    return result


class _EffectiveConfigs:
    """The settings of a request's topics; topics with the same overrides share one list, encoded once."""

    def __init__(self, ctx: RequestContext) -> None:
        self._config = ctx.broker.config
        self._version = ctx.api_version
        self._lists: dict[tuple[tuple[str, str], ...], list[CreatableTopicConfigs | bytes]] = {}

    def of(self, record: TopicRecord) -> list[CreatableTopicConfigs | bytes]:
        key = tuple(record.configs.items())
        if key not in self._lists:
            self._lists[key] = self._encoded(record)
        return self._lists[key]

    def _encoded(self, record: TopicRecord) -> list[CreatableTopicConfigs | bytes]:
        parts: list[Any] = []
        encode = encoder(CreatableTopicConfigs, self._version)
        for entry in topic_entries(record.configs, self._config):
            config = CreatableTopicConfigs(
                name=entry.name,
                # What was set stands here as it came, as in Kafka; DescribeConfigs shows what it means.
                value=record.configs.get(entry.name, entry.value),
                read_only=entry.read_only,
                config_source=entry.source,
                is_sensitive=entry.sensitive,
            )
            encode(config, parts)
        return parts
