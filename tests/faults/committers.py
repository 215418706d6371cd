"""Clients that commit offsets over crashes of the broker, and remember what they were told.

Each commits 1, 2, 3 ... for every partition, so that what the broker says afterwards tells whether a commit that it has
acknowledged is lost.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from kio.schema.errors import ErrorCode

from tests.support.groups_over_the_wire import NOT_YET
from tests.support.wire import ConnectionClosed, WireClient

from .client_thread import ClientThread


class RecordingCommitter(ClientThread):
    """A client that commits for the group of its own name, which has no members."""

    def __init__(self, name: str, address: tuple[str, int], topic: str, partitions: int) -> None:
        super().__init__(name, address, topic)
        self.sent = [0] * partitions
        """By partition: the last offset that it has tried to commit."""
        self.acknowledged = [0] * partitions
        """By partition: the last offset that the broker said it had."""

    def finish(self) -> None:
        """Commit no more, and wait until all is acknowledged."""
        super().finish()
        assert self.acknowledged == self.sent


class LibrdkafkaCommitter(RecordingCommitter):
    """confluent-kafka's synchronous commit, of all partitions together; one that fails is tried again."""

    def _run(self) -> None:
        host, port = self._address
        consumer = Consumer(
            {
                "bootstrap.servers": f"{host}:{port}",
                "group.id": self.name,
                "enable.auto.commit": False,
                "retry.backoff.ms": 10,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 50,
                "log_level": 2,  # lost connections are no news here
            }
        )
        try:
            while not self._finishing.is_set() or self.acknowledged != self.sent:
                if self.acknowledged == self.sent:
                    self.sent = [offset + 1 for offset in self.sent]
                offsets = [TopicPartition(self._topic, index, offset) for index, offset in enumerate(self.sent)]
                try:
                    committed = consumer.commit(offsets=offsets, asynchronous=False)
                except KafkaException:
                    continue
                if all(each.error is None for each in committed):
                    self.acknowledged = list(self.sent)
        finally:
            consumer.close()


class RawCommitter(RecordingCommitter):
    """Keeps a commit of each partition in flight, and sends those that are unanswered again."""

    _VERSION = 8

    def _run(self) -> None:
        while not self._finishing.is_set() or self.acknowledged != self.sent:
            with contextlib.suppress(ConnectionClosed, OSError), WireClient(self._address) as client:
                client.ask("FindCoordinator", 4, key_type=0, coordinator_keys=[self.name])
                self._commit(client)
            time.sleep(0.005)  # The broker is down, and is about to be started again; or it still reads its log.

    def _commit(self, client: WireClient) -> None:
        """Commit over one connection until told to finish, or until the coordinator is not there."""
        flight = deque(self._send(client, index) for index in self._unacknowledged())
        ready = True
        while flight or (ready and not self._finishing.is_set()):
            if ready and not self._finishing.is_set():
                for index in set(range(len(self.sent))) - {commit.partition for commit in flight}:
                    self.sent[index] += 1
                    flight.append(self._send(client, index))
            commit = flight.popleft()
            answer = client.receive("OffsetCommit", self._VERSION, commit.correlation_id)
            (partition,) = answer.topics[0].partitions
            if partition.error_code in NOT_YET:
                ready = False
                continue
            assert partition.error_code == ErrorCode.none, f"{self.name}: {partition}"
            self.acknowledged[commit.partition] = commit.offset

    def _unacknowledged(self) -> list[int]:
        return [index for index, offset in enumerate(self.sent) if offset > self.acknowledged[index]]

    def _send(self, client: WireClient, index: int) -> _Commit:
        offset = self.sent[index]
        partition: dict[str, Any] = {
            "partition_index": index,
            "committed_offset": offset,
            "committed_metadata": f"commit {offset}",
        }
        correlation_id = client.send(
            "OffsetCommit",
            self._VERSION,
            group_id=self.name,
            generation_id_or_member_epoch=-1,
            member_id="",
            topics=[{"name": self._topic, "partitions": [partition]}],
        )
        return _Commit(correlation_id, index, offset)


class _Commit(NamedTuple):
    correlation_id: int
    partition: int
    offset: int
