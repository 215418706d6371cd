"""kill -9 while logs are moved between log directories under load: one log is left of each, with all that it had."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.wire import free_ports
from tests.support.broker_process import BrokerProcess
from tests.support.wait import wait_until

from .consumers import RecordingConsumer
from .producers import LibrdkafkaProducer, RawProducer, RecordingProducer
from .recorded_topic import RecordedTopic, await_acknowledged, check_log

ROUNDS = 15
TOPIC = RecordedTopic("moved", partitions=3)


@pytest.mark.timeout(300)
def test_kill_while_logs_are_moved(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> None:
    directories = [tmp_path / "a", tmp_path / "b"]
    settings = ["--set", f"log.dirs={directories[0]},{directories[1]}", "--set", "log.segment.bytes=1048576"]
    broker = make_broker(*settings, port=free_ports(1)[0]).start()
    TOPIC.create(broker)
    producers: list[RecordingProducer] = [
        LibrdkafkaProducer("librdkafka", broker.address, *TOPIC),
        RawProducer("raw", broker.address, *TOPIC),
    ]
    consumer = RecordingConsumer(broker.address, *TOPIC)
    consumer.start()
    for producer in producers:
        producer.start()
    moments = random.Random()
    for number in range(ROUNDS):
        _move_all(broker, str(directories[number % 2]))
        await_acknowledged(producers, moments.randrange(1, 120))
        broker.kill()
        told = [list(producer.acknowledged) for producer in producers]
        broker.start()
        TOPIC.check_ends(broker, told)
    target = directories[(ROUNDS - 1) % 2]
    wait_until(lambda: _places(broker) == {(str(target), index, False) for index in range(3)}, "all logs are moved")
    for producer in producers:
        producer.finish()
    log = TOPIC.read(broker)
    check_log(log, producers)
    consumer.finish([len(records) for records in log])
    assert consumer.read == log
    broker.restart()
    assert TOPIC.read(broker) == log
    for directory in directories:
        left = sorted(path.name for path in directory.glob("moved-*") if not path.name.endswith("-delete"))
        assert left == ([f"moved-{index}" for index in range(3)] if directory == target else [])
    assert "Traceback" not in broker.log
    assert "is offline" not in broker.log


def _move_all(broker: BrokerProcess, path: str) -> None:
    topics = [{"name": TOPIC.name, "partitions": [*range(TOPIC.partitions)]}]
    with broker.connect() as client:
        answer = client.ask("AlterReplicaLogDirs", 2, dirs=[{"path": path, "topics": topics}])
    assert {partition.error_code for topic in answer.results for partition in topic.partitions} == {0}


def _places(broker: BrokerProcess) -> set[tuple[str, int, bool]]:
    """Log directory and index of each log, and whether it is only a copy."""
    with broker.connect() as client:
        answer = client.ask("DescribeLogDirs", 4, topics=None)
    return {
        (result.log_dir, partition.partition_index, partition.is_future_key)
        for result in answer.results
        for topic in result.topics
        for partition in topic.partitions
        if topic.name == TOPIC.name
    }
