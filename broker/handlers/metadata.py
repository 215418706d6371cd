"""Metadata (key 3), versions 0-13: the brokers, and where the partitions of topics are led.

Behaviour
- Answered from the current image. All topics are asked for by null, in v0 by an empty list, which means none later.
- A topic that is asked for by name and does not exist is created, if auto.create.topics.enable, the request and the
  client's rights (CREATE on the cluster or the topic) allow it. The answer comes when it can be used, with its leader;
  Kafka answers UNKNOWN_TOPIC_OR_PARTITION at first, which costs every client a round of its back-off.
- A name that no topic can have is INVALID_TOPIC_EXCEPTION. Internal topics are made by their coordinators only.
- It takes DESCRIBE on a topic: without it a named one is TOPIC_AUTHORIZATION_FAILED whether it exists or not, and
  "all topics" leaves it out.
- If any topic is given by id all names are passed over, as in Kafka.
- The controller is the broker that was asked: every broker takes the requests meant for a controller.

Versions: 1 controller_id, rack, is_internal; 2 cluster_id (KIP-78); 4 allow_auto_topic_creation; 5 offline_replicas
(KIP-112); 6 LISTENER_NOT_FOUND for a leader that the client's listener does not reach; 7 leader epochs (KIP-320); 8
authorized operations (KIP-430), the cluster's only until 10 (KIP-700); 9 flexible; 10 topic ids in answers, 12 in
requests (KIP-516); 13 an error for the whole, which asks a client to bootstrap again (KIP-1102) and is never set here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from protocol.schema import ZERO_UUID

from ..core.controller.topic_creation import FORBIDDEN_TOPIC, NewTopic
from ..core.controller.topic_names import validate_topic_name
from ..metadata.image import INTERNAL_TOPICS, NO_LEADER, PartitionImage, TopicImage
from ..security.acl import CLUSTER_NAME, AclOperation, ResourceType

if TYPE_CHECKING:
    from ..context import RequestContext

_CREATION_TIMEOUT_MS = 30_000  # Kafka's request.timeout.ms, which bounds its brokers' own requests for creation


def handle(ctx: RequestContext, request: MetadataRequest) -> MetadataResponse | asyncio.Future[MetadataResponse]:
    """Answer from the current image, at once unless a topic must be created."""
    asked = request.topics
    if asked is None or (ctx.api_version == 0 and not asked):
        return _respond(ctx, request, _all_topics(ctx))
    if not all(_is_legal(ctx, topic) for topic in asked):
        return _refuse(ctx, asked)
    ids = dict.fromkeys(topic.topic_id for topic in asked if topic.topic_id != ZERO_UUID)
    if ids:
        return _respond(ctx, request, _topics_by_id(ctx, ids))
    names = list(dict.fromkeys(topic.name or "" for topic in asked))
    missing = _names_to_create(ctx, request, names)
    if missing:
        return ctx.broker.run(_create_and_respond(ctx, request, names, missing))
    return _respond(ctx, request, _topics_by_name(ctx, names, {}))


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
    return _respond(ctx, request, _topics_by_name(ctx, names, errors))


# --- topics --------------------------------------------------------------------------------------------------------


def _all_topics(ctx: RequestContext) -> list[MetadataResponseTopic]:
    describe = _Describer(ctx)
    return [
        describe.topic(topic)
        for topic in ctx.broker.images.current.topics.values()
        if ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, topic.name)
    ]


def _topics_by_id(ctx: RequestContext, ids: Iterable[bytes]) -> list[MetadataResponseTopic]:
    describe = _Describer(ctx)
    topics = ctx.broker.images.current.topics_by_id
    answers = []
    for topic_id in ids:
        topic = topics.get(topic_id)
        if topic is None:
            answer = MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id)
        elif ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, topic.name):
            answer = describe.topic(topic)
        else:  # the client knows the id, and shall not learn the name
            code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            answer = MetadataResponseTopic(error_code=code, name=None, topic_id=topic_id)
        answers.append(answer)
    return answers


def _topics_by_name(
    ctx: RequestContext, names: Iterable[str], creation_errors: Mapping[str, ErrorCode]
) -> list[MetadataResponseTopic]:
    describe = _Describer(ctx)
    topics = ctx.broker.images.current.topics
    answers = []
    for name in names:
        topic = topics.get(name)
        if not ctx.authorize(AclOperation.DESCRIBE, ResourceType.TOPIC, name):
            answer = MetadataResponseTopic(error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED, name=name)
        elif topic is not None:
            answer = describe.topic(topic)
        else:
            code = creation_errors.get(name) or _absence(name)
            answer = MetadataResponseTopic(error_code=code, name=name, is_internal=name in INTERNAL_TOPICS)
        answers.append(answer)
    return answers


def _absence(name: str) -> ErrorCode:
    try:
        validate_topic_name(name)
    except KafkaError as error:
        return error.code
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


class _Placement(NamedTuple):
    """What the partitions of one placement have in common."""

    error: ErrorCode
    leader: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline: list[int]


class _Describer:
    """Describes topics of the current image to the clients of one listener, in one version."""

    def __init__(self, ctx: RequestContext) -> None:
        self._image = ctx.broker.images.current
        self._partitions = ctx.broker.partitions
        self._node_id = ctx.broker.node_id
        self._version = ctx.api_version
        self._reachable = {node_id for node_id in self._image.brokers if ctx.advertised(node_id) is not None}
        self._placements: dict[PartitionImage, _Placement] = {}

    def topic(self, topic: TopicImage) -> MetadataResponseTopic:
        return MetadataResponseTopic(
            error_code=ErrorCode.NONE,
            name=topic.name,
            topic_id=topic.topic_id,
            is_internal=topic.internal,
            partitions=[self._partition(topic, index, image) for index, image in enumerate(topic.partitions)],
        )

    def _partition(self, topic: TopicImage, index: int, image: PartitionImage) -> MetadataResponsePartition:
        placement = self._placements.get(image)
        if placement is None:
            gone = [node_id for node_id in image.replicas if node_id not in self._image.brokers]
            placement = self._placements[image] = self._place(image, gone)
        if self._partitions.absence(topic, index) is ErrorCode.KAFKA_STORAGE_ERROR:  # this broker's log has failed
            placement = self._place(image, [*placement.offline, self._node_id])
        return MetadataResponsePartition(
            error_code=placement.error,
            partition_index=index,
            leader_id=placement.leader,
            leader_epoch=placement.leader_epoch,
            replica_nodes=placement.replicas,
            isr_nodes=placement.isr,
            offline_replicas=placement.offline,
        )

    def _place(self, image: PartitionImage, offline: list[int]) -> _Placement:
        replicas, isr = list(image.replicas), list(image.isr)
        leader, error = image.leader, ErrorCode.NONE
        if leader not in self._image.brokers or leader in offline:
            leader, error = NO_LEADER, ErrorCode.LEADER_NOT_AVAILABLE
        elif leader not in self._reachable:
            leader = NO_LEADER
            error = ErrorCode.LISTENER_NOT_FOUND if self._version >= 6 else ErrorCode.LEADER_NOT_AVAILABLE
        elif self._version == 0 and not self._reachable.issuperset(replicas):
            # The oldest clients look every replica up among the brokers.
            replicas = [node_id for node_id in replicas if node_id in self._reachable]
            isr = [node_id for node_id in isr if node_id in self._reachable]
            error = ErrorCode.REPLICA_NOT_AVAILABLE
        return _Placement(error, leader, self._image.current_epoch(image), replicas, isr, offline)


# --- the whole -----------------------------------------------------------------------------------------------------


def _respond(ctx: RequestContext, request: MetadataRequest, topics: list[MetadataResponseTopic]) -> MetadataResponse:
    image = ctx.broker.images.current
    response = MetadataResponse(cluster_id=image.cluster_id, controller_id=ctx.broker.node_id, topics=topics)
    for broker in image.brokers.values():
        endpoint = ctx.advertised(broker.node_id)
        if endpoint is not None:
            host, port = endpoint
            node = MetadataResponseBroker(node_id=broker.node_id, host=host, port=port, rack=broker.rack)
            response.brokers.append(node)
    if request.include_topic_authorized_operations:
        for topic in topics:
            if topic.name is not None and topic.error_code != ErrorCode.TOPIC_AUTHORIZATION_FAILED:
                operations = ctx.authorized_operations(ResourceType.TOPIC, topic.name)
                topic.topic_authorized_operations = operations
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = (
            ctx.authorized_operations(ResourceType.CLUSTER, CLUSTER_NAME)
            if ctx.authorize(AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME)
            else 0
        )
    return response
