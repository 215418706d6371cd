"""Settings that are changed while a broker serves: they hold for the next request, and after the next start."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.broker import Broker
from broker.config import BROKER_PROPERTIES, Config
from broker.config_table import Dynamic
from broker.config_types import parse
from broker.core.controller.topic_creation import NewTopic
from broker.metadata.keys import broker_configs_key, topic_key
from broker.metadata.records import TopicRecord, encode_configs, encode_topic
from broker.metadata.store import Put
from broker.topic_config import log_config
from broker.topic_config_table import TOPIC_SETTINGS
from protocol.errors import ErrorCode, KafkaError
from tests.support.admin_over_the_wire import BROKER, TOPIC, describe_configs, set_config
from tests.support.record_batches import encode_batch
from tests.support.records_over_the_wire import produce_batch
from tests.support.running_broker import running
from tests.support.wire import WireClient

NODE = "0"
KB = bytes(1024)


class Client:
    """Asks a broker in the test's own process, from a thread."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.wire = WireClient(broker.endpoints()[0])

    async def set(self, kind: int, name: str, key: str, value: str | None) -> None:
        await asyncio.to_thread(set_config, self.wire, kind, name, key, value)

    async def value(self, kind: int, name: str, key: str) -> tuple[str | None, int]:
        """A value, and the code of where it comes from."""
        entry = (await asyncio.to_thread(describe_configs, self.wire, kind, name, [key]))[key]
        return entry.value, entry.source

    async def refused(self, kind: int, name: str, **texts: str) -> tuple[int, str]:
        """Code and message of a change that is refused."""
        configs = [{"name": key.replace("_", "."), "config_operation": 0, "value": text} for key, text in texts.items()]
        resources = [{"resource_type": kind, "resource_name": name, "configs": configs}]
        answer = await asyncio.to_thread(self.wire.ask, "IncrementalAlterConfigs", 1, resources=resources)
        return int(answer.responses[0].error_code), answer.responses[0].error_message

    async def produce(self, value: bytes = b"x", *, producer_id: int = -1) -> Any:
        """The answer to one record for `orders`."""
        idempotent = {} if producer_id < 0 else {"producer_epoch": 0, "base_sequence": 0}
        batch = encode_batch([value], producer_id=producer_id, **idempotent)
        return await asyncio.to_thread(produce_batch, self.wire, "orders", batch)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running(tmp_path) as broker:
        await create(broker)
        client = Client(broker)
        with client.wire:
            yield client


async def create(broker: Broker) -> None:
    await broker.topics.create([NewTopic("orders")], may_create=lambda name: True, timeout_ms=30_000)


def config_of(broker: Broker) -> Any:
    log = broker.logs.get("orders", 0)
    assert log is not None
    return log.config


# --- every dynamic property ----------------------------------------------------------------------------------------

OTHER_VALUES = {
    "listeners": "PLAINTEXT://127.0.0.1:0,MORE://127.0.0.1:0",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,MORE:PLAINTEXT",
    "log.cleanup.policy": "compact",
    "log.message.timestamp.type": "LogAppendTime",
    "compression.type": "gzip",
    "log.preallocate": "true",
    "unclean.leader.election.enable": "true",
    "log.cleaner.min.cleanable.ratio": "0.25",
    "log.segment.bytes": "2097152",
    "compression.gzip.level": "5",
    "compression.lz4.level": "5",
    "compression.zstd.level": "5",
    "log.local.retention.ms": "0",
    "log.local.retention.bytes": "7",
    "max.connections.per.ip.overrides": "127.0.0.9:3",
}
DYNAMIC = [name for name, row in BROKER_PROPERTIES.items() if row.dynamic is not Dynamic.READ_ONLY]
IN_FORCE = {
    synonym.name for setting in TOPIC_SETTINGS.values() if setting.harmless is None for synonym in setting.synonyms
} - {"min.insync.replicas"}  # what a partition obeys, not its log


