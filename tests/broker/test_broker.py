"""Whole brokers inside the test's own process: several beside each other, and disks that fail under them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError as ClientError

from broker import gateways, listening_sockets
from broker.broker import Broker
from broker.config import StartupError
from broker.core.controller.topic_creation import NewTopic
from broker.core.controller.topic_deletion import TopicReference
from protocol.errors import KafkaError
from storage.filesystem import Filesystem
from tests.support.running_broker import running
from tests.support.wire import WireClient


class FailingDisk(Filesystem):
    """A file system whose writes to log files fail with the error that the test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.error: int | None = None

    def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        if self.error is not None and os.readlink(f"/proc/self/fd/{fd}").endswith(".log"):
            raise OSError(self.error, os.strerror(self.error))
        return super().pwrite(fd, data, position)


def address(broker: Broker) -> str:
    [(host, port)] = broker.endpoints()
    return f"{host}:{port}"


async def produce(broker: Broker, topic: str, *values: bytes) -> list[int]:
    producer = AIOKafkaProducer(bootstrap_servers=address(broker), request_timeout_ms=1_000, retry_backoff_ms=10)
    await producer.start()
    try:
        return [(await producer.send_and_wait(topic, value)).offset for value in values]
    finally:
        await producer.stop()


async def consume(broker: Broker, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address(broker), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(count)]
    finally:
        await consumer.stop()


def found(directory: Path, pattern: str) -> list[Path]:
    return list(directory.glob(pattern))


async def eventually(attempt: Callable[[], Awaitable[object]]) -> None:
    """Try again until the attempt no longer fails in the client."""
    async with asyncio.timeout(30):
        while True:
            try:
                await attempt()
            except ClientError:
                await asyncio.sleep(0.01)
            else:
                return


