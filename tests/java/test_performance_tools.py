"""Kafka's programs for measurements: what they say they have done is true, however fast it was."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.java import FETCH_TIMEOUT_S
from tests.support.records_over_the_wire import list_offset, produce, read_all
from tests.support.wire import WireClient

from .tool import Tool

PARTITIONS = 3
RECORD_BYTES = 100

_SUMMARY = re.compile(r"(?P<count>\d+) records sent, [\d.]+ records/sec \(.*ms 99\.9th\.")

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


def test_producer(bootstrap: str, wire: WireClient, make_topic: Callable[..., str]) -> None:
    command = Tool("org.apache.kafka.tools.ProducerPerformance", bootstrap)
    topic = make_topic(partitions=PARTITIONS)
    size = ("--num-records", "5000", "--record-size", str(RECORD_BYTES), "--throughput", "-1")
    printed = command("--topic", topic, *size, "--command-property", "acks=all", "compression.type=lz4")
    summary = _SUMMARY.fullmatch(printed.splitlines()[-1])
    assert summary, printed
    assert int(summary["count"]) == 5000
    batches = [batch for index in range(PARTITIONS) for batch in read_all(wire, topic, partition=index)]
    values = [record.value for batch in batches for record in batch.records]
    assert [len(value or b"") for value in values] == [RECORD_BYTES] * 5000
    assert {batch.codec for batch in batches} == {"lz4"}


def test_consumer(bootstrap: str, wire: WireClient, make_topic: Callable[..., str]) -> None:
    command = Tool("org.apache.kafka.tools.ConsumerPerformance", bootstrap)
    topic = make_topic(partitions=PARTITIONS)
    for index in range(PARTITIONS):
        produce(wire, topic, *[b"x" * RECORD_BYTES] * 1000, partition=index)
    heads, row = (
        line.split(", ")
        for line in command("--topic", topic, "--num-records", "3000", "--timeout", "30000").splitlines()
    )
    measured = dict(zip(heads, row, strict=True))
    assert measured["data.consumed.in.nMsg"] == "3000"
    assert measured["data.consumed.in.MB"] == f"{3000 * RECORD_BYTES / 1024**2:.4f}"


def test_end_to_end(bootstrap: str, wire: WireClient, topic: str) -> None:
    command = Tool("org.apache.kafka.tools.EndToEndLatency", bootstrap)
    size = ("--num-records", "200", "--producer-acks", "all", "--record-size", "50")
    *progress, average, percentiles = command("--topic", topic, *size).splitlines()
    assert [line.split("\t")[0] for line in progress] == ["0"]
    assert re.fullmatch(r"Avg latency: [\d.]+ ms", average)
    assert re.fullmatch(r"Percentiles: 50th = \d+, 99th = \d+, 99\.9th = \d+", percentiles)
    assert list_offset(wire, topic, -1).offset == 200
