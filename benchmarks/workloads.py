"""The workloads: each makes a fresh topic, warms its connections up, and meters one kind of traffic."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle, islice

from confluent_kafka import Consumer, KafkaError, Message, Producer

from benchmarks.client import (
    TIMEOUT_S,
    Load,
    LoadError,
    Sender,
    Target,
    end_offsets,
    fresh_topic,
    make_consumer,
    make_producer,
    payloads,
)
from benchmarks.java_producer import produce_java
from benchmarks.measurement import Measurement
from benchmarks.meter import Meter
from benchmarks.raw_connections import connections

JAVA_BATCH_BYTES = 16_384
"""The default `batch.size` of Kafka's own producer."""

_CONSUME_COUNT = 10_000
_WARM_UP_COUNT = 20


def produce(target: Target, load: Load) -> Measurement:
    """Batches as large as linger and batch size make them; the time ends when the last one is acknowledged."""
    values = payloads(load.message_bytes)
    with fresh_topic(target, load.partitions) as topic:
        producer = make_producer(target, load)
        sender = Sender(producer, topic)
        before = _warm_up(target, topic, sender, values[0], load)
        meter = Meter(target.pid)
        sent = sender.send(values, load.count, load.seconds)
        sender.flush()
        cost = meter.stop()
        stored = sum(end_offsets(target, topic, load.partitions)) - before
        if load.acks != "0" and stored != sent:
            raise LoadError(f"{sent} messages were acknowledged, {stored} are in the log")
    return Measurement("produce", sent, sent * load.message_bytes, cost)


def _warm_up(target: Target, topic: str, sender: Sender, value: bytes, load: Load) -> int:
    """Send one message, so that connection, metadata and producer id are there; returns how many are now in the log."""
    sender.send([value], 1, TIMEOUT_S)
    sender.flush()
    return sum(end_offsets(target, topic, load.partitions))


def consume(target: Target, load: Load) -> Measurement:
    """Read back, from the start, what was just produced; the time begins with the assignment of the partitions."""
    with fresh_topic(target, load.partitions) as topic:
        sender = Sender(make_producer(target, load), topic)
        sender.send(payloads(load.message_bytes), load.count, load.seconds)
        sender.flush()
        ends = end_offsets(target, topic, load.partitions)
        meter = Meter(target.pid)
        consumer = make_consumer(target, topic, [0] * load.partitions, load.fetch_bytes)
        try:
            received = _receive(consumer, sum(ends), load.seconds)
            cost = meter.stop()
            # Errors come as messages too: positions short of the end tell. Where nothing came the position is negative.
            positions = [max(each.offset, 0) for each in consumer.position(consumer.assignment())]
            if received >= sum(ends) and sorted(positions) != sorted(ends):
                raise LoadError(f"consumed up to offsets {positions} of {ends}")
        finally:
            consumer.close()
    return Measurement("consume", received, received * load.message_bytes, cost)


def _receive(consumer: Consumer, count: int, seconds: float) -> int:
    received = 0
    deadline = time.perf_counter() + seconds
    last_arrival = time.perf_counter()
    while received < count and (now := time.perf_counter()) < deadline:
        # The call returns when it has as many as it asked for: never ask for more than are left.
        if messages := consumer.consume(min(_CONSUME_COUNT, count - received), timeout=0.2):
            received += len(messages)
            last_arrival = now
        elif now - last_arrival > TIMEOUT_S:
            raise LoadError(f"nothing arrived for {TIMEOUT_S:.0f} s after {received} of {count} messages")
    return received


class _OneAtATime:
    """A producer that waits for the acknowledgement of each message."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._done = False

    def send(self, value: bytes) -> None:
        self._done = False
        self._producer.produce(self._topic, value, on_delivery=self._delivered)
        deadline = time.perf_counter() + TIMEOUT_S
        while not self._done:
            self._producer.poll(1.0)
            if time.perf_counter() > deadline:
                raise LoadError(f"a message was not acknowledged within {TIMEOUT_S:.0f} s")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            raise LoadError(f"a delivery failed: {error}")
        self._done = True


def latency(target: Target, load: Load) -> Measurement:
    """One message at a time: from handing it to the client until its acknowledgement is back."""
    values = payloads(load.message_bytes)
    latencies: list[float] = []
    with fresh_topic(target, load.partitions) as topic:
        sender = _OneAtATime(make_producer(target, replace(load, linger_ms=0), report_each=True), topic)
        for value in values[:_WARM_UP_COUNT]:
            sender.send(value)
        meter = Meter(target.pid)
        for value in islice(cycle(values), load.count):
            start = time.perf_counter()
            sender.send(value)
            latencies.append(time.perf_counter() - start)
            if meter.elapsed() > load.seconds:
                break
        cost = meter.stop()
    return Measurement("latency", len(latencies), len(latencies) * load.message_bytes, cost, latencies)


def end_to_end(target: Target, load: Load) -> Measurement:
    """One message at a time: from handing it to the producer until the waiting consumer has it."""
    values = payloads(load.message_bytes)
    latencies: list[float] = []
    with fresh_topic(target, load.partitions) as topic:
        producer = make_producer(target, replace(load, linger_ms=0))
        consumer = make_consumer(target, topic, [0] * load.partitions)
        try:
            for value in values[:_WARM_UP_COUNT]:
                _there_and_back(producer, consumer, topic, value)
            meter = Meter(target.pid)
            for value in islice(cycle(values), load.count):
                start = time.perf_counter()
                _there_and_back(producer, consumer, topic, value)
                latencies.append(time.perf_counter() - start)
                if meter.elapsed() > load.seconds:
                    break
            cost = meter.stop()
        finally:
            consumer.close()
    return Measurement("end-to-end", len(latencies), len(latencies) * load.message_bytes, cost, latencies)


def _there_and_back(producer: Producer, consumer: Consumer, topic: str, value: bytes) -> None:
    producer.produce(topic, value)
    message = consumer.poll(TIMEOUT_S)
    if message is None or message.error() is not None or message.value() != value:
        raise LoadError(f"the message did not arrive: {message.error() if message else 'silence'}")


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload by the name it has on the command line; `defaults` are the parameters in which it differs."""

    name: str
    run: Callable[[Target, Load], Measurement]
    summary: str
    defaults: Mapping[str, int | float] = field(default_factory=dict)


WORKLOADS = {
    each.name: each
    for each in (
        Workload("produce", produce, "produce in batches, as fast as the client can"),
        Workload(
            "produce-java", produce_java, "produce with Kafka's ProducerPerformance", {"batch_bytes": JAVA_BATCH_BYTES}
        ),
        Workload("consume", consume, "consume from the start what was just produced"),
        Workload("latency", latency, "produce one message at a time, linger 0", {"messages": 2_000, "seconds": 10.0}),
        Workload("end-to-end", end_to_end, "from produced to consumed", {"messages": 1_000, "seconds": 10.0}),
        Workload(
            "connections",
            connections,
            "many raw connections, each with one small Produce at a time",
            {"message_bytes": 100, "seconds": 3.0},
        ),
    )
}
"""The workloads by name, in the order in which they are run and shown."""