@pytest.mark.parametrize("name", sorted(DYNAMIC))
async def test_a_dynamic_property_holds_for_its_broker_and_is_obeyed(client: Client, name: str) -> None:
    broker = client.broker
    row = BROKER_PROPERTIES[name]
    text = OTHER_VALUES.get(name, "600001")
    if name == "listeners":
        await client.set(BROKER, NODE, "listener.security.protocol.map", OTHER_VALUES["listener.security.protocol.map"])
    value, before = broker.config.value(name), config_of(broker)
    await client.set(BROKER, NODE, name, text)
    assert broker.config.value(name) == parse(name, row.type, row.valid, text)
    assert config_of(broker) == log_config({}, broker.config)
    assert (config_of(broker) != before) == (name in IN_FORCE or name == "log.cleanup.policy")
    assert await client.value(BROKER, NODE, name) == (text, 2)
    await client.set(BROKER, NODE, name, None)
    assert broker.config.value(name) == value
    assert config_of(broker) == before


# --- what producers meet -------------------------------------------------------------------------------------------


async def test_the_largest_message_of_a_topic_of_a_broker_and_of_all(client: Client) -> None:
    async def taken() -> bool:
        code = (await client.produce(KB)).error_code
        assert code in (ErrorCode.NONE, ErrorCode.MESSAGE_TOO_LARGE)
        return bool(code == ErrorCode.NONE)

    steps: list[tuple[int, str, str, str | None, bool]] = [
        (BROKER, "", "message.max.bytes", "1000", False),
        (BROKER, NODE, "message.max.bytes", "2000", True),
        (TOPIC, "orders", "max.message.bytes", "1000", False),
        (BROKER, NODE, "message.max.bytes", "1000", False),
        (TOPIC, "orders", "max.message.bytes", "2000", True),
        (TOPIC, "orders", "max.message.bytes", None, False),
        (BROKER, NODE, "message.max.bytes", None, False),
        (BROKER, "", "message.max.bytes", None, True),
    ]
    for kind, name, key, value, fits in steps:
        await client.set(kind, name, key, value)
        assert await taken() == fits, (kind, name, key, value)


async def test_a_topic_is_rolled_by_its_size_as_soon_as_it_says_so(client: Client) -> None:
    log = client.broker.logs.get("orders", 0)
    assert log is not None
    await client.produce(KB)
    await client.produce(KB)
    assert len(log.segments) == 1
    await client.set(TOPIC, "orders", "internal.segment.bytes", "1500")
    await client.produce(KB)
    await client.produce(KB)
    assert len(log.segments) == 3
    await client.set(TOPIC, "orders", "internal.segment.bytes", None)
    await client.produce(KB)
    assert len(log.segments) == 3


async def test_records_get_the_brokers_time_as_soon_as_it_says_so(client: Client) -> None:
    assert milliseconds((await client.produce()).log_append_time) == -1
    await client.set(BROKER, "", "log.message.timestamp.type", "LogAppendTime")
    assert milliseconds((await client.produce()).log_append_time) > 0
    await client.set(TOPIC, "orders", "message.timestamp.type", "CreateTime")
    assert milliseconds((await client.produce()).log_append_time) == -1


def milliseconds(moment: Any) -> int:
    """kio has None where Kafka says -1."""
    return -1 if moment is None else round(moment.timestamp() * 1000)


async def test_producers_are_forgotten_after_the_time_that_holds_now(client: Client) -> None:
    await client.produce(producer_id=7)
    logs = client.broker.logs
    assert logs.expire_producers() == 0
    await client.set(BROKER, "", "producer.id.expiration.ms", "1")
    async with asyncio.timeout(30):
        while logs.expire_producers() == 0:
            await asyncio.sleep(0.001)


# --- restarts ------------------------------------------------------------------------------------------------------


