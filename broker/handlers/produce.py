"""Produce (key 0), versions 3-13.

Behaviour
- Each partition takes exactly one record batch, checked from its header and stored as it came (no record is
  looked at), and answers for itself: one partition's error does not hinder another's append.
- acks 1 and -1 are answered once the batch is in the log, -1 only where enough replicas are in sync
  (NOT_ENOUGH_REPLICAS); acks 0 gets no response, and on an error its connection is closed. Any other acks:
  INVALID_REQUIRED_ACKS.
- A topic is never made: UNKNOWN_TOPIC_OR_PARTITION. An internal one takes records from Kafka's admin client only.
- A partition that is there twice is appended once, with the records that came last, as in Kafka; which, however,
  answers for the earlier ones if they are refused.
- Beside an error log_start_offset is told where the log was asked; Kafka does so only if it could read the batch.
- A codec that there is not is UNSUPPORTED_COMPRESSION_TYPE; Kafka answers UNKNOWN_SERVER_ERROR.
- A partition without records is INVALID_RECORD; Kafka never answers such a request.
- Transactional batches: without a transactional id the whole request gets TRANSACTIONAL_ID_AUTHORIZATION_FAILED, as
  in Kafka; with one, INVALID_PRODUCER_ID_MAPPING, what Kafka answers to a transactional id it does not know. There
  are no transactions to belong to, and a batch with the bit must not reach a log.

Versions: 5 log_start_offset; 7 zstd (before: UNSUPPORTED_COMPRESSION_TYPE, KIP-110); 8 error_message (KIP-467);
9 flexible; 10 the new leader with NOT_LEADER_OR_FOLLOWER (KIP-951); 12 transactions v2 (KIP-890); 13 topic ids
(KIP-516, UNKNOWN_TOPIC_ID).

Omitted: record_errors stays empty, since a header does not tell which record of a batch is bad; error_message says
what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.compression import ZSTD
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from protocol.record_batch import CODEC_MASK, TRANSACTIONAL_BIT

from ..context import RequestContext
from ..metadata.image import TopicImage
from ..partition import Partition
from ..security.acl import AclOperation, ResourceType
from .produce_refusal import refuse_without_answer, refused

_ADMIN_CLIENT_ID = "__admin_client"
_TOPIC_IDS_SINCE_VERSION = 13
_ZSTD_SINCE_VERSION = 7
_MAGIC_BYTE = 16  # of a batch, as is the next
_MAGIC = 2
_ATTRIBUTES_LOW_BYTE = 22  # codec and transactional bit
_ACKS = (-1, 0, 1)


def handle(ctx: RequestContext, request: ProduceRequest) -> ProduceResponse | None:
    """Append the batches and answer; None for acks=0."""
    topics = request.topic_data
    by_id = ctx.api_version >= _TOPIC_IDS_SINCE_VERSION
    if len(topics) > 1 or (topics and len(topics[0].partition_data) > 1):
        topics = _without_duplicates(topics, by_id)
    if not _may_write_transactions(ctx, request, topics):
        return _refuse_all(ctx, request, topics, KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED))
    broker = ctx.broker
    image = broker.images.current
    now_ms = broker.clock.now_ms()
    acks = request.acks
    failure: KafkaError | None = None
    response = ProduceResponse(responses=[])
    for topic in topics:
        known = image.topics_by_id.get(topic.topic_id) if by_id else image.topics.get(topic.name)
        refusal = _topic_refusal(ctx, topic, known, by_id)
        answers: list[PartitionProduceResponse] = []
        for data in topic.partition_data:
            index = data.index
            asked: Partition | None = None
            try:
                if known is None or refusal is not None:
                    raise KafkaError(refusal or ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                partition = broker.partitions.get_by_id(known.topic_id, index)
                if partition is None:
                    raise KafkaError(broker.partitions.absence(known, index, by_id=by_id))
                records = data.records
                if records is None:
                    raise KafkaError(ErrorCode.INVALID_RECORD, "A partition needs exactly one record batch.")
                _check(ctx, partition, records, acks)
                asked = partition
                appended = partition.append_as_leader(records, now_ms, acks)
            except KafkaError as error:
                failure = error
                answers.append(refused(ctx, response, known, index, asked, error))
            else:
                answers.append(
                    PartitionProduceResponse(
                        index=index,
                        error_code=0,
                        base_offset=appended.base_offset,
                        log_append_time_ms=appended.log_append_time_ms,
                        log_start_offset=appended.log_start_offset,
                    )
                )
        response.responses.append(
            TopicProduceResponse(name=topic.name, topic_id=topic.topic_id, partition_responses=answers)
        )
    if acks != 0:
        return response
    if failure is not None:
        refuse_without_answer(ctx, failure)
    return None


def _topic_refusal(
    ctx: RequestContext, topic: TopicProduceData, known: TopicImage | None, by_id: bool
) -> ErrorCode | None:
    """Return why no partition of the topic may be written; a topic that is not allowed may well not exist."""
    if known is None and by_id:
        return ErrorCode.UNKNOWN_TOPIC_ID
    name = topic.name if known is None else known.name
    if not ctx.authorize(AclOperation.WRITE, ResourceType.TOPIC, name):
        return ErrorCode.TOPIC_AUTHORIZATION_FAILED
    return None


def _check(ctx: RequestContext, partition: Partition, records: memoryview | bytes, acks: int) -> None:
    """Check what depends on the request and its version; the log checks the batch itself."""
    if len(records) > _ATTRIBUTES_LOW_BYTE and records[_MAGIC_BYTE] == _MAGIC:
        attributes = records[_ATTRIBUTES_LOW_BYTE]
        if attributes & CODEC_MASK == ZSTD and ctx.api_version < _ZSTD_SINCE_VERSION:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"Zstandard needs Produce v{_ZSTD_SINCE_VERSION} or newer."
            )
        if attributes & TRANSACTIONAL_BIT:
            raise KafkaError(ErrorCode.INVALID_PRODUCER_ID_MAPPING, "The broker knows no such transactional id.")
    if acks not in _ACKS:
        raise KafkaError(ErrorCode.INVALID_REQUIRED_ACKS, f"acks must be -1, 0 or 1, not {acks}.")
    if partition.internal and ctx.client_id != _ADMIN_CLIENT_ID:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Cannot append to internal topic {partition.topic}.")


def _may_write_transactions(ctx: RequestContext, request: ProduceRequest, topics: Sequence[TopicProduceData]) -> bool:
    """Tell whether no batch is transactional, or the request has a transactional id that the client may use."""
    for topic in topics:
        for data in topic.partition_data:
            records = data.records
            if (
                records is not None
                and len(records) > _ATTRIBUTES_LOW_BYTE
                and records[_ATTRIBUTES_LOW_BYTE] & TRANSACTIONAL_BIT
                and records[_MAGIC_BYTE] == _MAGIC
            ):
                name = request.transactional_id
                return name is not None and ctx.authorize(AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, name)
    return True


def _refuse_all(
    ctx: RequestContext, request: ProduceRequest, topics: Sequence[TopicProduceData], error: KafkaError
) -> ProduceResponse | None:
    if request.acks == 0:
        refuse_without_answer(ctx, error)
        return None
    response = ProduceResponse(responses=[])
    for topic in topics:
        answers = [refused(ctx, response, None, data.index, None, error) for data in topic.partition_data]
        response.responses.append(
            TopicProduceResponse(name=topic.name, topic_id=topic.topic_id, partition_responses=answers)
        )
    return response


def _without_duplicates(topics: list[TopicProduceData], by_id: bool) -> list[TopicProduceData]:
    """Return the topics with each partition there once, as it came last."""
    merged: dict[str | bytes, tuple[TopicProduceData, dict[int, PartitionProduceData]]] = {}
    for topic in topics:
        _, partitions = merged.setdefault(topic.topic_id if by_id else topic.name, (topic, {}))
        for data in topic.partition_data:
            partitions[data.index] = data
    return [
        TopicProduceData(name=topic.name, topic_id=topic.topic_id, partition_data=list(partitions.values()))
        for topic, partitions in merged.values()
    ]
