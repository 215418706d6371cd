"""A consumer that goes on over crashes of the broker, and remembers what it read."""

from __future__ import annotations

import threading

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.support.wait import wait_until


class RecordingConsumer:
    """librdkafka's consumer on a thread of its own, from `start` to `finish`, with its check for truncation (KIP-320).

    An offset that the broker does not have any more is an error to it.
    """

    def __init__(self, address: tuple[str, int], topic: str, partitions: int) -> None:
        self.read: list[list[tuple[int, bytes]]] = [[] for _ in range(partitions)]
        """By partition: offsets and values, in the order of their arrival."""
        self._address = address
        self._topic = topic
        self._failure: BaseException | None = None
        self._finishing = threading.Event()
        self._thread = threading.Thread(target=self._run_and_remember, name="consumer", daemon=True)

    def start(self) -> None:
        """Start to consume at the beginning of all partitions."""
        self._thread.start()

    def finish(self, end_offsets: list[int]) -> None:
        """Wait until all partitions are read to these offsets, and raise what went wrong."""
        wait_until(
            lambda: self._failure or [each[-1][0] + 1 if each else 0 for each in self.read] == end_offsets,
            f"the consumer arrives at {end_offsets}",
        )
        self._finishing.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run_and_remember(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._failure = error

    def _run(self) -> None:
        host, port = self._address
        consumer = Consumer(
            {
                "bootstrap.servers": f"{host}:{port}",
                "group.id": "unused: nothing is subscribed or committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 100,
                "retry.backoff.ms": 10,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 50,
                "log_level": 2,  # lost connections are no news here
            }
        )
        consumer.assign([TopicPartition(self._topic, partition, 0) for partition in range(len(self.read))])
        try:
            while not self._finishing.is_set():
                for message in consumer.consume(500, 0.05):
                    error = message.error()
                    if error is None:
                        partition, offset, value = message.partition(), message.offset(), message.value()
                        assert partition is not None
                        assert offset is not None
                        self.read[partition].append((offset, value or b""))
                    elif not error.retriable() and error.code() != error._ALL_BROKERS_DOWN:
                        raise KafkaException(error)
        finally:
            consumer.close()