async def test_what_was_set_holds_from_the_very_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as broker:
        await create(broker)
        client = Client(broker)
        with client.wire:
            await client.set(BROKER, "", "message.max.bytes", "900")
            await client.set(BROKER, NODE, "log.segment.bytes", "2000000")
            await client.set(BROKER, NODE, "log.retention.hours.typo", "1")
            await client.set(TOPIC, "orders", "segment.ms", "77")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        async with running(tmp_path, settings={"log.segment.bytes": "3000000"}) as broker:
            assert config_of(broker) == log_config({"segment.ms": "77"}, broker.config)
            assert (config_of(broker).max_message_bytes, config_of(broker).segment_bytes) == (900, 2_000_000)
            client = Client(broker)
            with client.wire:
                assert (await client.produce(KB)).error_code == ErrorCode.MESSAGE_TOO_LARGE
                assert await client.value(BROKER, NODE, "log.segment.bytes") == ("2000000", 2)
                assert await client.value(TOPIC, "orders", "segment.bytes") == ("2000000", 2)
    messages = [record.getMessage() for record in caplog.records]
    assert "[configs] Set at run time: log.retention.hours.typo, log.segment.bytes=2000000, message.max.bytes=900" in (
        messages
    )
    assert (
        "[configs] Unknown properties are ignored: 'log.retention.hours.typo' (the nearest is 'log.retention.hours')"
    ) in messages
    assert "not yet in force" not in caplog.text


async def test_what_is_no_longer_valid_keeps_no_broker_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as broker:
        await create(broker)
        topic = broker.images.current.topics["orders"]
        overrides = {"retention.ms": "no number", "long.gone": "1", "min.insync.replicas": "x", "segment.ms": "77"}
        record = TopicRecord(topic.topic_id, overrides, topic.assignment)
        changes = [
            Put(topic_key("orders"), encode_topic(record)),
            Put(broker_configs_key(None), encode_configs({"message.max.bytes": "x", "log.retention.ms": "0"})),
            Put(broker_configs_key(0), encode_configs({"num.partitions": "3", "log.segment.bytes": "2000000"})),
        ]
        result = await broker.metadata.txn([], changes)
        await broker.images.wait_for(result.revision)
    caplog.clear()
    async with running(tmp_path) as broker:
        assert config_of(broker) == log_config({"segment.ms": "77"}, Config({"log.segment.bytes": "2000000"}))
        client = Client(broker)
        with client.wire:
            assert (await client.produce()).error_code == ErrorCode.NONE
            assert await client.value(TOPIC, "orders", "retention.ms") == ("604800000", 5)
            await client.set(BROKER, "", "log.retention.ms", "5")
            assert config_of(broker).retention_ms == 5
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[:2] == [
        "[configs] Set at run time, but not in force: num.partitions is read-only. "
        "log.retention.ms must be -1 for ever, or at least 1. "
        "Invalid value x for configuration message.max.bytes: Not a number of type INT.",
        "1 topic has settings that are not valid any longer, as orders",
    ]


# --- listeners -----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def ask(port: int) -> tuple[str, int]:
    """Where a client that comes in on a port is told to go."""
    with WireClient(("127.0.0.1", port)) as wire:
        (broker,) = wire.ask("Metadata", 12, topics=[]).brokers
        return broker.host, broker.port


async def refuses(port: int) -> bool:
    try:
        await asyncio.to_thread(ask, port)
    except OSError:
        return True
    return False


async def set_by_another_broker(broker: Broker, configs: dict[str, str]) -> None:
    """Set what this broker has not tried before."""
    result = await broker.metadata.txn([], [Put(broker_configs_key(0), encode_configs(configs))])
    await broker.images.wait_for(result.revision)


ELSEWHERE = "192.0.2.1"  # an address of documentation (RFC 5737), which no machine has
PROTOCOLS = "PLAINTEXT:PLAINTEXT,MORE:PLAINTEXT,LAST:PLAINTEXT"


