"""Clients that take nothing, give too much, or stop in the middle: they cost little memory, and nobody else notices.

Each kind is many connections at once to a broker of its own; meanwhile another client is answered, and the broker's
resident memory is compared with what it was before.
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import struct
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.record_batches import encode_batch
from tests.support.records_over_the_wire import produce_batch
from tests.support.wait import wait_until
from tests.support.wire import WireClient, encode_request

MB = 1_000_000
BATCH = encode_batch([bytes(900_000)])
STALLED_S = 0.5
"""So long nothing must fit into a socket for its other side to count as one that reads no more."""


def resident_bytes(broker: BrokerProcess) -> int:
    return int(psutil.Process(broker.pid).memory_info().rss)


def framed(request: bytes) -> bytes:
    return struct.pack(">i", len(request)) + request


@pytest.fixture
def bystander(broker: BrokerProcess) -> Iterator[WireClient]:
    """A client whose topic is there, and which the broker has served before."""
    with broker.connect() as client:
        topics = [{"name": "orders", "num_partitions": 1, "replication_factor": 1}]
        assert (
            client.ask("CreateTopics", 4, topics=topics, timeout=30_000, validate_only=False).topics[0].error_code == 0
        )
        assert_served(client)
        yield client
        assert_served(client)


def assert_served(client: WireClient) -> None:
    assert produce_batch(client, "orders", encode_batch([b"x"])).error_code == 0
    assert client.ask("Metadata", 4, topics=[], allow_auto_topic_creation=False).brokers


def send_until_stalled(connection: socket.socket, data: bytes) -> int:
    """Send the data again and again until nothing more fits, and return how many bytes did."""
    connection.setblocking(False)
    sent_bytes = 0
    while select.select([], [connection], [], STALLED_S)[1]:
        with contextlib.suppress(BlockingIOError):
            sent_bytes += connection.send(data[sent_bytes % len(data) :])
    return sent_bytes


def test_consumers_that_do_not_read(broker: BrokerProcess, bystander: WireClient) -> None:
    for _ in range(60):
        assert produce_batch(bystander, "orders", BATCH).error_code == 0
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 50 * MB}
    fetch = {"replica_id": -1, "max_wait": 0, "min_bytes": 1, "max_bytes": 50 * MB, "isolation_level": 0}
    with contextlib.ExitStack() as stack:
        consumers = [stack.enter_context(broker.connect()) for _ in range(20)]
        before = resident_bytes(broker)
        for consumer in consumers:
            consumer.send("Fetch", 4, topics=[{"topic": "orders", "partitions": [partition]}], **fetch)
        for consumer in consumers:
            (size,) = struct.unpack(">i", consumer.socket.recv(4, socket.MSG_WAITALL))
            assert size > 49 * MB
        assert_served(bystander)
        assert resident_bytes(broker) - before < 10 * MB


def test_clients_that_send_requests_and_read_no_answers(broker: BrokerProcess, bystander: WireClient) -> None:
    """The answers are a hundred times larger than the requests: a broker that went on reading would hold gigabytes."""
    requests = (
        framed(encode_request("DescribeConfigs", 1, 1, resources=[{"resource_type": 4, "resource_name": "0"}])) * 1000
    )
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(broker.connect()) for _ in range(8)]
        before = resident_bytes(broker)
        for client in clients:
            assert send_until_stalled(client.socket, requests) < 20 * MB
        assert_served(bystander)
        # Each may hold a buffer full of requests, 256 KB, and the answers of a slice.
        assert resident_bytes(broker) - before < len(clients) * MB


def test_a_producer_that_never_waits(broker: BrokerProcess, bystander: WireClient) -> None:
    topic_data = [{"name": "orders", "partition_data": [{"index": 0, "records": BATCH}]}]
    request = framed(encode_request("Produce", 3, 1, acks=0, timeout=30_000, topic_data=topic_data))
    with broker.connect() as producer:
        producer.socket.sendall(request * 10)
        assert_served(bystander)
        before = resident_bytes(broker)
        for _ in range(200):
            producer.socket.sendall(request)
        assert_served(bystander)
        assert resident_bytes(broker) - before < 8 * MB
        assert_all_stored(bystander, 210)


def assert_all_stored(client: WireClient, batches: int) -> None:
    def end_offset() -> int:
        partitions = [{"partition_index": 0, "timestamp": -1}]
        answer = client.ask("ListOffsets", 1, replica_id=-1, topics=[{"name": "orders", "partitions": partitions}])
        return int(answer.topics[0].partitions[0].offset)

    wait_until(lambda: end_offset() >= batches, "all batches are stored")


@pytest.mark.parametrize("limit_bytes", [-1, 100 << 20])
def test_requests_of_a_hundred_megabytes_that_never_come(
    make_broker: Callable[..., BrokerProcess], limit_bytes: int
) -> None:
    """What is announced costs nothing until it arrives; where there is a limit, the others are not even read."""
    broker = make_broker("--set", f"queued.max.request.bytes={limit_bytes}").start()
    with contextlib.ExitStack() as stack:
        served_before = stack.enter_context(broker.connect())
        assert served_before.ask("ApiVersions", 0).error_code == 0
        slow = [stack.enter_context(broker.connect()) for _ in range(300)]
        slow[0].ask("ApiVersions", 0)
        before = resident_bytes(broker)
        for client in slow:
            client.socket.sendall(struct.pack(">i", 100 << 20) + bytes(1_000))
        for client in slow:
            for _ in range(10):
                client.socket.sendall(b"\0")
        if limit_bytes < 0:
            assert served_before.ask("ApiVersions", 0).error_code == 0
        else:
            wait_until(lambda: "queued.max.request.bytes is used up" in broker.log, "the memory is used up")
        assert resident_bytes(broker) - before < 10 * MB
        assert not select.select([client.socket for client in slow], [], [], 0)[0], "one was closed"
        for client in slow:
            client.close()
        assert served_before.ask("ApiVersions", 0).error_code == 0


def test_ten_thousand_connections_at_once(broker: BrokerProcess, bystander: WireClient) -> None:
    """Each has sent the beginning of a request; the process that runs the tests may allow fewer."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 1_000)
    with contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        before = resident_bytes(broker)
        connections = []
        for number in range(count):
            connection = stack.enter_context(socket.create_connection(broker.address))
            connection.sendall(struct.pack(">i", 1_000) + bytes(20))
            connections.append(connection)
            if number % 1_000 == 0:
                assert_served(bystander)
        process = psutil.Process(broker.pid)
        wait_until(lambda: process.num_fds() > count, "all are accepted")
        assert_served(bystander)
        assert resident_bytes(broker) - before < count * 8_000
        poll = select.poll()
        for connection in connections:
            poll.register(connection, select.POLLIN)
        assert not poll.poll(0), "one was closed"
    wait_until(lambda: process.num_fds() < 1_000, "all are closed")
