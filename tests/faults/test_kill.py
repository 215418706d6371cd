"""kill -9 under load: what was acknowledged is there once, in its partition, in order."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from benchmarks.wire import free_ports
from tests.support.broker_process import BrokerProcess

from .consumers import RecordingConsumer
from .producers import LibrdkafkaProducer, RawProducer, RecordingProducer
from .recorded_topic import RecordedTopic, await_acknowledged, check_log

ROUNDS = 20
TOPIC = RecordedTopic("killed", partitions=3)


@pytest.mark.timeout(300)
def test_kill_under_load(make_broker: Callable[..., BrokerProcess]) -> None:
    # Small segments, so that kills also meet rolls; a fixed port, to which the producers come back.
    broker = make_broker("--set", "log.segment.bytes=1048576", port=free_ports(1)[0]).start()
    TOPIC.create(broker)
    producers: list[RecordingProducer] = [
        LibrdkafkaProducer("librdkafka-1", broker.address, *TOPIC),
        LibrdkafkaProducer("librdkafka-2", broker.address, *TOPIC),
        RawProducer("raw", broker.address, *TOPIC),
    ]
    consumer = RecordingConsumer(broker.address, *TOPIC)
    consumer.start()
    for producer in producers:
        producer.start()
    moments = random.Random()
    for _ in range(ROUNDS):
        await_acknowledged(producers, moments.randrange(1, 200))
        broker.kill()
        told = [list(producer.acknowledged) for producer in producers]
        broker.start()
        TOPIC.check_ends(broker, told)
    for producer in producers:
        producer.finish()
    log = TOPIC.read(broker)
    check_log(log, producers)
    consumer.finish([len(records) for records in log])
    # What a consumer has seen is there to stay.
    assert consumer.read == log
    broker.restart()
    assert TOPIC.read(broker) == log
    assert "Traceback" not in broker.log
