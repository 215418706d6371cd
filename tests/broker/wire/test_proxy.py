"""The proxy before brokers that do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.clock import Clock
from broker.config import StartupError
from broker.listening_sockets import open_listening
from broker.wire.proxy import Proxy
from protocol.messages.describe_cluster import DescribeClusterBroker, DescribeClusterResponse
from protocol.messages.find_coordinator import Coordinator, FindCoordinatorResponse
from protocol.messages.metadata import MetadataResponse, MetadataResponseBroker
from protocol.messages.produce import NodeEndpoint, ProduceResponse
from tests.protocol.messages import decode, encode
from tests.support.scripted_broker import answering, framed, read_frame, scripted_broker
from tests.support.wire import encode_request
from tests.support.wire_logs import LogForTests

Address = tuple[str, int]

HEARTBEAT = encode_request(
    "Heartbeat", 3, 7, "app", group_id="g", generation_id=1, member_id="m", group_instance_id=None
)
METADATA = encode_request("Metadata", 5, 1, "app", topics=None, allow_auto_topic_creation=False)


class Proxied:
    """A proxy for a broker, and its log."""

    def __init__(self, directory: Path, broker: Address, host: str = "127.0.0.1") -> None:
        self.log = LogForTests(directory)
        self.proxy = Proxy(host, self.log.log, Clock())
        self.broker = broker
        self.port = 0

    async def lines(self) -> list[str]:
        """What the log holds of all connections, of which all are to be over by now."""
        await self.proxy.close()
        return await self.log.lines()


@asynccontextmanager
async def proxied(directory: Path, broker: Address, host: str = "127.0.0.1") -> AsyncIterator[Proxied]:
    made = Proxied(directory, broker, host)
    made.port = await made.proxy.open(0, broker)
    try:
        yield made
    finally:
        await made.proxy.close()
        await made.log.log.close()


async def ask(port: int, *frames: bytes, host: str = "127.0.0.1") -> list[bytes]:
    """Send requests and return as many responses."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"".join(map(framed, frames)))
    try:
        return [await asyncio.wait_for(read_frame(reader), 30) for _ in frames]
    finally:
        writer.close()


def metadata_of(*addresses: Address) -> bytes:
    brokers = [MetadataResponseBroker(node_id=i, host=host, port=port) for i, (host, port) in enumerate(addresses)]
    return encode(MetadataResponse(brokers=brokers), 5)


def addresses_in(frame: bytes) -> list[Address]:
    message = decode(MetadataResponse, 5, frame[4:])
    assert isinstance(message, MetadataResponse)
    return [(broker.host, broker.port) for broker in message.brokers]


async def test_every_broker_gets_a_port_of_its_own_behind_which_it_is(tmp_path: Path) -> None:
    async with scripted_broker(answering(b"the second")) as second:
        known: list[Address] = []

        async def first_script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answering(metadata_of(*known), metadata_of(*known))(reader, writer)

        async with scripted_broker(first_script) as first, proxied(tmp_path, first) as proxy:
            known += [first, second]
            answer, again = await ask(proxy.port, METADATA, METADATA)
            (own, other) = addresses_in(answer)
            assert own == ("127.0.0.1", proxy.port)
            assert other[0] == "127.0.0.1"
            assert other[1] not in (proxy.port, first[1], second[1])
            assert again == answer
            assert await ask(other[1], HEARTBEAT) == [b"\0\0\0\7the second"]
            assert await ask(proxy.port, METADATA) == [answer]


async def test_clients_are_told_the_address_at_which_they_have_come(tmp_path: Path) -> None:
    async with (
        scripted_broker(answering(metadata_of(("kafka.example", 9092)))) as broker,
        proxied(tmp_path, broker, "") as proxy,
    ):
        for host in ("127.0.0.1", "127.0.0.2"):
            ((told, port),) = addresses_in((await ask(proxy.port, METADATA, host=host))[0])
            assert told == host
            assert port > 0


async def test_all_that_carries_addresses(tmp_path: Path) -> None:
    kafka = ("kafka.example", 9092)
    coordinator = Coordinator(key="g", node_id=1, host=kafka[0], port=9092, error_code=0)
    find = FindCoordinatorResponse(coordinators=[coordinator])
    cluster = DescribeClusterResponse(
        error_code=0, cluster_id="c", brokers=[DescribeClusterBroker(broker_id=1, host=kafka[0], port=9092)]
    )
    produced = ProduceResponse(node_endpoints=[NodeEndpoint(node_id=1, host=kafka[0], port=9092)])
    script = answering(
        metadata_of(kafka), b"\0" + encode(find, 6), b"\0" + encode(cluster, 1), b"\0" + encode(produced, 10)
    )
    async with scripted_broker(script) as broker, proxied(tmp_path, broker) as proxy:
        answers = await ask(
            proxy.port,
            METADATA,
            encode_request("FindCoordinator", 6, 2, "app", key_type=0, coordinator_keys=["g"]),
            encode_request("DescribeCluster", 1, 3, "app", include_cluster_authorized_operations=False),
            encode_request("Produce", 10, 4, "app", acks=1, timeout_ms=1, topic_data=[]),
        )
        ((host, port),) = addresses_in(answers[0])
    for message in (coordinator, cluster.brokers[0], produced.node_endpoints[0]):
        message.host, message.port = host, port
    assert answers[1][5:] == encode(find, 6)
    assert answers[2][5:] == encode(cluster, 1)
    assert answers[3][5:] == encode(produced, 10)


async def test_a_broker_that_calls_itself_by_its_number_is_the_one_that_was_named(tmp_path: Path) -> None:
    known: list[Address] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(metadata_of(*known))(reader, writer)

    async with scripted_broker(script) as broker, proxied(tmp_path, ("localhost", broker[1])) as proxy:
        known.append(broker)
        assert addresses_in((await ask(proxy.port, METADATA))[0]) == [("127.0.0.1", proxy.port)]


async def test_a_broker_that_advertises_the_proxy_is_believed(tmp_path: Path) -> None:
    proxy_port = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(metadata_of(("127.0.0.1", proxy_port)))(reader, writer)

    async with scripted_broker(script) as broker, proxied(tmp_path, broker) as proxy:
        proxy_port = proxy.port
        assert addresses_in((await ask(proxy.port, METADATA))[0]) == [("127.0.0.1", proxy.port)]


async def test_ports_that_are_taken_are_passed_over(tmp_path: Path) -> None:
    async with (
        scripted_broker(answering(metadata_of(("kafka.example", 9092)))) as broker,
        proxied(tmp_path, broker) as proxy,
    ):
        taken: list[socket.socket] = []
        with contextlib.suppress(OSError):  # taken by somebody else is as good
            taken += open_listening("127.0.0.1", proxy.port + 1, 1)
        ((_, port),) = addresses_in((await ask(proxy.port, METADATA))[0])
        assert port > proxy.port + 1
        for sock in taken:
            sock.close()


async def test_a_broker_that_closes(tmp_path: Path) -> None:
    async def close(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await read_frame(reader)

    async with scripted_broker(close) as broker, proxied(tmp_path, broker) as proxy:
        with pytest.raises(asyncio.IncompleteReadError):
            await ask(proxy.port, HEARTBEAT)
        lines = await proxy.lines()
    assert lines[-1] == "#1 closed: by the broker, without an answer to Heartbeat v3 7"


async def test_a_broker_that_has_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_broker(answering()) as broker:
        proxy = Proxied(tmp_path, broker)
        port = await proxy.proxy.open(0, broker)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await ask(port, HEARTBEAT)
    lines = await proxy.lines()
    assert lines[1] == f"#1 closed: since 127.0.0.1:{broker[1]} cannot be reached: Connection refused"
    assert caplog.messages[0] == f"Cannot reach 127.0.0.1:{broker[1]}: Connection refused."


async def test_a_client_that_has_said_all_still_gets_its_answer(tmp_path: Path) -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == framed(HEARTBEAT)
        writer.write(framed(b"\0\0\0\7" + b"\0\0\0\0\0\0"))

    async with scripted_broker(answer_at_the_end) as broker, proxied(tmp_path, broker) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(framed(HEARTBEAT))
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 30) == framed(b"\0\0\0\7" + b"\0\0\0\0\0\0")
        writer.close()
        assert (await proxy.lines())[-1] == "#1 closed: by the client"


async def test_nonsense_is_passed_on_both_ways(tmp_path: Path) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async with scripted_broker(web) as broker, proxied(tmp_path, broker) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 30) == b"HTTP/1.1 200 OK\r\n\r\n"
        writer.close()
        assert (await proxy.lines())[1:] == [
            '#1 > undecodable: no request has such a length; it begins with "GET / HTTP/1.1\\x0d\\x0a\\x0d\\x0a"',
            "#1 closed: by the broker",
        ]


async def test_closing_ends_all_connections(tmp_path: Path) -> None:
    async with scripted_broker(answering()) as broker, proxied(tmp_path, broker) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(framed(HEARTBEAT))
        async with asyncio.timeout(30):
            while "Heartbeat" not in proxy.log.path.read_text():
                await asyncio.sleep(0.01)
        assert (await proxy.lines())[-1] == "#1 closed: by this proxy, without an answer to Heartbeat v3 7"
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    async with scripted_broker(answering()) as broker:
        proxy = Proxied(tmp_path, broker)
        with pytest.raises(StartupError, match=f"Port {broker[1]} is in use; stop the other process or choose"):
            await proxy.proxy.open(broker[1], broker)
        await proxy.lines()


async def test_a_broker_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    async with scripted_broker(answering()) as broker:
        pass
    proxy = Proxied(tmp_path, broker)
    with pytest.raises(StartupError, match=f"Cannot reach 127.0.0.1:{broker[1]}: Connection refused."):
        await proxy.proxy.open(0, broker)
    await proxy.lines()
