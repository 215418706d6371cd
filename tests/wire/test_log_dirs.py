"""Logs that are moved between log directories while producers and consumers are at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Address
from tests.support.broker_process import BrokerProcess
from tests.support.record_batches import decode_batches, encode_batch
from tests.support.records_over_the_wire import fetch, produce_batch, read_all, values_of
from tests.support.under_test import foreign_address
from tests.support.wait import wait_until
from tests.support.wire import WireClient

BATCHES_BEFORE = 60
VALUE_BYTES = 100_000


@pytest.fixture
def two_directories(make_broker: Callable[..., BrokerProcess], tmp_path: Path) -> Iterator[Address]:
    """The address of a broker with two log directories; a foreign one must have them."""
    foreign = foreign_address()
    if foreign is not None:
        yield foreign
        return
    directories = f"log.dirs={tmp_path / 'a'},{tmp_path / 'b'}"
    broker = make_broker("--set", directories, "--set", "log.segment.bytes=1048576").start()
    yield broker.address
    assert broker.stop() == 0
    assert "Traceback" not in broker.log
    assert "is offline" not in broker.log


class Load:
    """A producer and a consumer of one partition, each on a connection and a thread of its own."""

    def __init__(self, address: Address, topic: str) -> None:
        self.acknowledged: list[bytes] = []
        self.consumed: list[bytes | None] = []
        self._address = address
        self._topic = topic
        self._ending = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in (self._produce, self._consume)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        assert self._failures == []

    def await_more(self, count: int) -> None:
        """Wait until so many more batches are acknowledged and consumed."""
        wanted = len(self.acknowledged) + count
        wait_until(lambda: self._failures or min(len(self.acknowledged), len(self.consumed)) >= wanted, "more records")

    def _run(self, work: Callable[[WireClient], None]) -> None:
        try:
            with WireClient(self._address) as client:
                work(client)
        except BaseException as error:
            self._failures.append(error)

    def _produce(self, client: WireClient) -> None:
        while not self._ending.is_set():
            value = b"%d " % len(self.acknowledged) + bytes(2_000)
            answer = produce_batch(client, self._topic, encode_batch([value]))
            assert (answer.error_code, answer.base_offset) == (0, BATCHES_BEFORE + len(self.acknowledged))
            self.acknowledged.append(value)

    def _consume(self, client: WireClient) -> None:
        while not self._ending.is_set():
            offset = BATCHES_BEFORE + len(self.consumed)
            answer = fetch(client, self._topic, offset, max_wait_ms=100, min_bytes=1)
            assert answer.error_code == 0
            self.consumed += values_of(decode_batches(answer.records))


def test_nothing_is_lost_while_a_log_is_moved_there_and_back(
    two_directories: Address, topic_name: Callable[[], str]
) -> None:
    topic = topic_name()
    with WireClient(two_directories) as wire:
        new = {"name": topic, "num_partitions": 1, "replication_factor": 1}
        assert wire.ask("CreateTopics", 7, timeout_ms=30_000, topics=[new]).topics[0].error_code == 0
        wait_until(lambda: _places(wire, topic), "the log is there")
        before = [b"%d" % number + bytes(VALUE_BYTES) for number in range(BATCHES_BEFORE)]
        for value in before:
            assert produce_batch(wire, topic, encode_batch([value])).error_code == 0
        ((home, _),) = _places(wire, topic)
        (away,) = {result.log_dir for result in wire.ask("DescribeLogDirs", 4, topics=[]).results} - {home}
        with Load(two_directories, topic) as load:
            load.await_more(10)
            for target in (away, home):
                _move(wire, topic, target)
                wait_until(lambda: _places(wire, topic) == [(target, False)], f"the log is in {target}")  # noqa: B023
                load.await_more(10)
            # One that is ended under way leaves the log where it is.
            _move(wire, topic, away)
            _move(wire, topic, home)
            assert _places(wire, topic) == [(home, False)]
            load.await_more(10)
        assert values_of(read_all(wire, topic)) == before + load.acknowledged
        assert load.consumed == load.acknowledged[: len(load.consumed)]


def _move(wire: WireClient, topic: str, path: str) -> None:
    answer = wire.ask("AlterReplicaLogDirs", 2, dirs=[{"path": path, "topics": [{"name": topic, "partitions": [0]}]}])
    assert [(each.partition_index, each.error_code) for each in answer.results[0].partitions] == [(0, 0)]


def _places(wire: WireClient, topic: str) -> list[tuple[str, bool]]:
    """Log directory of the log, and of its copy while it is moved; whether it is a copy."""
    answer = wire.ask("DescribeLogDirs", 4, topics=[{"topic": topic, "partitions": [0]}])
    return [
        (result.log_dir, partition.is_future_key)
        for result in answer.results
        for described in result.topics
        for partition in described.partitions
    ]
