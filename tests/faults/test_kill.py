"""kill -9 under load: what was acknowledged is there once, in its partition, in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from benchmarks.wire import free_ports
from tests.support.broker_process import BrokerProcess
from tests.support.records_over_the_wire import list_offset, read_all
from tests.support.wait import wait_until

from .consumers import RecordingConsumer
from .producers import LibrdkafkaProducer, RawProducer, RecordingProducer

ROUNDS = 20
PARTITIONS = 3
TOPIC = "killed"


@pytest.mark.timeout(300)
def test_kill_under_load(make_broker: Callable[..., BrokerProcess]) -> None:
    # Small segments, so that kills also meet rolls; a fixed port, to which the producers come back.
    broker = make_broker("--set", "log.segment.bytes=1048576", port=free_ports(1)[0]).start()
    _create_topic(broker)
    producers: list[RecordingProducer] = [
        LibrdkafkaProducer("librdkafka-1", broker.address, TOPIC, PARTITIONS),
        LibrdkafkaProducer("librdkafka-2", broker.address, TOPIC, PARTITIONS),
        RawProducer("raw", broker.address, TOPIC, PARTITIONS),
    ]
    consumer = RecordingConsumer(broker.address, TOPIC, PARTITIONS)
    consumer.start()
    for producer in producers:
        producer.start()
    moments = random.Random()
    for _ in range(ROUNDS):
        _await_acknowledged(producers, moments.randrange(1, 200))
        broker.kill()
        told = [list(producer.acknowledged) for producer in producers]
        broker.start()
        _check_ends(broker, told)
    for producer in producers:
        producer.finish()
    log = _read_log(broker)
    _check_log(log, producers)
    consumer.finish([len(records) for records in log])
    # What a consumer has seen is there to stay.
    assert consumer.read == log
    broker.restart()
    assert _read_log(broker) == log
    assert "Traceback" not in broker.log


def _create_topic(broker: BrokerProcess) -> None:
    topics = [{"name": TOPIC, "num_partitions": PARTITIONS, "replication_factor": 1}]
    with broker.connect() as client:
        assert client.ask("CreateTopics", 7, timeout_ms=30_000, topics=topics).topics[0].error_code == 0


def _await_acknowledged(producers: Sequence[RecordingProducer], count: int) -> None:
    """Wait until each producer has had so many more records acknowledged."""
    wanted = [(producer, len(producer.acknowledged) + count) for producer in producers]

    def reached() -> bool:
        for producer in producers:
            if producer.failure is not None:
                raise producer.failure
        return all(len(producer.acknowledged) >= total for producer, total in wanted)

    wait_until(reached, f"{count} acknowledged records of each producer")


def _check_ends(broker: BrokerProcess, told: Sequence[Sequence[tuple[int, int, int]]]) -> None:
    """No log may end before what was acknowledged until the kill."""
    with broker.connect() as client:
        for partition in range(PARTITIONS):
            end = list_offset(client, TOPIC, -1, partition=partition).offset
            last = max((offset for each in told for at, _, offset in each if at == partition), default=-1)
            assert end > last, f"{TOPIC}-{partition} ends at {end}, offset {last} was acknowledged"


def _read_log(broker: BrokerProcess) -> list[list[tuple[int, bytes]]]:
    """By partition: the offsets and values of all records."""
    with broker.connect() as client:
        return [
            [(record.offset, record.value or b"") for batch in batches for record in batch.records]
            for batches in (read_all(client, TOPIC, partition=partition) for partition in range(PARTITIONS))
        ]


def _check_log(log: Sequence[Sequence[tuple[int, bytes]]], producers: Sequence[RecordingProducer]) -> None:
    for partition, records in enumerate(log):
        assert [offset for offset, _ in records] == list(range(len(records)))
        stored = [tuple(value.split(b" ", 2)[:2]) for _, value in records]
        assert len(stored) == sum(producer.produced[partition] for producer in producers)
        for producer in producers:
            name = producer.name.encode()
            numbers = [int(number) for owner, number in stored if owner == name]
            assert numbers == list(range(producer.produced[partition])), f"{producer.name} in {partition}"
            for acknowledged in producer.acknowledged:
                if acknowledged.partition == partition:
                    assert stored[acknowledged.offset] == (name, str(acknowledged.number).encode())
