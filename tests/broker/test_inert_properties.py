"""Names of Kafka's that nothing obeys, and what a starting broker says of them."""

from __future__ import annotations

import logging

import pytest

from broker.config import Config
from broker.config_remarks import remark_on, remark_on_replicas
from broker.config_table import Dynamic
from broker.config_types import ConfigType
from broker.inert_properties import find_property, is_of_kafka


@pytest.mark.parametrize(
    ("name", "kind", "dynamic"),
    [
        ("num.partitions", ConfigType.INT, Dynamic.READ_ONLY),
        ("num.io.threads", ConfigType.INT, Dynamic.CLUSTER_WIDE),
        ("ssl.keystore.password", ConfigType.PASSWORD, Dynamic.PER_BROKER),
        ("listener.name.internal.ssl.keystore.password", ConfigType.PASSWORD, Dynamic.PER_BROKER),
        ("listener.name.internal.scram-sha-256.sasl.jaas.config", ConfigType.PASSWORD, Dynamic.PER_BROKER),
        ("listener.name.internal.max.connections", ConfigType.INT, Dynamic.CLUSTER_WIDE),
        ("leader.replication.throttled.rate", ConfigType.LONG, Dynamic.CLUSTER_WIDE),
    ],
)
def test_what_is_known_of_a_name(name: str, kind: ConfigType, dynamic: Dynamic) -> None:
    row = find_property(name)
    assert row is not None
    assert (row.name, row.type, row.dynamic) == (name, kind, dynamic)


@pytest.mark.parametrize(
    "name",
    [
        *("log.retension.ms", "Num.Io.Threads", "listener.name.internal.nothing", ""),
        "listener.name.a." * 2000 + "max.connections",  # no longer than a client may make it
    ],
)
def test_nothing_is_known(name: str) -> None:
    assert find_property(name) is None
    assert not is_of_kafka(name)


@pytest.mark.parametrize(
    "name",
    [
        *("zookeeper.connect", "zookeeper.ssl.client.enable", "inter.broker.protocol.version", "host.name", "port"),
        *("confluent.support.metrics.enable", "config.providers.file.class", "rsm.config.some.name"),
        *("controlled.shutdown.max.retries", "quota.consumer.default", "advertised.host.name", "advertised.port"),
        *("super.users", "allow.everyone.if.no.acl.found"),
    ],
)
def test_leftovers_and_plugins_are_kafkas(name: str) -> None:
    assert find_property(name) is None
    assert is_of_kafka(name)


def test_one_line_for_each_kind_of_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    remark_on(
        ["num.io.threads", "log.retension.ms", "zookeeper.connect", "authorizer.class.name", "Broker.Racks", "wholly"]
    )
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "INFO",
            "[configs] Properties of Kafka that have no meaning here: num.io.threads, zookeeper.connect, "
            "authorizer.class.name",
        ),
        ("WARNING", "[configs] Nothing is refused here because of these properties: authorizer.class.name"),
        (
            "WARNING",
            "[configs] Unknown properties are ignored: 'log.retension.ms' (the nearest is "
            "'log.retention.ms'), 'Broker.Racks' (the nearest is 'broker.rack'), 'wholly'",
        ),
    ]


def test_an_unknown_name_comes_with_where_it_stands(caplog: pytest.LogCaptureFixture) -> None:
    places = {"log.retension.ms": "a.properties, line 4", "cfg.node.id": "the environment variable KAFKA_CFG_NODE_ID"}
    remark_on([*places, "create.topics"], lambda name: places.get(name, ""))
    [record] = caplog.records
    assert record.getMessage() == (
        "[configs] Unknown properties are ignored: "
        "'log.retension.ms' (a.properties, line 4; the nearest is 'log.retention.ms'), "
        "'cfg.node.id' (the environment variable KAFKA_CFG_NODE_ID; as Bitnami's image has it; drop CFG_), "
        # auto.create.topics.enable shares its words and means something else.
        "'create.topics'"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, ""),
        ({"offsets.topic.replication.factor": "3"}, ""),
        ({"default.replication.factor": "3"}, "default.replication.factor=3: 1 holds instead."),
        (
            {"default.replication.factor": "3", "min.insync.replicas": "2"},
            "default.replication.factor=3 and min.insync.replicas=2: 1 holds instead.",
        ),
    ],
)
def test_more_replicas_than_brokers(caplog: pytest.LogCaptureFixture, settings: dict[str, str], said: str) -> None:
    caplog.set_level(logging.INFO)
    remark_on_replicas(Config(settings), 1)
    assert [record.levelname for record in caplog.records] == (["INFO"] if said else [])
    assert said in caplog.text


def test_what_many_names_are_like_is_not_looked_for(caplog: pytest.LogCaptureFixture) -> None:
    remark_on([f"num.partitions.{i}" for i in range(1000)])
    [record] = caplog.records
    assert record.getMessage().count("the nearest is 'num.partitions'") == 5
    assert record.getMessage().endswith(", 'num.partitions.999'")


def test_names_that_mean_nothing_are_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    remark_on(["num.io.threads", "controller.quorum.voters"])
    remark_on(["listener.name.inside.max.connections", "replica.alter.log.dirs.io.max.bytes.per.second"])  # are obeyed
    assert "max." not in caplog.text
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == []
