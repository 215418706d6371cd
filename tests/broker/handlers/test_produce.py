"""Produce: each partition answers for itself, with Kafka's codes in Kafka's order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.handlers.produce import handle
from broker.metadata.image import PartitionImage
from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from protocol.schema import ZERO_UUID
from tests.support.hosted_topics import NODE_ID, OTHER_NODE_ID, HostedTopics, batch, over_the_wire

VERSIONS = range(3, 14)
ZSTD, TRANSACTIONAL, CONTROL = 0x04, 0x10, 0x20


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[HostedTopics]:
    made = HostedTopics(tmp_path)
    await made.create("t", 3)
    yield made
    made.close()


def view(data: bytes | bytearray | None) -> memoryview | None:
    return None if data is None else memoryview(bytearray(data))


def request(
    *partitions: tuple[str | bytes, int, bytes | bytearray | None], acks: int = 1, transactional_id: str | None = None
) -> ProduceRequest:
    """One topic entry for each partition that follows one of another topic."""
    topics: list[TopicProduceData] = []
    for topic, index, records in partitions:
        name, topic_id = (topic, ZERO_UUID) if isinstance(topic, str) else ("", topic)
        if not topics or (topics[-1].name, topics[-1].topic_id) != (name, topic_id):
            topics.append(TopicProduceData(name=name, topic_id=topic_id, partition_data=[]))
        topics[-1].partition_data.append(PartitionProduceData(index=index, records=view(records)))
    return ProduceRequest(transactional_id=transactional_id, acks=acks, timeout_ms=1000, topic_data=topics)


def produce(broker: HostedTopics, sent: ProduceRequest, version: int = 9, **context: Any) -> ProduceResponse:
    response = handle(broker.context(version, **context), sent)
    assert response is not None
    decoded: ProduceResponse = over_the_wire(response, version)
    return decoded


def codes(response: ProduceResponse) -> list[tuple[str, int, int]]:
    return [
        (topic.name, answer.index, answer.error_code)
        for topic in response.responses
        for answer in topic.partition_responses
    ]


def only(response: ProduceResponse) -> Any:
    ((answer,),) = [topic.partition_responses for topic in response.responses]
    return answer


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_batch_is_appended_in_every_version(broker: HostedTopics, version: int) -> None:
    topic = broker.images.current.topics["t"]
    name = topic.topic_id if version >= 13 else "t"
    for base_offset in (0, 2):
        answer = only(produce(broker, request((name, 1, batch(b"a", b"b"))), version))
        assert (answer.index, answer.error_code, answer.base_offset) == (1, 0, base_offset)
        assert answer.log_append_time_ms == -1
        assert answer.log_start_offset == (0 if version >= 5 else -1)
    assert broker.partition("t", 1).high_watermark == 4


async def test_the_broker_stamps_where_the_topic_says_so(broker: HostedTopics) -> None:
    await broker.create("stamped", configs={"message.timestamp.type": "LogAppendTime"})
    answer = only(produce(broker, request(("stamped", 0, batch(b"a", timestamp=5)))))
    assert answer.log_append_time_ms == broker.clock.now_ms()


async def test_every_partition_answers_for_itself_in_the_order_of_the_request(broker: HostedTopics) -> None:
    corrupt = batch(b"a")
    corrupt[-1] ^= 1
    good = batch(b"a")
    response = produce(
        broker,
        request(("nope", 0, good), ("t", 2, good), ("t", 9, good), ("t", -1, good), ("t", 0, corrupt), ("t", 1, good)),
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert codes(response) == [
        ("nope", 0, unknown),
        ("t", 2, 0),
        ("t", 9, unknown),
        ("t", -1, unknown),
        ("t", 0, ErrorCode.CORRUPT_MESSAGE),
        ("t", 1, 0),
    ]
    refused = response.responses[1].partition_responses[3]
    assert (refused.base_offset, refused.log_append_time_ms, refused.log_start_offset) == (-1, -1, -1)
    assert "CRC" in (refused.error_message or "")


@pytest.mark.parametrize("records", [None, b"", b"abc", batch(b"a") * 2, batch(b"a")[:-1]])
async def test_a_partition_takes_exactly_one_batch(broker: HostedTopics, records: bytes | None) -> None:
    assert only(produce(broker, request(("t", 0, records)))).error_code == ErrorCode.INVALID_RECORD
    assert broker.partition("t").high_watermark == 0


async def test_nothing_in_nothing_out(broker: HostedTopics) -> None:
    assert produce(broker, request()).responses == []
    empty = ProduceRequest(acks=1, timeout_ms=0, topic_data=[TopicProduceData(name="t", partition_data=[])])
    assert codes(produce(broker, empty)) == []


async def test_of_a_partition_that_comes_twice_the_last_records_count(broker: HostedTopics) -> None:
    response = produce(broker, request(("t", 0, None), ("t", 0, batch(b"a", b"b"))))
    assert codes(response) == [("t", 0, 0)]
    response = produce(
        broker, request(("t", 0, batch(b"a")), ("u", 0, batch(b"a")), ("t", 1, batch(b"a")), ("t", 0, batch(b"c")))
    )
    assert codes(response) == [("t", 0, 0), ("t", 1, 0), ("u", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert broker.partition("t").high_watermark == 3


@pytest.mark.parametrize("acks", [-2, 2, 17])
async def test_acks_are_one_of_three(broker: HostedTopics, acks: int) -> None:
    response = produce(broker, request(("t", 0, batch(b"a")), ("t", 9, batch(b"a")), acks=acks))
    assert codes(response) == [
        ("t", 0, ErrorCode.INVALID_REQUIRED_ACKS),
        ("t", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


async def test_acks_all_is_answered_once_appended(broker: HostedTopics) -> None:
    assert only(produce(broker, request(("t", 0, batch(b"a")), acks=-1))).error_code == 0


async def test_min_insync_replicas_counts_at_most_the_replicas_there_are(broker: HostedTopics) -> None:
    configs = {"min.insync.replicas": "2"}
    await broker.create("alone", configs=configs)
    await broker.create(
        "behind", configs=configs, placement=PartitionImage((NODE_ID, OTHER_NODE_ID), (NODE_ID,), NODE_ID, 0)
    )
    response = produce(broker, request(("alone", 0, batch(b"a")), ("behind", 0, batch(b"a")), acks=-1))
    assert codes(response) == [("alone", 0, 0), ("behind", 0, ErrorCode.NOT_ENOUGH_REPLICAS)]
    assert only(produce(broker, request(("behind", 0, batch(b"a")), acks=1))).error_code == 0


async def test_acks_0_gets_no_answer_and_errors_close_the_connection(broker: HostedTopics) -> None:
    assert handle(broker.context(9), request(("t", 0, batch(b"a")), acks=0)) is None
    assert broker.connection.closed_because is None
    assert broker.partition("t").high_watermark == 1
    assert handle(broker.context(9), request(("t", 0, batch(b"a")), ("t", 9, batch(b"a")), acks=0)) is None
    assert "UNKNOWN_TOPIC_OR_PARTITION" in (broker.connection.closed_because or "")
    assert broker.partition("t").high_watermark == 2


async def test_zstd_needs_version_7(broker: HostedTopics) -> None:
    sent = batch(b"a", attributes=ZSTD)
    for version in (3, 6):
        assert (
            only(produce(broker, request(("t", 0, sent)), version)).error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
        )
    assert only(produce(broker, request(("t", 0, sent)), 7)).error_code == 0


async def test_error_messages_come_with_version_8(broker: HostedTopics) -> None:
    sent = batch(b"a", attributes=CONTROL)
    for version, has_message in ((7, False), (8, True)):
        answer = only(produce(broker, request(("t", 0, sent)), version))
        assert answer.error_code == ErrorCode.INVALID_RECORD
        assert (answer.error_message is not None) == has_message
        assert answer.record_errors == []


async def test_where_the_log_begins_is_told_beside_what_it_has_against_a_batch(broker: HostedTopics) -> None:
    too_large = batch(b"x" * 2_000_000)
    for sent, log_start_offset in ((batch(b"a", attributes=CONTROL), 0), (too_large, -1), (b"\0" * 20, -1)):
        answer = only(produce(broker, request(("t", 0, sent))))
        assert answer.error_code != ErrorCode.NONE
        assert answer.log_start_offset == log_start_offset
    absent = only(produce(broker, request(("t", 9, batch(b"a")))))
    assert absent.log_start_offset == -1


async def test_attributes_are_those_of_a_batch_of_magic_2_alone(broker: HostedTopics) -> None:
    for bit, version in ((TRANSACTIONAL, 9), (ZSTD, 3)):
        sent = bytearray(batch(b"a", attributes=bit))
        sent[16] = 3
        assert only(produce(broker, request(("t", 0, sent)), version)).error_code == ErrorCode.CORRUPT_MESSAGE


async def test_too_large_for_the_topic(broker: HostedTopics) -> None:
    await broker.create("small", configs={"max.message.bytes": "100"})
    response = produce(broker, request(("small", 0, batch(b"x" * 100)), ("small", 0, batch(b"x" * 100))))
    assert codes(response) == [("small", 0, ErrorCode.MESSAGE_TOO_LARGE)]


async def test_internal_topics_are_written_by_the_admin_client_only(broker: HostedTopics) -> None:
    await broker.create("__consumer_offsets")
    sent = request(("__consumer_offsets", 0, batch(b"a")), ("__consumer_offsets", 1, batch(b"a")))
    assert codes(produce(broker, sent)) == [
        ("__consumer_offsets", 0, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("__consumer_offsets", 1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    sent = request(("__consumer_offsets", 0, batch(b"a")))
    assert only(produce(broker, sent, client_id="__admin_client")).error_code == 0


async def test_without_permission_a_topic_is_not_even_known_to_exist(broker: HostedTopics) -> None:
    broker.authorizer.denied |= {
        (AclOperation.WRITE, ResourceType.TOPIC, "t"),
        (AclOperation.WRITE, ResourceType.TOPIC, "nope"),
    }
    denied = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    response = produce(broker, request(("t", 0, batch(b"a")), ("t", 9, batch(b"a")), ("nope", 0, batch(b"a"))))
    assert codes(response) == [("t", 0, denied), ("t", 9, denied), ("nope", 0, denied)]
    topic_id = broker.images.current.topics["t"].topic_id
    assert only(produce(broker, request((topic_id, 0, batch(b"a"))), 13)).error_code == denied
    assert broker.partition("t").high_watermark == 0


async def test_unknown_topic_ids_and_those_of_deleted_topics(broker: HostedTopics) -> None:
    topic = broker.images.current.topics["t"]
    await broker.delete(topic)
    await broker.create("t")
    unknown = ErrorCode.UNKNOWN_TOPIC_ID
    for topic_id in (topic.topic_id, b"?" * 16, ZERO_UUID):
        answer = produce(broker, request((topic_id, 0, batch(b"a"))), 13)
        assert answer.responses[0].topic_id == topic_id
        assert only(answer).error_code == unknown
    assert only(produce(broker, request(("t", 0, batch(b"a"))))).error_code == 0


async def test_transactional_batches_belong_to_no_transaction(broker: HostedTopics) -> None:
    producer = {"producer_id": 5, "producer_epoch": 0, "base_sequence": 0}
    transactional = batch(b"a", attributes=TRANSACTIONAL, **producer)
    sent = (("t", 0, transactional), ("t", 1, batch(b"a")))
    failed = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert codes(produce(broker, request(*sent))) == [("t", 0, failed), ("t", 1, failed)]
    assert codes(produce(broker, request(*sent, transactional_id="x"))) == [
        ("t", 0, ErrorCode.INVALID_PRODUCER_ID_MAPPING),
        ("t", 1, 0),
    ]
    broker.authorizer.denied.add((AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, "x"))
    assert codes(produce(broker, request(*sent, transactional_id="x"))) == [("t", 0, failed), ("t", 1, failed)]
    # The id alone asks for nothing.
    assert only(produce(broker, request(("t", 2, batch(b"a")), transactional_id="x"))).error_code == 0
    assert handle(broker.context(9), request(*sent, acks=0)) is None
    assert broker.connection.closed_because is not None
    assert [broker.partition("t", index).high_watermark for index in range(3)] == [0, 1, 1]


async def test_the_new_leader_is_told_from_version_10_on(broker: HostedTopics) -> None:
    await broker.create("moved", 3, leaders=[OTHER_NODE_ID, OTHER_NODE_ID])
    sent = [("moved", index, batch(b"a")) for index in range(3)]
    for version in (9, 10):
        response = produce(broker, request(*sent), version)
        wrong = ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert codes(response) == [("moved", 0, wrong), ("moved", 1, wrong), ("moved", 2, 0)]
    answers = response.responses[0].partition_responses
    assert [answer.current_leader.leader_id for answer in answers] == [OTHER_NODE_ID, OTHER_NODE_ID, -1]
    assert [(node.node_id, node.host, node.port, node.rack) for node in response.node_endpoints] == [
        (OTHER_NODE_ID, "localhost", 9093, "r2")
    ]


async def test_idempotent_producers_get_the_first_offset_of_a_duplicate(broker: HostedTopics) -> None:
    def sent(sequence: int) -> ProduceRequest:
        return request(("t", 0, batch(b"a", b"b", producer_id=5, producer_epoch=0, base_sequence=sequence)))

    assert [only(produce(broker, sent(sequence))).base_offset for sequence in (0, 2, 0, 2)] == [0, 2, 0, 2]
    assert only(produce(broker, sent(9))).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert broker.partition("t").high_watermark == 4
