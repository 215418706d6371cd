"""Members of groups on threads of their own, who go on over crashes of the broker and remember what they saw."""

from __future__ import annotations

import contextlib
import random
import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException
from kio.schema.errors import ErrorCode

from tests.support.groups_over_the_wire import NOT_YET
from tests.support.wire import ConnectionClosed

from .client_thread import ClientThread
from .group_members import GroupError, RawMember


class Numbers:
    """By partition, the last numbers that were committed; shared by the members of a group."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.sent = [0] * partitions
        self.acknowledged = [0] * partitions

    def commit_next(self, member: RawMember) -> None:
        """Commit the next numbers for what the member owns; no two members do so for the same partition."""
        offsets = {index: self.sent[index] + 1 for index in member.assignment}
        for index, offset in offsets.items():
            self.sent[index] = offset
        member.commit(offsets)
        for index, offset in offsets.items():
            self.acknowledged[index] = offset


class Owned(NamedTuple):
    """What a member was given, and told so by the broker."""

    generation: int
    partitions: tuple[int, ...]


class RestlessMember(ClientThread):
    """A raw member that keeps its group rebalancing: it joins, commits a little, and leaves or joins again.

    It commits 1, 2, 3 ... for each partition it owns, from the numbers that it shares with the other members.

    Args:
        numbers: the members' common record of what they committed.
    """

    _TURNS_MAX = 5
    # A member that left is one again after a crash, until the next generation is stored: nobody shall wait long for it.
    _REBALANCE_TIMEOUT_MS = 1_500

    def __init__(self, name: str, address: tuple[str, int], group: str, topic: str, numbers: Numbers) -> None:
        super().__init__(name, address, topic)
        self.owned: list[Owned] = []
        """In the order in which it was told."""
        self.is_restless = True
        self._group = group
        self._numbers = numbers
        self._member_id = ""
        self._source = random.Random()

    def _run(self) -> None:
        while not self._finishing.is_set():
            with contextlib.suppress(ConnectionClosed, OSError):
                member = RawMember(
                    self._address,
                    self._group,
                    self._topic,
                    self._numbers.partitions,
                    self._member_id,
                    self._REBALANCE_TIMEOUT_MS,
                )
                with member:
                    try:
                        self._live(member)
                    finally:
                        self._member_id = member.member_id
            time.sleep(0.005)  # The broker is down, and is about to be started again.

    def _live(self, member: RawMember) -> None:
        while not self._finishing.is_set():
            try:
                self._live_for_a_generation(member)
            except GroupError as error:
                if error.code == ErrorCode.unknown_member_id:
                    member.member_id = ""
                elif error.code in NOT_YET:
                    time.sleep(0.005)  # The broker still reads its log.
                elif error.code not in (ErrorCode.rebalance_in_progress, ErrorCode.illegal_generation):
                    raise

    def _live_for_a_generation(self, member: RawMember) -> None:
        member.send_join()
        member.receive_join()
        member.send_sync()
        member.receive_sync()
        self.owned.append(Owned(member.generation, member.assignment))
        turns = self._source.randrange(self._TURNS_MAX)
        while not self._finishing.is_set() and (turns > 0 or not self.is_restless):
            turns -= 1
            self._numbers.commit_next(member)
            member.heartbeat()
        if self._finishing.is_set() or self._source.random() < 0.3:
            member.leave()


class LibrdkafkaMember(ClientThread):
    """librdkafka's consumer with its own ways of committing and coming back; remembers every record it read."""

    def __init__(self, name: str, address: tuple[str, int], group: str, topic: str, partitions: int) -> None:
        super().__init__(name, address, topic)
        self._group = group
        self.read: list[set[int]] = [set() for _ in range(partitions)]
        """By partition: offsets."""

    def _run(self) -> None:
        host, port = self._address
        consumer = Consumer(
            {
                "bootstrap.servers": f"{host}:{port}",
                "group.id": self._group,
                "partition.assignment.strategy": "cooperative-sticky",
                "auto.offset.reset": "earliest",
                "auto.commit.interval.ms": 20,
                "heartbeat.interval.ms": 50,
                "session.timeout.ms": 6000,
                "fetch.wait.max.ms": 100,
                "retry.backoff.ms": 10,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 50,
                "log_level": 2,  # lost connections are no news here
            }
        )
        consumer.subscribe([self._topic])
        try:
            while not self._finishing.is_set():
                for message in consumer.consume(500, 0.05):
                    error = message.error()
                    if error is None:
                        partition, offset = message.partition(), message.offset()
                        assert partition is not None
                        assert offset is not None
                        self.read[partition].add(offset)
                    elif not error.retriable() and error.code() != error._ALL_BROKERS_DOWN:
                        raise KafkaException(error)
        finally:
            consumer.close()