async def test_listeners_come_and_go(client: Client) -> None:
    first, second = client.broker.endpoints()[0][1], free_port()
    await client.set(BROKER, NODE, "listener.security.protocol.map", PROTOCOLS)
    both = f"PLAINTEXT://127.0.0.1:0,MORE://127.0.0.1:{second}"
    await client.set(BROKER, NODE, "listeners", both)
    assert [port for _, port in client.broker.endpoints()] == [first, second]
    assert await asyncio.to_thread(ask, second) == ("127.0.0.1", second)
    assert await asyncio.to_thread(ask, first) == ("127.0.0.1", first), "it was not touched"
    with WireClient(("127.0.0.1", second)) as other:
        await asyncio.to_thread(other.ask, "ApiVersions", 3)
        await client.set(BROKER, NODE, "listeners", None)
        assert await asyncio.to_thread(other.await_close) == b""
    assert await refuses(second)
    assert await asyncio.to_thread(ask, first) == ("127.0.0.1", first)


async def test_a_client_may_remove_the_listener_that_it_came_by(client: Client) -> None:
    first, second = client.broker.endpoints()[0][1], free_port()
    await client.set(BROKER, NODE, "listener.security.protocol.map", PROTOCOLS)
    await client.set(BROKER, NODE, "listeners", f"LAST://127.0.0.1:{second}")  # and is answered
    assert await asyncio.to_thread(client.wire.await_close) == b""
    assert await refuses(first)
    assert await asyncio.to_thread(ask, second) == ("127.0.0.1", second)


async def test_a_listener_that_moves_keeps_its_clients(client: Client) -> None:
    first, second = client.broker.endpoints()[0][1], free_port()
    await client.set(BROKER, NODE, "listeners", f"PLAINTEXT://127.0.0.1:{second}")
    assert await refuses(first)
    assert await asyncio.to_thread(ask, second) == ("127.0.0.1", second)
    await client.set(BROKER, NODE, "listeners", f"PLAINTEXT://localhost:{second}")  # the same port
    assert await asyncio.to_thread(ask, second) == ("127.0.0.1", second)
    assert (await client.produce()).error_code == ErrorCode.NONE


async def test_an_address_that_cannot_be_bound_is_refused(client: Client) -> None:
    before = client.broker.endpoints()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, message = await client.refused(
            BROKER,
            NODE,
            listeners=f"PLAINTEXT://127.0.0.1:0,MORE://127.0.0.1:{port}",
            listener_security_protocol_map=PROTOCOLS,
        )
        assert code == ErrorCode.INVALID_REQUEST
        assert message.startswith(f"Port {port} is in use")
        own_port = before[0][1]  # which would be left before it can be taken
        for host, complaint in (("a..b", "no domain name"), (ELSEWHERE, "Cannot listen on")):
            code, message = await client.refused(BROKER, NODE, listeners=f"PLAINTEXT://{host}:{own_port}")
            assert code == ErrorCode.INVALID_REQUEST
            assert complaint in message
        code, message = await client.refused(BROKER, NODE, listeners="PLAINTEXT://no such host:1")
        assert code == ErrorCode.INVALID_REQUEST
    assert client.broker.endpoints() == before
    assert not client.broker.images.current.broker_configs


async def test_listeners_that_another_broker_wrote_for_this_one_and_that_cannot_be_bound_are_left_out(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        configs = {
            "listeners": f"PLAINTEXT://127.0.0.1:0,MORE://127.0.0.1:{port}",
            "listener.security.protocol.map": PROTOCOLS,
        }
        await set_by_another_broker(client.broker, configs)
        await client.broker.server.listeners_settled()
        assert len(client.broker.endpoints()) == 1
        assert (await client.produce()).error_code == ErrorCode.NONE
        caplog.clear()
        await client.set(BROKER, NODE, "log.retention.ms", "1000000")
        assert len(client.broker.endpoints()) == 1
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        f"[listeners] Port {port} is in use; stop the other process or choose another port with --port or listeners."
    ]


