"""Metadata (key 3), versions 0-13: the brokers, and where the partitions of topics are led.

Behaviour
- Answered from the current image; what is said of a topic is encoded once (broker.topic_descriptions). All topics are
  asked for by null, in v0 by an empty list, which means none later.
- A topic that is asked for by name and does not exist is created, if auto.create.topics.enable, the request and the
  client's rights (CREATE on the cluster or the topic) allow it. The answer comes when it can be used, with its leader;
  Kafka answers UNKNOWN_TOPIC_OR_PARTITION at first, which costs every client a round of its back-off.
- A name that no topic can have is INVALID_TOPIC_EXCEPTION. Internal topics are made by their coordinators only.
- It takes DESCRIBE on a topic: without it a named one is TOPIC_AUTHORIZATION_FAILED whether it exists or not, and
  "all topics" leaves it out.
- If any topic is given by id all names are passed over, as in Kafka.
- A topic without a name and an id is an INVALID_REQUEST; Kafka answers UNKNOWN_SERVER_ERROR.
- The controller is the broker that was asked: every broker takes the requests meant for a controller.

Versions: 1 controller_id, rack, is_internal; 2 cluster_id (KIP-78); 4 allow_auto_topic_creation; 5 offline_replicas
(KIP-112); 6 LISTENER_NOT_FOUND for a leader that the client's listener does not reach; 7 leader epochs (KIP-320); 8
authorized operations (KIP-430), the cluster's only until 10 (KIP-700); 9 flexible; 10 topic ids in answers, 12 in
requests (KIP-516); 13 an error for the whole, which asks a client to bootstrap again (KIP-1102) and is never set here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponseTopic,
)
from protocol.schema import ZERO_UUID

from ..core.controller.topic_creation import FORBIDDEN_TOPIC, NewTopic
from ..core.controller.topic_names import absence
from ..metadata.image import INTERNAL_TOPICS, TopicImage
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_CREATION_TIMEOUT_MS = 30_000  # Kafka's request.timeout.ms, which bounds its brokers' own requests for creation


def handle(ctx: RequestContext, request: MetadataRequest) -> MetadataResponse | asyncio.Future[MetadataResponse]:
    """Answer from the current image, at once unless a topic must be created."""
    asked = request.topics
    if asked is None or (ctx.api_version == 0 and not asked):
        return _Answer(ctx, request).of_all_topics()
    if not all(_is_legal(ctx, topic) for topic in asked):
        return _refuse(ctx, asked)
    ids = dict.fromkeys(topic.topic_id for topic in asked if topic.topic_id != ZERO_UUID)
    if ids:
        return _Answer(ctx, request).of_ids(ids)
    names = list(dict.fromkeys(topic.name or "" for topic in asked))
    missing = _names_to_create(ctx, request, names)
    if missing:
        return ctx.broker.run(_create_and_respond(ctx, request, names, missing))
    return _Answer(ctx, request).of_names(names, {})


def _is_legal(ctx: RequestContext, topic: MetadataRequestTopic) -> bool:
    if ctx.api_version < 12:  # v10 and v11 have the fields of ids, and may not use them
        return topic.name is not None and topic.topic_id == ZERO_UUID
    return topic.name is not None or topic.topic_id != ZERO_UUID


def _refuse(ctx: RequestContext, asked: Sequence[MetadataRequestTopic]) -> MetadataResponse:
    return MetadataResponse(
        error_code=ErrorCode.INVALID_REQUEST,
        topics=[
            MetadataResponseTopic(error_code=ErrorCode.INVALID_REQUEST, name=topic.name or "", topic_id=topic.topic_id)
            for topic in asked
        ],
    )


# --- creating what is missing --------------------------------------------------------------------------------------


def _names_to_create(ctx: RequestContext, request: MetadataRequest, names: Iterable[str]) -> list[str]:
    topics = ctx.broker.images.current.topics
    missing = [name for name in names if name not in topics]
    if not missing or not request.allow_auto_topic_creation or not ctx.broker.config.bool("auto.create.topics.enable"):
        return []
    return [
        name
        for name in missing
        if name not in INTERNAL_TOPICS
        and name != FORBIDDEN_TOPIC
        and ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, name)
    ]


async def _create_and_respond(
    ctx: RequestContext, request: MetadataRequest, names: Sequence[str], missing: Sequence[str]
) -> MetadataResponse:
    may_create_all = ctx.authorize(AclOperation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME)
    errors: dict[str, ErrorCode] = {}
    try:
        results = await ctx.broker.topics.create(
            [NewTopic(name) for name in missing],
            may_create=lambda name: may_create_all or ctx.authorize(AclOperation.CREATE, ResourceType.TOPIC, name),
            timeout_ms=_CREATION_TIMEOUT_MS,
        )
    except KafkaError:
        pass  # the topics are unknown as yet, and the client will ask again
    else:
        errors = {name: result.code for name, result in results.items() if isinstance(result, KafkaError)}
    return _Answer(ctx, request).of_names(names, errors)


# --- the answer ----------------------------------------------------------------------------------------------------


class _Answer:
    """Tells the client of one request of the image that is the current one now."""

    def __init__(self, ctx: RequestContext, request: MetadataRequest) -> None:
        self._ctx = ctx
        self._request = request
        self._image = ctx.broker.images.current
        self._brokers = [
            MetadataResponseBroker(node_id=broker.node_id, host=endpoint[0], port=endpoint[1], rack=broker.rack)
            for broker in self._image.brokers.values()
            if (endpoint := ctx.advertised(broker.node_id)) is not None
        ]
        reachable = frozenset(broker.node_id for broker in self._brokers)
        self._view = ctx.broker.topic_descriptions.view(self._image, ctx.api_version, reachable)

    def of_all_topics(self) -> MetadataResponse:
        return self._of([self._topic(topic) for topic in self._image.topics.values() if self._may_see(topic.name)])

    def of_ids(self, ids: Iterable[bytes]) -> MetadataResponse:
        topics: list[MetadataResponseTopic | bytes] = []
        for topic_id in ids:
            topic = self._image.topics_by_id.get(topic_id)
            if topic is not None and self._may_see(topic.name):
                topics.append(self._topic(topic))
                continue
            # Who knows the id of a topic that is hidden from it shall not learn the name.
            code = ErrorCode.UNKNOWN_TOPIC_ID if topic is None else ErrorCode.TOPIC_AUTHORIZATION_FAILED
            topics.append(MetadataResponseTopic(error_code=code, name=None, topic_id=topic_id))
        return self._of(topics)

    def of_names(self, names: Iterable[str], creation_errors: Mapping[str, ErrorCode]) -> MetadataResponse:
        topics: list[MetadataResponseTopic | bytes] = []
        for name in names:
            topic = self._image.topics.get(name)
            if not self._may_see(name):
                topics.append(MetadataResponseTopic(error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED, name=name))
            elif topic is not None:
                topics.append(self._topic(topic))
            else:
                code = creation_errors.get(name) or absence(name)
                missing = MetadataResponseTopic(error_code=code, name=name, is_internal=name in INTERNAL_TOPICS)
                topics.append(self._with_operations(missing, name))
        return self._of(topics)

    def _may_see(self, name: str) -> bool:
        return self._ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, name)

    def _topic(self, topic: TopicImage) -> MetadataResponseTopic | bytes:
        if self._request.include_topic_authorized_operations:
            return self._with_operations(self._view.describe(topic), topic.name)
        return self._view.encoded(topic)

    def _with_operations(self, described: MetadataResponseTopic, name: str) -> MetadataResponseTopic:
        if self._request.include_topic_authorized_operations:
            described.topic_authorized_operations = self._ctx.authorized_operations(ResourceType.TOPIC, name)
        return described

    def _of(self, topics: list[MetadataResponseTopic | bytes]) -> MetadataResponse:
        ctx = self._ctx
        response = MetadataResponse(
            brokers=self._brokers, cluster_id=self._image.cluster_id, controller_id=ctx.broker.node_id, topics=topics
        )
        if self._request.include_cluster_authorized_operations:
            response.cluster_authorized_operations = (
                ctx.authorized_operations(ResourceType.CLUSTER, CLUSTER_NAME)
                if ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME)
                else 0
            )
        return response
