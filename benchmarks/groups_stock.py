"""How soon stock clients have their assignments: consumers with their defaults, each in a thread of its own."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from confluent_kafka import Consumer, TopicPartition
from kafka import ConsumerRebalanceListener, KafkaConsumer

from benchmarks.client import TIMEOUT_S, LoadError, Target

_POLL_S = 1.0
"""kafka-python 3.0 is prone to join twice where a poll ends just when the group has its assignments."""


class _Assignments:
    """Which of a topic's partitions each consumer has, and since when they are divided among all."""

    def __init__(self, consumers: int, partitions: int) -> None:
        self.done = threading.Event()
        self.divided_at = 0.0
        self._by_consumer: list[frozenset[int]] = [frozenset()] * consumers
        self._partitions = partitions
        self._lock = threading.Lock()

    def assigned(self, consumer: int, partitions: Iterable[int]) -> None:
        """A consumer has got these partitions, and no others."""
        with self._lock:
            self._by_consumer[consumer] = frozenset(partitions)
            held = sorted(each for partitions in self._by_consumer for each in partitions)
            if all(self._by_consumer) and held == list(range(self._partitions)):
                self.divided_at = time.monotonic()
                self.done.set()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, assigned: Callable[[Iterable[int]], None]) -> None:
        self._assigned = assigned

    def on_partitions_revoked(self, revoked: object) -> None:
        self._assigned(())

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._assigned(each.partition for each in assigned)


def _kafka_python(
    bootstrap: str, group_id: str, topic: str, assigned: Callable[[Iterable[int]], None], done: threading.Event
) -> None:
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, group_id=group_id)) as consumer:
        consumer.subscribe([topic], listener=_Listener(assigned))
        while not done.is_set():
            consumer.poll(timeout_ms=_POLL_S * 1e3)


def _confluent_kafka(
    bootstrap: str, group_id: str, topic: str, assigned: Callable[[Iterable[int]], None], done: threading.Event
) -> None:
    def on_assign(_consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        assigned(each.partition for each in partitions)

    def on_revoke(_consumer: Consumer, _partitions: Sequence[TopicPartition]) -> None:
        assigned(())

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group_id, "log_level": 3})
    try:
        consumer.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke)
        while not done.is_set():
            consumer.poll(_POLL_S)
    finally:
        consumer.close()


CLIENTS = {"kafka-python": _kafka_python, "confluent-kafka": _confluent_kafka}


def settle_time(target: Target, client: str, topic: str, partitions: int, arrivals_s: Sequence[float]) -> float:
    """Seconds from the first consumer's start until all of a new group's have their partitions.

    Consumers start at `arrivals_s`; connecting and finding the coordinator is part of what takes time.
    """
    group_id = f"settle-{uuid.uuid4().hex[:12]}"
    assignments = _Assignments(len(arrivals_s), partitions)

    def consume(number: int, delay_s: float) -> None:
        time.sleep(delay_s)
        CLIENTS[client](
            target.bootstrap,
            group_id,
            topic,
            lambda assigned: assignments.assigned(number, assigned),
            assignments.done,
        )

    threads = [threading.Thread(target=consume, args=each) for each in enumerate(arrivals_s)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    settled = assignments.done.wait(TIMEOUT_S)
    assignments.done.set()
    for thread in threads:
        thread.join()
    if not settled:
        raise LoadError(f"{client}: a group of {len(arrivals_s)} has not settled in {TIMEOUT_S:.0f} s")
    return assignments.divided_at - start