@pytest.mark.parametrize("set_before", [False, True])
@pytest.mark.parametrize("name", ["PLAINTEXT", "LAST"])
async def test_the_last_listener_is_not_given_up_for_one_that_cannot_be_bound(
    client: Client, caplog: pytest.LogCaptureFixture, name: str, set_before: bool
) -> None:
    broker = client.broker
    if set_before:
        await client.set(BROKER, NODE, "listeners", f"PLAINTEXT://127.0.0.1:{free_port()}")
    port = broker.endpoints()[0][1]
    configs = {"listeners": f"{name}://{ELSEWHERE}:{port}", "listener.security.protocol.map": PROTOCOLS}
    await set_by_another_broker(broker, configs)
    await broker.server.listeners_settled()
    assert f"Cannot listen on {name}://{ELSEWHERE}:{port}" in caplog.text
    assert broker.config.list("listeners") == ["PLAINTEXT://127.0.0.1:0"], "as after a start"
    [(host, port_now)] = broker.endpoints()
    assert (port_now == port) != set_before
    assert await asyncio.to_thread(ask, port_now) == (host, port_now)
    assert (await client.produce()).error_code == ErrorCode.NONE, "connections stay"


async def test_a_port_is_left_only_when_the_new_one_is_bound(client: Client) -> None:
    before = client.broker.endpoints()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listeners = f"PLAINTEXT://127.0.0.1:{taken.getsockname()[1]}"
        await set_by_another_broker(client.broker, {"listeners": listeners})
        await client.broker.server.listeners_settled()
    assert client.broker.endpoints() == before
    assert await asyncio.to_thread(ask, before[0][1]) == before[0]


async def test_metadata_goes_on_while_a_name_server_is_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()
    getaddrinfo = socket.getaddrinfo

    def slow(host: str, *arguments: Any, **named: Any) -> Any:
        if host == "slow.example":
            asked.set()
            assert answer.wait(30)
            host = "127.0.0.1"
        return getaddrinfo(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    broker, before = client.broker, client.broker.endpoints()
    await set_by_another_broker(broker, {"listeners": "PLAINTEXT://slow.example:0"})
    await asyncio.to_thread(asked.wait, 30)
    [error] = (await broker.topics.create([NewTopic("more")], may_create=lambda name: True, timeout_ms=30_000)).values()
    assert not isinstance(error, KafkaError)
    assert broker.endpoints() == before
    answer.set()
    await broker.server.listeners_settled()
    assert [host for host, _ in broker.endpoints()] == ["slow.example"]


async def test_listeners_that_were_set_are_there_after_a_start_or_else_those_of_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    async with running(tmp_path) as broker:
        client = Client(broker)
        with client.wire:
            await client.set(BROKER, NODE, "listeners", f"PLAINTEXT://127.0.0.1:{port}")
    async with running(tmp_path) as broker:
        assert broker.endpoints() == [("127.0.0.1", port)]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        async with running(tmp_path) as broker:
            [(host, other)] = broker.endpoints()
            assert host == "127.0.0.1" and other != port
            assert await asyncio.to_thread(ask, other) == ("127.0.0.1", other)
            client = Client(broker)
            with client.wire:
                await client.set(BROKER, NODE, "log.retention.ms", "1000000")
            assert broker.endpoints() == [(host, other)]
    assert f"[configs] The listeners set at run time are not in force: Port {port} is in use" in caplog.text


async def test_no_listener_comes_back_while_a_broker_stops(client: Client) -> None:
    port = free_port()
    client.broker.server.stop_accepting()
    await client.set(BROKER, NODE, "listeners", f"PLAINTEXT://127.0.0.1:{port}")
    assert client.broker.endpoints() == []
    assert await refuses(port)
