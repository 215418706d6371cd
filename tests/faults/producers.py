"""Idempotent producers that go on over crashes of the broker, and remember what they were told.

Every record carries who produced it and its number in its partition, so that the log tells whether each one is there
once, and in its place.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from tests.support.record_batches import encode_batch
from tests.support.wire import ConnectionClosed, WireClient

from .client_thread import FINISH_DEADLINE_S, ClientThread

UNACKNOWLEDGED_MAX = 60
_PADDING = b"." * 400


class Acknowledged(NamedTuple):
    """A record that the broker has acknowledged."""

    partition: int
    number: int
    offset: int


class RecordingProducer(ClientThread):
    """A producer on a thread of its own, from `start` to `finish`."""

    def __init__(self, name: str, address: tuple[str, int], topic: str, partitions: int) -> None:
        super().__init__(name, address, topic)
        self.produced = [0] * partitions
        """By partition: how many records were given to it."""
        self.acknowledged: list[Acknowledged] = []

    def finish(self) -> None:
        """Produce no more, wait until all that was produced is acknowledged, and raise what went wrong."""
        super().finish()
        assert len(self.acknowledged) == sum(self.produced)

    def _next_partition(self) -> int:
        return self.produced.index(min(self.produced))

    def _next_value(self, partition: int) -> tuple[int, bytes]:
        number = self.produced[partition]
        self.produced[partition] += 1
        return number, f"{self.name} {number} ".encode() + _PADDING


class LibrdkafkaProducer(RecordingProducer):
    """confluent-kafka's idempotent producer, left to its own ways of trying again."""

    def _run(self) -> None:
        host, port = self._address
        producer = Producer(
            {
                "bootstrap.servers": f"{host}:{port}",
                "enable.idempotence": True,
                "linger.ms": 2,
                "log_level": 2,  # lost connections are no news here
                "batch.num.messages": 20,
                "retry.backoff.ms": 10,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 50,
                "message.timeout.ms": round(FINISH_DEADLINE_S * 1000),
            }
        )
        while not self._finishing.is_set() and self.failure is None:
            if sum(self.produced) - len(self.acknowledged) < UNACKNOWLEDGED_MAX:
                partition = self._next_partition()
                number, value = self._next_value(partition)
                producer.produce(
                    self._topic, value, partition=partition, on_delivery=self._on_delivery(partition, number)
                )
                producer.poll(0)
            else:
                producer.poll(0.05)
        producer.flush(FINISH_DEADLINE_S)

    def _on_delivery(self, partition: int, number: int) -> Any:
        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.acknowledged.append(Acknowledged(partition, number, message.offset() or 0))
            else:
                self.failure = AssertionError(f"{self.name} lost record {number} of partition {partition}: {error}")

        return on_delivery


class _Batch(NamedTuple):
    partition: int
    numbers: tuple[int, ...]
    encoded: bytes


class RawProducer(RecordingProducer):
    """Keeps up to five requests in flight, and sends all that are unanswered again, in order, on a new connection."""

    _IN_FLIGHT_MAX = 5
    _BATCH_RECORDS = 3

    def _run(self) -> None:
        producer_id, epoch = self._initialize()
        unanswered: deque[_Batch] = deque()
        while not self._finishing.is_set() or unanswered:
            try:
                with WireClient(self._address) as client:
                    sent = deque((self._send(client, batch), batch) for batch in unanswered)
                    while not self._finishing.is_set() or sent:
                        while len(sent) < self._IN_FLIGHT_MAX and not self._finishing.is_set():
                            batch = self._next_batch(producer_id, epoch)
                            unanswered.append(batch)
                            sent.append((self._send(client, batch), batch))
                        self._receive(client, *sent.popleft())
                        unanswered.popleft()
            except (ConnectionClosed, OSError):
                time.sleep(0.005)  # The broker is down, and is about to be started again.

    def _initialize(self) -> tuple[int, int]:
        with WireClient(self._address) as client:
            answer = client.ask("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=60_000)
        assert answer.error_code == 0
        return answer.producer_id, answer.producer_epoch

    def _next_batch(self, producer_id: int, epoch: int) -> _Batch:
        partition = self._next_partition()
        records = [self._next_value(partition) for _ in range(self._BATCH_RECORDS)]
        numbers = tuple(number for number, _ in records)
        encoded = encode_batch(
            [value for _, value in records], producer_id=producer_id, producer_epoch=epoch, base_sequence=numbers[0]
        )
        return _Batch(partition, numbers, encoded)

    def _send(self, client: WireClient, batch: _Batch) -> int:
        data = [{"index": batch.partition, "records": batch.encoded}]
        topics = [{"name": self._topic, "partition_data": data}]
        return client.send("Produce", 9, acks=-1, timeout_ms=30_000, topic_data=topics)

    def _receive(self, client: WireClient, correlation_id: int, batch: _Batch) -> None:
        (answer,) = client.receive("Produce", 9, correlation_id).responses[0].partition_responses
        assert answer.error_code == 0, f"{self.name}: {answer}"
        for delta, number in enumerate(batch.numbers):
            self.acknowledged.append(Acknowledged(batch.partition, number, answer.base_offset + delta))
