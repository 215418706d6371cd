"""What does not speak Kafka, or not correctly: the connection gets what Kafka gives it, and no other one notices."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.support.broker_process import BrokerProcess
from tests.support.wait import wait_until
from tests.support.wire import WireClient, api_key, encode_request

FRAME_BYTES_MAX = 100 * 1024 * 1024
INT32_MAX = (1 << 31) - 1

API_VERSIONS = api_key("ApiVersions")
METADATA = api_key("Metadata")
PRODUCE = api_key("Produce")

TLS_CLIENT_HELLO = bytes.fromhex("16030100c4010000c00303") + bytes(191)
HTTP_GET = b"GET / HTTP/1.1\r\nHost: localhost:9092\r\n\r\n"


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def header(key: int, version: int) -> bytes:
    """A request header without a client id; flexible ones have one more byte, the count of tags."""
    return struct.pack(">hhih", key, version, 7, -1)


def metadata(version: int, body: bytes) -> bytes:
    return framed(header(METADATA, version) + (b"\0" if version >= 9 else b"") + body)


CLOSED_WITHOUT_ANSWER = {
    "an HTTP request": HTTP_GET,
    "a TLS hello": TLS_CLIENT_HELLO,
    "a frame of -1 bytes": struct.pack(">i", -1),
    "a frame of 2 GB": struct.pack(">i", INT32_MAX),
    "a frame of one byte too many": struct.pack(">i", FRAME_BYTES_MAX + 1),
    "an empty frame": framed(b""),
    "a frame of 3 bytes": framed(b"\0\x12\0"),
    "half a header": framed(header(API_VERSIONS, 0)[:7]),
    "a header without its client id": framed(header(API_VERSIONS, 0)[:8]),
    "a client id that is too long": framed(struct.pack(">hhih", API_VERSIONS, 0, 7, 30_000) + b"client"),
    "random bytes in a frame": framed(b"\x77" + random.Random(1).randbytes(500)),
    "an unknown API": framed(header(999, 0)),
    "a negative API": framed(header(-1, 0)),
    "a version that is too high": metadata(99, b"\1\1\0\0"),
    "a negative version": metadata(-1, b""),
    "a version that is too low": framed(header(PRODUCE, 2) + bytes(10)),
    "no body": metadata(1, b""),
    "more topics than bytes": metadata(1, struct.pack(">i", INT32_MAX)),
    "more topics than bytes, compact": metadata(9, b"\xff\xff\xff\xff\x0f"),
    "a null where none may be": metadata(1, struct.pack(">ih", 1, -1)),
    "a string that is too long": metadata(1, struct.pack(">ih", 1, 32_767) + b"topic"),
    "a varint without an end": metadata(9, b"\xff" * 12),
    "a tag that goes past the end": metadata(9, b"\1\1\0\0\1\5\x7fab"),
    "a tag of the header that goes past the end": framed(header(METADATA, 9) + b"\1\5\x7f"),
}


@pytest.fixture
def bystander(wire: WireClient) -> Iterator[WireClient]:
    """Another connection, which works before, during and after."""
    wire.ask("ApiVersions", 0)
    yield wire
    wire.ask("ApiVersions", 0)


@pytest.mark.parametrize("data", CLOSED_WITHOUT_ANSWER.values(), ids=CLOSED_WITHOUT_ANSWER.keys())
def test_closes_without_an_answer(data: bytes, address: tuple[str, int], bystander: WireClient) -> None:
    with WireClient(address) as client:
        client.socket.sendall(data)
        assert client.await_close() == b""
        bystander.ask("ApiVersions", 0)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes(seed: int, address: tuple[str, int], bystander: WireClient) -> None:
    source = random.Random(seed)
    # A first byte without its highest two bits would be the size of a frame to wait for.
    data = bytes([source.randrange(64, 256)]) + source.randbytes(source.randrange(3, 3000))
    with WireClient(address) as client:
        client.socket.sendall(data)
        assert client.await_close() == b""


def test_requests_before_the_bad_one_are_answered(address: tuple[str, int], bystander: WireClient) -> None:
    with WireClient(address) as client:
        good = encode_request("ApiVersions", 0, 7)
        client.socket.sendall(framed(good) * 3 + framed(header(999, 0)) + framed(good))
        answers = client.await_close()
    one = _answer_to(bystander, good)
    assert answers == one * 3


@pytest.mark.parametrize("keep_bytes", [1, 3, 4, 9, 20])
def test_a_frame_that_is_cut_off(keep_bytes: int, address: tuple[str, int], bystander: WireClient) -> None:
    whole = framed(encode_request("Metadata", 9, 1, topics=[{"name": "a-topic"}]))
    with WireClient(address) as client:
        client.socket.sendall(whole[:keep_bytes])
        client.socket.shutdown(socket.SHUT_WR)
        assert client.await_close() == b""


def test_a_large_frame_that_is_cut_off(address: tuple[str, int], bystander: WireClient) -> None:
    with WireClient(address) as client:
        client.socket.sendall(struct.pack(">i", FRAME_BYTES_MAX) + header(PRODUCE, 9) + bytes(3_000_000))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.await_close() == b""


def test_bytes_behind_a_body_are_ignored(address: tuple[str, int], bystander: WireClient) -> None:
    with WireClient(address) as client:
        client.send_frame(encode_request("Metadata", 1, 7, topics=[]) + b"more")
        assert client.receive("Metadata", 1, 7).topics == ()


def test_unknown_tags_are_ignored(address: tuple[str, int], bystander: WireClient) -> None:
    with WireClient(address) as client:
        client.socket.sendall(metadata(9, b"\1\1\0\0\1\5\2ab"))
        assert client.receive("Metadata", 9, 7).topics == ()


def test_a_half_closed_connection_gets_its_answers(address: tuple[str, int], bystander: WireClient) -> None:
    requests = [encode_request("ApiVersions", 0, number) for number in range(3)]
    with WireClient(address) as client:
        client.socket.sendall(b"".join(map(framed, requests)))
        client.socket.shutdown(socket.SHUT_WR)
        answers = client.await_close()
    assert answers == b"".join(_answer_to(bystander, request) for request in requests)


def test_a_client_that_sends_byte_after_byte(address: tuple[str, int], bystander: WireClient) -> None:
    requests = [encode_request("Metadata", version, version, topics=[]) for version in (1, 9)]
    with WireClient(address) as client:
        for byte in b"".join(map(framed, requests)):
            client.socket.sendall(bytes([byte]))
            bystander.ask("ApiVersions", 0)
        for version in (1, 9):
            client.receive("Metadata", version, version)


def test_a_client_that_resets_its_connections(address: tuple[str, int], bystander: WireClient) -> None:
    for _ in range(50):
        with WireClient(address) as client:
            client.send("ApiVersions", 0)
            # With this option, closing is a reset, which meets the broker anywhere in its answer.
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_the_log_says_who_and_why_but_not_for_each(broker: BrokerProcess) -> None:
    bad_count = 500
    for _ in range(bad_count):
        with broker.connect() as client:
            client.socket.sendall(HTTP_GET)
            client.await_close()
    lines = [line for line in broker.log.splitlines() if "Closing the connection of 127.0.0.1" in line]
    assert 1 <= len(lines) < bad_count / 10
    assert "what it sends looks like HTTP" in lines[0]
    assert "Traceback" not in broker.log
    wait_until(lambda: "similar lines were left out" in broker.log, "the count of lines left out")


def _answer_to(client: WireClient, request: bytes) -> bytes:
    """The answer to a request with its size in front."""
    client.send_frame(request)
    return framed(client.receive_frame())
