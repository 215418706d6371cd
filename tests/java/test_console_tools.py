"""Kafka's console producer and consumer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.groups_over_the_wire import committed
from tests.support.java import FETCH_TIMEOUT_S
from tests.support.record_batches import Record
from tests.support.records_over_the_wire import produce, read_all, values_of
from tests.support.wire import WireClient

from .tool import Tool

PARTITIONS = 2

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


@pytest.fixture
def topic(make_topic: Callable[..., str]) -> str:
    return make_topic(partitions=PARTITIONS)


def test_producer(bootstrap: str, wire: WireClient, make_topic: Callable[..., str]) -> None:
    command = Tool("org.apache.kafka.tools.ConsoleProducer", bootstrap)
    plain, rich = make_topic(), make_topic()
    lines = [f"line {number} äöü" for number in range(100)]
    command("--topic", plain, "--compression-codec", "zstd", stdin="\n".join(lines) + "\n")
    batches = read_all(wire, plain)
    assert values_of(batches) == [line.encode() for line in lines]
    assert {batch.codec for batch in batches} == {"zstd"}

    parts = ("parse.key=true", "key.separator=|", "parse.headers=true", "null.marker=NULL")
    properties = [word for part in parts for word in ("--reader-property", part)]
    command("--topic", rich, *properties, stdin="a:1,b:2\tfirst|one\nNULL\tNULL|two\na:1\tthird|NULL\n")
    stored = [(record.headers, record.key, record.value) for batch in read_all(wire, rich) for record in batch.records]
    assert stored == [
        ((("a", b"1"), ("b", b"2")), b"first", b"one"),
        ((), None, b"two"),
        ((("a", b"1"),), b"third", None),
    ]


def test_consumer(bootstrap: str, wire: WireClient, make_topic: Callable[..., str]) -> None:
    command = Tool("org.apache.kafka.tools.consumer.ConsoleConsumer", bootstrap)
    topic = make_topic(partitions=PARTITIONS)
    for number in range(6):
        record = Record(b"value %d" % number, key=b"key %d" % number, headers=(("number", b"%d" % number),))
        produce(wire, topic, record, partition=number % PARTITIONS)
    group = f"group-of-{topic}"
    shown = ("partition", "offset", "headers", "key")
    properties = [word for name in shown for word in ("--formatter-property", f"print.{name}=true")]
    printed = command("--topic", topic, "--group", group, "--from-beginning", "--max-messages", "6", *properties)
    lines = [line for line in printed.splitlines() if line.startswith("Partition:")]
    assert sorted(lines) == sorted(
        f"Partition:{number % PARTITIONS}\tOffset:{number // PARTITIONS}\tnumber:{number}\tkey {number}\tvalue {number}"
        for number in range(6)
    )
    assert committed(wire, group, topic, PARTITIONS) == [3, 3]

    # One partition, from an offset on, without a group.
    place = ("--topic", topic, "--partition", "1", "--offset", "2", "--max-messages", "1")
    assert command(*place) == "value 5\n"
