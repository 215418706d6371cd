"""What every workload needs of a client: the parameters of a load, fresh topics, payloads, producers and consumers."""

import contextlib
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TIMEOUT_S = 30.0
"""How long a client waits for one answer before the run fails."""

FETCH_BYTES = 1_048_576
"""librdkafka's own default."""

_NOT_YET_CODES = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
)
"""Of a partition that has just been made, and that its leader has not heard of."""

_POOL_BYTES_MAX = 16_000_000
_POOL_COUNT_MAX = 1_000


class LoadError(Exception):
    """A run that did not do what it was to measure: an error of the broker, silence, or missing messages."""


@dataclass(frozen=True, slots=True)
class Target:
    """The broker under load; without its process id, its CPU and memory are not measured."""

    bootstrap: str
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The parameters of a run; it ends at the first of `messages`, `total_bytes` and `seconds` that is reached.

    Attributes:
        message_bytes: size of a message's value, random bytes.
        batch_bytes: the producer's `batch.size`.
        fetch_bytes: what a consumer asks for of a partition at once.
        connections: raw sockets of the workload "connections".
    """

    messages: int | None = None
    total_bytes: int = 500_000_000
    seconds: float = 60.0
    message_bytes: int = 1024
    partitions: int = 1
    linger_ms: float = 5.0
    batch_bytes: int = 1_000_000
    fetch_bytes: int = FETCH_BYTES
    acks: str = "1"
    compression: str = "none"
    idempotent: bool = False
    connections: int = 50

    @property
    def count(self) -> int:
        """How many messages to send at most."""
        by_bytes = max(self.total_bytes // self.message_bytes, 1)
        return by_bytes if self.messages is None else min(self.messages, by_bytes)


def payloads(message_bytes: int) -> list[bytes]:
    """Distinct random values to send in turn, at most 16 MB of them, the same in every run."""
    count = min(max(_POOL_BYTES_MAX // message_bytes, 1), _POOL_COUNT_MAX)
    source = random.Random(message_bytes)
    return [source.randbytes(message_bytes) for _ in range(count)]


@contextlib.contextmanager
def fresh_topic(target: Target, partitions: int, config: Mapping[str, str] | None = None) -> Iterator[str]:
    """Create a topic of a new name, and delete it when the work is done: each run starts with empty files."""
    admin = AdminClient({"bootstrap.servers": target.bootstrap, "log_level": 3})
    name = f"load-{uuid.uuid4().hex[:12]}"
    # A replication factor of -1 is the broker's own default.
    _wait_for(admin.create_topics([NewTopic(name, partitions, -1, config=dict(config or {}))])[name])
    try:
        yield name
    finally:
        _wait_for(admin.delete_topics([name])[name])


def _wait_for(future: Future[None]) -> None:
    future.result(TIMEOUT_S)


def make_producer(target: Target, load: Load, *, report_each: bool = False) -> Producer:
    """A producer with the load's settings; it reports failed deliveries, or each (a callback a message costs time)."""
    return Producer(
        {
            "bootstrap.servers": target.bootstrap,
            "acks": load.acks,
            "linger.ms": load.linger_ms,
            "batch.size": load.batch_bytes,
            "compression.type": load.compression,
            "enable.idempotence": load.idempotent,
            "socket.nagle.disable": True,
            "delivery.report.only.error": not report_each,
            "log_level": 3,
        }
    )


def make_consumer(target: Target, topic: str, offsets: Sequence[int], fetch_bytes: int = FETCH_BYTES) -> Consumer:
    """A consumer of a topic's partitions from these offsets, without a group's rebalances and commits."""
    consumer = Consumer(
        {
            "bootstrap.servers": target.bootstrap,
            "group.id": topic,  # librdkafka wants one; nothing is committed
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 500,
            "fetch.min.bytes": 1,
            "max.partition.fetch.bytes": fetch_bytes,
            # Once its queue is full the client pauses fetching for a second by default: that would be measured.
            "fetch.queue.backoff.ms": 5,
            "socket.nagle.disable": True,
            "log_level": 3,
        }
    )
    consumer.assign([TopicPartition(topic, index, offset) for index, offset in enumerate(offsets)])
    return consumer


def end_offsets(target: Target, topic: str, partitions: int) -> list[int]:
    """Ask the broker for the end offset of each partition."""
    return [end for _, end in watermarks(target, topic, partitions)]


def watermarks(target: Target, topic: str, partitions: int) -> list[tuple[int, int]]:
    """Ask the broker for the start offset and the end offset of each partition, once they have leaders."""
    consumer = Consumer({"bootstrap.servers": target.bootstrap, "group.id": topic, "log_level": 3})
    try:
        return [_watermarks(consumer, TopicPartition(topic, index)) for index in range(partitions)]
    finally:
        consumer.close()


def _watermarks(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return consumer.get_watermark_offsets(partition, TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET_CODES or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class Sender:
    """Sends values through a producer and notices failed deliveries."""

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._error: KafkaError | None = None

    def send(self, values: Sequence[bytes], count: int, seconds: float) -> int:
        """Send the values in turn until `count` are sent or the time is over; returns how many were."""
        deadline = time.perf_counter() + seconds
        sent = 0
        while sent < count and time.perf_counter() < deadline:
            for value in values[: count - sent]:
                self._enqueue(value)
                sent += 1
            self._producer.poll(0)
        return sent

    def _enqueue(self, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, on_delivery=self._delivered)
            except BufferError:  # the client's queue is full: the broker, or the client's own thread, is behind
                self._producer.poll(0.005)
            else:
                return

    def flush(self) -> None:
        """Wait until everything sent is acknowledged; raises LoadError when a delivery failed or takes too long."""
        if left := self._producer.flush(TIMEOUT_S):
            raise LoadError(f"{left} messages were not acknowledged within {TIMEOUT_S:.0f} s")
        if self._error is not None:
            raise LoadError(f"a delivery failed: {self._error}")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._error = error