async def test_two_brokers_in_one_process_know_nothing_of_each_other(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as first, running(tmp_path / "b") as second:
        assert first.cluster_id != second.cluster_id
        assert await produce(first, "orders", b"one", b"two") == [0, 1]
        assert await produce(second, "orders", b"other") == [0]
        assert await consume(first, "orders", 2) == [b"one", b"two"]
        assert await consume(second, "orders", 1) == [b"other"]


async def test_everything_is_there_after_a_restart_and_the_epoch_has_risen(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        cluster_id = broker.cluster_id
        await produce(broker, "orders", b"one")
        topic_id = broker.images.current.topics["orders"].topic_id
        assert broker.images.current.leader_epoch("orders", 0) == 0
    async with running(tmp_path) as broker:
        assert broker.cluster_id == cluster_id
        assert broker.images.current.topics["orders"].topic_id == topic_id
        assert broker.images.current.leader_epoch("orders", 0) == 1
        assert await produce(broker, "orders", b"two") == [1]
        assert await consume(broker, "orders", 2) == [b"one", b"two"]


async def test_a_full_disk_is_an_error_to_the_producer_and_passes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FailingDisk()
    async with running(tmp_path, disk) as broker:
        await produce(broker, "orders", b"one")
        disk.error = errno.ENOSPC
        with pytest.raises(ClientError):
            await asyncio.wait_for(produce(broker, "orders", b"lost"), 20)
        assert broker.logs.online_directories
        assert "No space left on device" in caplog.text
        disk.error = None
        assert await produce(broker, "orders", b"two") == [1]
        assert await consume(broker, "orders", 2) == [b"one", b"two"]


async def test_a_broken_disk_takes_its_directory_offline_and_the_last_one_ends_the_broker(tmp_path: Path) -> None:
    disk = FailingDisk()
    failed = asyncio.Event()
    async with running(tmp_path, disk, failed.set) as broker:
        await produce(broker, "orders", b"one")
        disk.error = errno.EIO
        with pytest.raises(ClientError):
            await asyncio.wait_for(produce(broker, "orders", b"lost"), 20)
        await asyncio.wait_for(failed.wait(), 10)
        assert broker.failed
        assert not broker.logs.online_directories
    async with running(tmp_path) as broker:
        assert await consume(broker, "orders", 1) == [b"one"]


async def test_other_log_directories_go_on_serving(tmp_path: Path) -> None:
    disk = FailingDisk()
    failed = asyncio.Event()
    directories = f"{tmp_path}/disk1,{tmp_path}/disk2"
    async with running(tmp_path / "d", disk, failed.set, {"log.dirs": directories}) as broker:
        await produce(broker, "first", b"1")
        await produce(broker, "second", b"2")
        disk.error = errno.EIO
        with pytest.raises(ClientError):
            await asyncio.wait_for(produce(broker, "first", b"lost"), 20)
        disk.error = None
        await eventually(lambda: produce(broker, "second", b"3"))
        assert await consume(broker, "second", 2) == [b"2", b"3"]
        assert len(broker.logs.online_directories) == 1
        assert not failed.is_set()


async def test_a_port_in_use_is_one_sentence_and_leaves_nothing_open(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as first:
        port = first.endpoints()[0][1]
        with pytest.raises(StartupError, match=f"Port {port} is in use"):
            async with running(tmp_path / "b", settings={"listeners": f"PLAINTEXT://127.0.0.1:{port}"}):
                pass
    async with running(tmp_path / "b"):
        pass


async def test_a_host_that_cannot_be_a_name_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="no domain name"):
        async with running(tmp_path, settings={"listeners": "PLAINTEXT://a..b:0"}):
            pass


async def test_a_machine_without_ipv6_serves_on_ipv4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnlyIPv4(socket.socket):
        def __init__(self, family: int = -1, *arguments: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
            super().__init__(family, *arguments)

    addresses = ((socket.AF_INET6, ("::1", 0, 0, 0)), (socket.AF_INET, ("127.0.0.1", 0)))
    found = [(family, socket.SOCK_STREAM, 6, "", address) for family, address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "socket", OnlyIPv4)
    async with running(tmp_path, settings={"listeners": "PLAINTEXT://localhost:0"}) as broker:
        monkeypatch.undo()
        WireClient(("127.0.0.1", broker.endpoints()[0][1])).close()


async def test_a_stop_waits_for_topics_whose_request_was_given_up(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        with pytest.raises(KafkaError, match="not finished"):
            await broker.topics.create(
                [NewTopic("orders", partition_count=1_000)], may_create=lambda _: True, timeout_ms=1
            )
    assert len(list((tmp_path / "broker-0").glob("orders-*"))) == 1_000


async def test_metadata_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "metadata.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StartupError, match=r"metadata\.db"):
        async with running(tmp_path):
            pass


async def test_a_log_directory_of_another_cluster_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as broker:
        await produce(broker, "orders", b"one")
    with pytest.raises(StartupError, match="belongs to cluster"):
        async with running(tmp_path / "b", settings={"log.dirs": f"{tmp_path}/a/broker-0"}):
            pass


async def test_a_checkpoint_spares_the_next_start_what_has_been_rolled(tmp_path: Path) -> None:
    settings = {"log.segment.bytes": str(1 << 20), "log.flush.offset.checkpoint.interval.ms": "0"}
    async with running(tmp_path, settings=settings) as broker:
        await produce(broker, "orders", *[os.urandom(500_000) for _ in range(5)])
        log = broker.logs.get("orders", 0)
        assert log is not None
        async with asyncio.timeout(30):
            while log.recovery_point < log.segments[-1].base_offset:
                await asyncio.sleep(0.01)
        checkpoint = tmp_path / "broker-0" / "recovery-point-offset-checkpoint"
        async with asyncio.timeout(30):
            while not (checkpoint.exists() and f"orders 0 {log.recovery_point}" in checkpoint.read_text()):
                await asyncio.sleep(0.01)
        assert 0 < log.recovery_point < 5


async def test_expired_records_go_and_then_their_files(tmp_path: Path) -> None:
    settings = {
        "log.segment.bytes": str(1 << 20),
        "log.retention.bytes": str(1 << 20),
        "log.retention.check.interval.ms": "1",
        "log.segment.delete.delay.ms": "0",
    }
    async with running(tmp_path, settings=settings) as broker:
        await produce(broker, "orders", *[os.urandom(500_000) for _ in range(9)])
        async with asyncio.timeout(30):
            while len(found(tmp_path, "broker-0/orders-0/*.log*")) > 2:
                await asyncio.sleep(0.01)
        partition = broker.partitions.get("orders", 0)
        assert partition is not None
        assert partition.log_start_offset == 6
    assert (tmp_path / "broker-0/log-start-offset-checkpoint").read_text() == "0\n1\norders 0 6\n"


async def test_the_files_of_deleted_topics_go_after_the_brokers_delay(tmp_path: Path) -> None:
    async def delete(broker: Broker, topic: str) -> None:
        references = [TopicReference(topic)]
        await broker.topics.delete(
            references, may_describe=lambda _: True, may_delete=lambda _: True, timeout_ms=30_000
        )

    async with running(tmp_path) as broker:
        await produce(broker, "orders", b"one")
        await delete(broker, "orders")
        assert len(found(tmp_path, "broker-0/orders-0.*-delete")) == 1
    async with running(tmp_path, settings={"log.segment.delete.delay.ms": "0"}) as broker:
        await produce(broker, "payments", b"one")
        await delete(broker, "payments")
        async with asyncio.timeout(30):
            while found(tmp_path, "broker-0/*-delete"):
                await asyncio.sleep(0.01)


async def test_a_failed_sync_takes_the_directory_offline_and_is_not_tried_again(tmp_path: Path) -> None:
    class NoSync(Filesystem):
        syncs = 0

        def fdatasync(self, fd: int) -> None:
            NoSync.syncs += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    failed = asyncio.Event()
    settings = {"log.segment.bytes": str(1 << 20), "log.flush.offset.checkpoint.interval.ms": "0"}
    async with running(tmp_path, NoSync(), failed.set, settings) as broker:
        await produce(broker, "orders", *[os.urandom(500_000) for _ in range(5)])
        await asyncio.wait_for(failed.wait(), 30)
    assert NoSync.syncs == 1


def advertised(endpoint: tuple[str, int]) -> list[tuple[str, int]]:
    with WireClient((endpoint[0] or "127.0.0.1", endpoint[1])) as wire:
        return [(node.host, node.port) for node in wire.ask("Metadata", 12, topics=None).brokers]


LISTENERS = {
    "listeners": "PLAINTEXT://:0,SIX://[::1]:0,NAMED://localhost:0",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SIX:PLAINTEXT,NAMED:PLAINTEXT",
}


async def test_each_listener_tells_its_clients_where_they_came_in(tmp_path: Path) -> None:
    async with running(tmp_path, settings=LISTENERS) as broker:
        every, six, named = broker.endpoints()
        assert (every[0], six[0], named[0]) == ("", "::1", "localhost")
        assert await asyncio.to_thread(advertised, every) == [("127.0.0.1", every[1])]
        assert await asyncio.to_thread(advertised, ("::1", every[1])) == [("::1", every[1])]
        assert await asyncio.to_thread(advertised, six) == [six]
        assert await asyncio.to_thread(advertised, ("127.0.0.1", named[1])) == [("127.0.0.1", named[1])]


async def test_advertised_listeners_are_told_to_the_clients_of_their_listener(tmp_path: Path) -> None:
    settings = {**LISTENERS, "advertised.listeners": "PLAINTEXT://kafka.example:9092,SIX://[::1]:7777"}
    async with running(tmp_path, settings=settings) as broker:
        every, six, named = broker.endpoints()
        assert await asyncio.to_thread(advertised, every) == [("kafka.example", 9092)]
        assert await asyncio.to_thread(advertised, six) == [("::1", 7777)]
        assert await asyncio.to_thread(advertised, named) == []


async def test_clients_that_come_from_the_gateway_are_told_the_host_that_is_set_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if 127.0.0.1, from where the clients of this test come, were the gateway of a container's network.
    gateway = int.from_bytes(socket.inet_aton("127.0.0.1"), sys.byteorder)
    (tmp_path / "route").write_text(f"heading\neth0 00000000 {gateway:08X} 0003 0 0 0 00000000 0 0 0\n")
    monkeypatch.setattr(gateways, "_ROUTES", str(tmp_path / "route"))
    monkeypatch.setattr(gateways, "_ROUTES_6", str(tmp_path / "missing"))
    settings = {
        "listeners": "EVERY://0.0.0.0:0,SIX://:0,ONE://127.0.0.1:0,NAMED://:0",
        "advertised.listeners": "EVERY://:0,SIX://:7777,ONE://:0,NAMED://kafka.example:0",
        "listener.security.protocol.map": "EVERY:PLAINTEXT,SIX:PLAINTEXT,ONE:PLAINTEXT,NAMED:PLAINTEXT",
        "ottla.gateway.advertised.host": "the-host",
    }

    def coordinator(port: int) -> tuple[str, int]:
        with WireClient(("127.0.0.1", port)) as wire:
            found = wire.ask("FindCoordinator", 0, key="group")
            return found.host, found.port

    async with running(tmp_path / "data", settings=settings) as broker:
        every, six, one, named = (port for _, port in broker.endpoints())

        async def told(host: str, port: int) -> list[tuple[str, int]]:
            return await asyncio.to_thread(advertised, (host, port))

        assert await told("127.0.0.1", every) == [("the-host", every)]
        assert await told("127.0.0.1", six) == [("the-host", 7777)]
        assert await told("::1", six) == [("::1", 7777)], "which comes from elsewhere"
        assert await told("127.0.0.1", one) == [("127.0.0.1", one)], "a listener on this address alone"
        assert await told("127.0.0.1", named) == [("kafka.example", named)]
        assert await asyncio.to_thread(coordinator, every) == ("the-host", every)
        assert broker.advertisements() == [
            f"Clients of EVERY://0.0.0.0:{every} are told to connect to the address that they have reached, port "
            f"{every}; those that come from the default gateway, as of a container's host, to the-host:{every}.",
            f"Clients of SIX://:{six} are told to connect to the address that they have reached, port 7777; those that "
            "come from the default gateway, as of a container's host, to the-host:7777.",
            f"Clients of ONE://127.0.0.1:{one} are told to connect to the address that they have reached, port {one}.",
            f"Clients of NAMED://:{named} are told to connect to kafka.example:{named}.",
            f"Anybody who can reach EVERY://0.0.0.0:{every} or SIX://:{six} or NAMED://:{named} may read, write and "
            "delete everything, as there is no authentication yet; a listener on 127.0.0.1 is for this machine alone.",
        ]


async def test_a_cluster_s_id_that_is_brought_along_is_the_data_s_from_then_on(tmp_path: Path) -> None:
    async with running(tmp_path, settings={"ottla.cluster.id": "ours"}) as broker:
        assert broker.cluster_id == "ours"
    async with running(tmp_path) as broker:
        assert broker.cluster_id == "ours"
    with pytest.raises(StartupError, match=r"is that of the cluster ours, not another: give that id, or none, or"):
        async with running(tmp_path, settings={"ottla.cluster.id": "another"}):
            pass
    async with running(tmp_path, settings={"ottla.cluster.id": "ours"}) as broker:
        assert broker.cluster_id == "ours"


async def test_a_crowd_of_connections_takes_turns(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        (endpoint,) = broker.endpoints()

        def ask_at_once() -> bool:
            with contextlib.ExitStack() as stack:
                crowd = [stack.enter_context(WireClient(endpoint)) for _ in range(40)]
                sent = [client.send("ApiVersions", 0) for client in crowd]
                for client, correlation_id in zip(crowd, sent, strict=True):
                    assert client.receive("ApiVersions", 0, correlation_id).error_code == 0
                return broker.server.is_crowded

        assert not broker.server.is_crowded
        assert await asyncio.to_thread(ask_at_once)
        async with asyncio.timeout(30):
            while broker.server.is_crowded:
                await asyncio.sleep(0.001)


async def test_connections_leave_descriptors_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as broker:
        await produce(broker, "orders", b"one")
        broker.server.connections_max = 1
        first = socket.create_connection(broker.endpoints()[0])
        second = socket.create_connection(broker.endpoints()[0])
        with first, second:
            second.settimeout(10)
            assert await asyncio.to_thread(second.recv, 1) == b""
        assert "Refusing the connection of 127.0.0.1: 1 are open" in caplog.text
        broker.server.connections_max = 100
        await eventually(lambda: produce(broker, "orders", b"two"))


async def test_a_log_directory_that_is_gone_is_named_and_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as broker:
        await produce(broker, "orders", b"one")
    shutil.rmtree(tmp_path / "broker-0" / "orders-0")
    async with running(tmp_path) as broker:
        assert "1 partition has no log directory, and an empty log is made, as of orders-0" in caplog.text
        assert await produce(broker, "orders", b"two") == [0]


@pytest.mark.parametrize(("topics", "line"), [(1, "1 log was checked"), (2, "2 logs were checked")])
async def test_after_a_crash_it_is_said_how_many_logs_were_checked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, topics: int, line: str
) -> None:
    async with running(tmp_path) as broker:
        for number in range(topics):
            await produce(broker, f"orders{number}", b"one")
    (tmp_path / "broker-0" / ".kafka_cleanshutdown").unlink()
    with caplog.at_level(logging.INFO):
        async with running(tmp_path):
            assert line in caplog.text


async def test_a_free_port_is_free_on_all_addresses_of_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[int] = []

    def bind(family: int, address: tuple[Any, ...], backlog: int) -> socket.socket:
        if len(bound) == 1:
            bound.append(0)
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        sock = open_socket(family, address, backlog)
        bound.append(sock.getsockname()[1])
        return sock

    open_socket = listening_sockets._open
    monkeypatch.setattr(listening_sockets, "_open", bind)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{i}", 0)) for i in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    async with running(tmp_path, settings={"listeners": "PLAINTEXT://two.example:0"}) as broker:
        assert len(bound) == 4
        assert bound[2] == bound[3] == broker.endpoints()[0][1]


async def test_what_goes_on_without_its_client_still_says_that_it_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("our bug")

    async with running(tmp_path) as broker:
        broker.run(fail()).cancel()
    assert "our bug" in caplog.text
