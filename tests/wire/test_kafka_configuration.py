"""Configurations that were written for Kafka, and what a broker says at its start and at its end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.broker_process import BrokerProcess, fail_to_start
from tests.support.wire import WireClient

Address = tuple[str, int]

# The properties of the file that Kafka 4.3 comes with, in words of our own but for the names.
SERVER_PROPERTIES = """
process.roles = broker, controller
node.id = 1
controller.quorum.bootstrap.servers = localhost:9093
listeners = PLAINTEXT://127.0.0.1:0, CONTROLLER://:9093
inter.broker.listener.name = PLAINTEXT
advertised.listeners = PLAINTEXT://localhost:{advertised_port}, CONTROLLER://localhost:9093
controller.listener.names = CONTROLLER
listener.security.protocol.map = CONTROLLER:PLAINTEXT, PLAINTEXT:PLAINTEXT, SSL:SSL, SASL_PLAINTEXT:SASL_PLAINTEXT, \\
    SASL_SSL:SASL_SSL
num.network.threads = 3
num.io.threads = 8
socket.send.buffer.bytes = 102400
socket.receive.buffer.bytes = 102400
socket.request.max.bytes = 104857600
log.dirs = {log_dirs}
num.partitions = 2
num.recovery.threads.per.data.dir = 2
offsets.topic.replication.factor = 3
share.coordinator.state.topic.replication.factor = 1
share.coordinator.state.topic.min.isr = 1
transaction.state.log.replication.factor = 1
transaction.state.log.min.isr = 1
log.retention.hours = 168
log.segment.bytes = 1073741824
log.retention.check.interval.ms = 300000
"""


def brokers(address: Address) -> list[tuple[int, str, int]]:
    with WireClient(address) as client:
        return [(node.node_id, node.host, node.port) for node in client.ask("Metadata", 12, topics=None).brokers]


@pytest.fixture
def stock_file(tmp_path: Path) -> Path:
    file = tmp_path / "server.properties"
    file.write_text(SERVER_PROPERTIES.format(advertised_port=29092, log_dirs=tmp_path / "kraft-combined-logs"))
    return file


def test_the_file_that_kafka_comes_with(stock_file: Path, tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "log", "--config", str(stock_file), port=None) as broker:
        assert len(broker.ready.endpoints) == 1, "the controller's listener is left out"
        assert broker.ready.directory == tmp_path / "kraft-combined-logs" / "ottla-metadata"
        assert brokers(broker.address) == [(1, "localhost", 29092)]
        with broker.connect() as client:
            # Of three replicas that the groups' topic should have there is room for one.
            assert client.ask("FindCoordinator", 0, key="readers").error_code == 0
        broker.restart()
        assert broker.stop() == 0
        assert "WARNING" not in broker.log
        assert broker.log.count("Properties of Kafka that have no meaning here: ") == 2
        assert broker.log.count("are told to connect to localhost:29092.") == 2
        assert broker.log.splitlines()[-1].endswith("INFO The broker has stopped cleanly.")


def test_the_environment_of_kafka_s_images(tmp_path: Path) -> None:
    environment = {
        "KAFKA_NODE_ID": "7",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://127.0.0.1:0,CONTROLLER://localhost:29093,PLAINTEXT_HOST://0.0.0.0:0",
        "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://broker:29092,PLAINTEXT_HOST://localhost:9092",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "7@localhost:29093",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_LOG_DIRS": str(tmp_path / "logs"),
        "KAFKA_HEAP_OPTS": "-Xmx512m",
        "KAFKA_JMX_PORT": "9101",
        "CLUSTER_ID": "MkU3OEVBNTcwNTJENDM2Qk",
    }
    with BrokerProcess(tmp_path / "log", "--from-env", port=None, environment=environment) as broker:
        inside, outside = broker.ready.endpoints
        assert brokers(inside) == [(7, "broker", 29092)]
        assert brokers(("127.0.0.1", outside[1])) == [(7, "localhost", 9092)]
        assert broker.ready.cluster_id == environment["CLUSTER_ID"]
        broker.restart()
        assert broker.stop() == 0
        warnings = [line for line in broker.log.splitlines() if " WARNING " in line]
        assert all("The advertised host broker does not resolve" in line for line in warnings), warnings


def test_the_environment_means_nothing_unless_it_is_asked_for(make_broker: Callable[..., BrokerProcess]) -> None:
    broker = make_broker(environment={"KAFKA_NODE_ID": "7", "KAFKA_LISTENERS": "nonsense"}).start()
    assert [node_id for node_id, _, _ in brokers(broker.address)] == [0]


def test_a_name_that_is_mistyped_is_one_warning(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("num.partition=3\n")
    broker = make_broker(
        *("--config", str(file), "--from-env", "--set", "log.retension.ms=1"),
        environment={"KAFKA_BROKER_RACKS": "secret"},
    ).start()
    assert broker.stop() == 0
    [warning] = [line for line in broker.log.splitlines() if "WARNING" in line]
    for name, place, nearest in (
        ("num.partition", f"{file}, line 1", "num.partitions"),
        ("broker.racks", "the environment variable KAFKA_BROKER_RACKS", "broker.rack"),
        ("log.retension.ms", "--set", "log.retention.ms"),
    ):
        assert f"{name!r} ({place}; the nearest is {nearest!r})" in warning
    assert "secret" not in broker.log


def test_more_replicas_than_brokers_are_one_line_of_information(make_broker: Callable[..., BrokerProcess]) -> None:
    broker = make_broker("--set", "default.replication.factor=3").start()
    assert broker.stop() == 0
    [line] = [line for line in broker.log.splitlines() if "not enough brokers" in line]
    assert line.endswith(
        "INFO [configs] There are not enough brokers for default.replication.factor=3: 1 holds instead."
    )


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"KAFKA_NUM_PARTITIONS": "many"}, ["KAFKA_NUM_PARTITIONS", "many", "INT"]),
        ({"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://0.0.0.0:9092"}, ["advertised.listeners", "0.0.0.0"]),
        ({"KAFKA_LISTENERS": ""}, ["KAFKA_LISTENERS", "is empty; unset it"]),
        ({"KAFKA_LISTENERS": "localhost:9092"}, ["listeners", "localhost:9092", "NAME://HOST:PORT"]),
        ({"KAFKA_LISTENERS": "DOCKER://:9092"}, ["DOCKER", "listener.security.protocol.map", "DOCKER:PLAINTEXT"]),
        ({"KAFKA_PROCESS_ROLES": "controller"}, ["process.roles", "controller"]),
    ],
)
def test_a_bad_variable_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: list[str]
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    sentence = fail_to_start("--data-dir", str(tmp_path / "data"), "--from-env", port=None)
    assert [word for word in words if word not in sentence] == []
    assert not (tmp_path / "data").exists()


def test_another_cluster_s_data(make_broker: Callable[..., BrokerProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    broker = make_broker("--set", "ottla.cluster.id=ours").start()
    assert broker.stop() == 0
    monkeypatch.setenv("CLUSTER_ID", "theirs")
    sentence = fail_to_start("--data-dir", str(broker.ready.directory), "--from-env")
    assert "ours" in sentence
    assert "theirs" in sentence


def test_a_taken_port_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        settings = [f"listeners=A://127.0.0.1:0,B://127.0.0.1:{port}", f"log.dirs={tmp_path / 'logs'}"]
        protocols = "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT"
        sentence = fail_to_start(*(f"--set={setting}" for setting in (*settings, protocols)), port=None)
    assert f"Port {port} is in use" in sentence
    assert not (tmp_path / "logs").exists()
