"""Our tables beside Kafka's own: names, types, defaults, valid values and update modes, every departure listed here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

import broker
from broker.config import BROKER_PROPERTIES, Config
from broker.config_entries import topic_entries
from broker.config_types import Valid, to_text
from broker.inert_properties import INERT_PROPERTIES
from broker.topic_config_table import TOPIC_SETTINGS

SETTINGS = Path(__file__).parent / "data" / "kafka_4_3_settings.tsv"

OTHER_DEFAULTS = {
    # A broker without authentication is not for the whole network until its user says so.
    "listeners": "PLAINTEXT://localhost:9092",
    # Kafka needs them set.
    "node.id": "0",
    "process.roles": "broker,controller",
    "controller.listener.names": None,
    # The log directory lies in the data directory.
    "log.dir": None,
    # A burst of clients beyond the backlog waits for TCP to try again.
    "socket.listen.backlog.size": "1024",
    # Kafka's size costs system calls: produce is cheapest where the system fits its buffer to the traffic, fetch where
    # the buffer is large and yet fits into the processor's cache.
    "socket.receive.buffer.bytes": "-1",
    "socket.send.buffer.bytes": "262144",
    # A lone consumer settles within 0.25 s, and three that join within 150 ms of each other within 0.5 s, by Kafka's
    # own algorithm: each newcomer makes it wait once more. At Kafka's default every start takes 3 s.
    "group.initial.rebalance.delay.ms": "170",
}
STRICTER = {
    # Kafka takes any number and fails later, at the first topic and at the first connection.
    "default.replication.factor": "[1,...]",
    "offsets.topic.segment.bytes": "[1048576,...]",
    "socket.receive.buffer.bytes": "[-1,...]",
    "socket.send.buffer.bytes": "[-1,...]",
}


class KafkaSetting(NamedTuple):
    type: str
    default: str | None
    valid: str
    dynamic: str


def kafka_settings(kind: str) -> dict[str, KafkaSetting]:
    rows = [line.split("\t") for line in SETTINGS.read_text().splitlines() if line.startswith(f"{kind}\t")]
    return {
        name: KafkaSetting(type_, None if default == "<null>" else default, "" if valid == "<null>" else valid, dynamic)
        for _, name, type_, default, valid, dynamic in rows
    }


def kafka_default(setting: KafkaSetting) -> str | None:
    """A list is written `[a, b]` in the record and `a,b` on the wire."""
    if setting.type == "LIST" and setting.default is not None:
        return setting.default.strip("[]").replace(", ", ",")
    return setting.default


def words(valid: Valid | str | None) -> list[str]:
    """The bounds and choices in a description of valid values; ours says `list of` and `not empty` beside them."""
    found = re.findall(r"-?[0-9]+|[A-Za-z]+", "" if valid is None else str(valid))
    return [word for word in found if word not in ("list", "of", "or", "not", "empty")]


@pytest.mark.parametrize("name", sorted(name for name in BROKER_PROPERTIES if not name.startswith("ottla.")))
def test_broker_property_is_kafkas(name: str) -> None:
    row = BROKER_PROPERTIES[name]
    kafka = kafka_settings("broker")[row.name]
    assert row.type.name == kafka.type
    assert to_text(row.default) == OTHER_DEFAULTS.get(row.name, kafka_default(kafka))
    assert row.dynamic.value == kafka.dynamic
    assert words(row.valid) == words(STRICTER.get(row.name, kafka.valid))


def test_every_property_of_kafka_is_known_once() -> None:
    kafka = kafka_settings("broker")
    known = [name for name in (*BROKER_PROPERTIES, *INERT_PROPERTIES) if not name.startswith("ottla.")]
    assert len(known) == len(set(known))
    # Quotas can be set at run time alone, and are in no table of Kafka's.
    assert kafka.keys() ^ set(known) == {
        "leader.replication.throttled.rate",
        "follower.replication.throttled.rate",
        "replica.alter.log.dirs.io.max.bytes.per.second",
    }


@pytest.mark.parametrize("name", sorted(INERT_PROPERTIES.keys() & kafka_settings("broker").keys()))
def test_inert_property_is_kafkas(name: str) -> None:
    row = INERT_PROPERTIES[name]
    kafka = kafka_settings("broker")[name]
    assert (row.name, row.type.name, row.dynamic.value) == (name, kafka.type, kafka.dynamic)


def test_every_topic_setting_of_kafka_is_known() -> None:
    assert TOPIC_SETTINGS.keys() == kafka_settings("topic").keys()


@pytest.mark.parametrize("name", sorted(TOPIC_SETTINGS))
def test_topic_setting_is_kafkas(name: str) -> None:
    kafka = kafka_settings("topic")[name]
    setting = TOPIC_SETTINGS[name]
    assert setting.type.name == kafka.type
    values = {entry.name: entry.value for entry in topic_entries({}, Config())}
    assert values.get(name) == kafka_default(kafka)
    assert words(setting.valid) == words(kafka.valid)


def test_every_property_is_read_by_something() -> None:
    defaults = {synonym.name for setting in TOPIC_SETTINGS.values() for synonym in setting.synonyms}
    package = Path(broker.__file__).parent
    sources = "".join(path.read_text() for path in package.rglob("*.py") if path.name != "config_table.py")
    assert [name for name in BROKER_PROPERTIES if name not in defaults and f'"{name}"' not in sources] == []
