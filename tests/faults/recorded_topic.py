"""A topic that several recording producers write to, and what must be in it after crashes of the broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.support.broker_process import BrokerProcess
from tests.support.records_over_the_wire import list_offset, read_all
from tests.support.wait import wait_until

from .producers import Acknowledged, RecordingProducer


class RecordedTopic(NamedTuple):
    """The topic of a test, which has it to itself."""

    name: str
    partitions: int

    def create(self, broker: BrokerProcess) -> None:
        topics = [{"name": self.name, "num_partitions": self.partitions, "replication_factor": 1}]
        with broker.connect() as client:
            assert client.ask("CreateTopics", 7, timeout_ms=30_000, topics=topics).topics[0].error_code == 0

    def check_ends(self, broker: BrokerProcess, told: Sequence[Sequence[Acknowledged]]) -> None:
        """No log may end before what was acknowledged until the kill."""
        with broker.connect() as client:
            for partition in range(self.partitions):
                end = list_offset(client, self.name, -1, partition=partition).offset
                last = max((offset for each in told for at, _, offset in each if at == partition), default=-1)
                assert end > last, f"{self.name}-{partition} ends at {end}, offset {last} was acknowledged"

    def read(self, broker: BrokerProcess) -> list[list[tuple[int, bytes]]]:
        """By partition: the offsets and values of all records."""
        with broker.connect() as client:
            return [
                [(record.offset, record.value or b"") for batch in batches for record in batch.records]
                for batches in (read_all(client, self.name, partition=index) for index in range(self.partitions))
            ]


def await_acknowledged(producers: Sequence[RecordingProducer], count: int) -> None:
    """Wait until each producer has had so many more records acknowledged."""
    wanted = [(producer, len(producer.acknowledged) + count) for producer in producers]

    def reached() -> bool:
        for producer in producers:
            if producer.failure is not None:
                raise producer.failure
        return all(len(producer.acknowledged) >= total for producer, total in wanted)

    wait_until(reached, f"{count} acknowledged records of each producer")


def check_log(log: Sequence[Sequence[tuple[int, bytes]]], producers: Sequence[RecordingProducer]) -> None:
    """Every record that was produced is there once, in its partition, in order, where it was said to be."""
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
