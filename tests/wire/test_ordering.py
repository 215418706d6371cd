"""Pipelined requests: answers in the order of the requests, and each sees what those before it have done."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.support.record_batches import decode_batches, encode_batch
from tests.support.records_over_the_wire import describe, produce, values_of
from tests.support.under_test import foreign_address
from tests.support.wire import WireClient, encode_request

REQUESTS_COUNT = 1_000


def test_a_thousand_pipelined_requests(wire: WireClient, topic: str) -> None:
    requests = [("ApiVersions", 0, {}), ("Metadata", 9, {"topics": [{"name": topic}]}), ("DescribeCluster", 1, {})]
    sent = []
    for number in range(REQUESTS_COUNT):
        api, version, fields = requests[number % len(requests)]
        sent.append((api, version, wire.send(api, version, **fields)))
    for api, version, correlation_id in sent:
        wire.receive(api, version, correlation_id)


def test_pipelined_produce_keeps_the_order(wire: WireClient, topic: str) -> None:
    values = [f"value {number}".encode() for number in range(REQUESTS_COUNT)]
    sent = [
        wire.send(
            "Produce",
            9,
            acks=-1 if number % 2 else 1,
            timeout_ms=30_000,
            topic_data=[{"name": topic, "partition_data": [{"index": 0, "records": encode_batch([value])}]}],
        )
        for number, value in enumerate(values)
    ]
    fetch_id = wire.send(
        "Fetch",
        12,
        max_wait_ms=30_000,
        min_bytes=1,
        max_bytes=1 << 20,
        topics=[{"topic": topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}],
    )
    for offset, correlation_id in enumerate(sent):
        (answer,) = wire.receive("Produce", 9, correlation_id).responses[0].partition_responses
        assert (answer.error_code, answer.base_offset) == (0, offset)
    (fetched,) = wire.receive("Fetch", 12, fetch_id).responses[0].partitions
    assert values_of(decode_batches(fetched.records)) == values


def test_acks_0_has_no_answer_and_keeps_its_place(wire: WireClient, topic: str) -> None:
    for number in range(10):
        wire.send(
            "Produce",
            9,
            acks=0,
            timeout_ms=30_000,
            topic_data=[
                {"name": topic, "partition_data": [{"index": 0, "records": encode_batch([str(number).encode()])}]}
            ],
        )
    # The next answer is the one to this request, and it sees them all.
    assert produce(wire, topic, b"last") == 10


def test_an_error_of_acks_0_closes_the_connection(wire: WireClient, topic: str) -> None:
    wire.send(
        "Produce",
        9,
        acks=0,
        timeout_ms=30_000,
        topic_data=[{"name": topic, "partition_data": [{"index": 7, "records": encode_batch([b"x"])}]}],
    )
    assert wire.await_close() == b""


def test_a_waiting_fetch_holds_back_what_comes_after_it(wire: WireClient, topic: str, address: tuple[str, int]) -> None:
    fetch_id = wire.send(
        "Fetch",
        12,
        max_wait_ms=30_000,
        min_bytes=1,
        topics=[{"topic": topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}],
    )
    versions_id = wire.send("ApiVersions", 0)
    with WireClient(address) as producer:
        produce(producer, topic, b"woken")
    (fetched,) = wire.receive("Fetch", 12, fetch_id).responses[0].partitions
    assert values_of(decode_batches(fetched.records)) == [b"woken"]
    wire.receive("ApiVersions", 0, versions_id)


@pytest.mark.skipif(
    foreign_address() is not None, reason="Kafka's brokers learn of topics later, from their controller"
)
@pytest.mark.parametrize("partitions", [1, 50])
def test_a_topic_is_known_to_the_next_request(
    partitions: int, address: tuple[str, int], topic_name: Callable[[], str]
) -> None:
    for _ in range(5):
        name = topic_name()
        with WireClient(address) as client:
            create_id = client.send(
                "CreateTopics",
                7,
                timeout_ms=30_000,
                topics=[{"name": name, "num_partitions": partitions, "replication_factor": 1}],
            )
            metadata_id = client.send("Metadata", 12, topics=[{"name": name}], allow_auto_topic_creation=False)
            produce_id = client.send(
                "Produce",
                9,
                acks=-1,
                timeout_ms=30_000,
                topic_data=[{"name": name, "partition_data": [{"index": 0, "records": encode_batch([b"x"])}]}],
            )
            delete_id = client.send("DeleteTopics", 5, timeout_ms=30_000, topic_names=[name])
            gone_id = client.send("Metadata", 12, topics=[{"name": name}], allow_auto_topic_creation=False)
            assert client.receive("CreateTopics", 7, create_id).topics[0].error_code == 0
            (described,) = client.receive("Metadata", 12, metadata_id).topics
            assert (described.error_code, len(described.partitions)) == (0, partitions)
            (produced,) = client.receive("Produce", 9, produce_id).responses[0].partition_responses
            assert produced.error_code == 0
            assert client.receive("DeleteTopics", 5, delete_id).responses[0].error_code == 0
            assert client.receive("Metadata", 12, gone_id).topics[0].error_code == 3


@pytest.mark.skipif(
    foreign_address() is not None, reason="Kafka's brokers learn of topics later, from their controller"
)
def test_other_connections_know_it_too(
    wire: WireClient, address: tuple[str, int], make_topic: Callable[..., str]
) -> None:
    with WireClient(address) as other:
        for _ in range(20):
            (described,) = describe(other, make_topic()).topics
            assert described.error_code == 0


def test_many_connections_at_once(address: tuple[str, int], topic: str) -> None:
    clients = [WireClient(address) for _ in range(200)]
    try:
        sent = [client.send("Metadata", 9, topics=[{"name": topic}]) for client in clients]
        for client, correlation_id in zip(clients, sent, strict=True):
            assert client.receive("Metadata", 9, correlation_id).topics[0].name == topic
    finally:
        for client in clients:
            client.close()


def test_a_request_in_many_pieces(wire: WireClient, topic: str) -> None:
    batch = encode_batch([bytes(900_000)])
    frame = encode_request(
        "Produce",
        9,
        1,
        acks=1,
        timeout_ms=30_000,
        topic_data=[{"name": topic, "partition_data": [{"index": 0, "records": batch}]}],
    )
    data = len(frame).to_bytes(4, "big") + frame
    cuts = [0, 2, 4, 5, 20, 1000, 300_000, 300_001, 600_000, len(data)]
    for start, end in itertools.pairwise(cuts):
        wire.socket.sendall(data[start:end])
        with WireClient(wire.socket.getpeername()) as other:
            other.ask("ApiVersions", 0)
    assert wire.receive("Produce", 9, 1).responses[0].partition_responses[0].error_code == 0
