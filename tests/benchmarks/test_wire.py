"""The requests that the benchmarks write by hand, read back by other people's code; the probe for a broker."""

import io
import socket
import struct
import threading

import pytest
from kafka.record import MemoryRecords
from kio.schema.errors import ErrorCode
from kio.schema.fetch.v4.request import FetchRequest
from kio.schema.fetch.v4.request import RequestHeader as FetchRequestHeader
from kio.schema.produce.v9.request import ProduceRequest, RequestHeader
from kio.schema.produce.v9.response import (
    PartitionProduceResponse,
    ProduceResponse,
    ResponseHeader,
    TopicProduceResponse,
)
from kio.schema.types import TopicName
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import i32, i64

from benchmarks.wire import (
    answers_api_versions,
    connect,
    fetch_request,
    frame,
    free_ports,
    produce_error_position,
    produce_request,
)


@pytest.mark.parametrize("value", [b"", b"x" * 100, b"y" * 70_000])
def test_produce_request_is_one_record_with_a_good_checksum(value: bytes) -> None:
    request = produce_request("orders", 3, value)
    assert struct.unpack(">i", request[:4]) == (len(request) - 4,)
    header, header_bytes = entity_reader(RequestHeader)(request, 4)
    assert (header.request_api_key, header.request_api_version, header.client_id) == (0, 9, "load")
    produce, body_bytes = entity_reader(ProduceRequest)(request, 4 + header_bytes)
    assert 4 + header_bytes + body_bytes == len(request)
    assert produce.acks == 1
    (topic,) = produce.topic_data
    (partition,) = topic.partition_data
    assert (topic.name, partition.index) == ("orders", 3)
    batch = MemoryRecords(partition.records).next_batch()
    assert batch.validate_crc()
    (record,) = batch
    assert (record.key, record.value) == (None, value)


@pytest.mark.parametrize("topic", ["t", "load-0123456789ab"])
def test_the_error_code_of_an_answer_is_where_it_is_looked_for(topic: str) -> None:
    partition = PartitionProduceResponse(
        index=i32(0), error_code=ErrorCode.corrupt_message, base_offset=i64(7), record_errors=()
    )
    answer = ProduceResponse(responses=(TopicProduceResponse(name=TopicName(topic), partition_responses=(partition,)),))
    buffer = io.BytesIO()
    entity_writer(ResponseHeader)(buffer, ResponseHeader(correlation_id=i32(0)))
    entity_writer(ProduceResponse)(buffer, answer)
    framed = frame(buffer.getvalue())
    position = produce_error_position(topic)
    assert framed[position : position + 2] == struct.pack(">h", ErrorCode.corrupt_message.value)


def test_free_ports_are_distinct_and_can_be_listened_on() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_nobody_listening_is_no_broker() -> None:
    (port,) = free_ports(1)
    assert not answers_api_versions("127.0.0.1", port)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (frame(struct.pack(">ihi", 0, 0, 0)), True),
        (frame(struct.pack(">ihi", 0, 35, 0)), False),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"", False),
    ],
    ids=["a broker", "an error", "a web server", "closes at once"],
)
def test_probe_tells_a_broker_from_others(answer: bytes, expected: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            assert answers_api_versions("127.0.0.1", server.getsockname()[1]) is expected
        finally:
            thread.join()


def test_fetch_request_asks_for_one_partition() -> None:
    request = fetch_request("orders", 3, 42, 50_000_000)
    assert struct.unpack(">i", request[:4]) == (len(request) - 4,)
    header, header_bytes = entity_reader(FetchRequestHeader)(request, 4)
    assert (header.request_api_key, header.request_api_version, header.client_id) == (1, 4, "load")
    fetch, body_bytes = entity_reader(FetchRequest)(request, 4 + header_bytes)
    assert 4 + header_bytes + body_bytes == len(request)
    assert (fetch.replica_id, fetch.max_bytes, fetch.isolation_level) == (-1, 50_000_000, 0)
    (topic,) = fetch.topics
    (partition,) = topic.partitions
    assert topic.topic == "orders"
    assert (partition.partition, partition.fetch_offset, partition.partition_max_bytes) == (3, 42, 50_000_000)


def test_connections_send_small_requests_at_once() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        connect(f"127.0.0.1:{listener.getsockname()[1]}", 5) as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.gettimeout() == 5
