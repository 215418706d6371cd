"""kill -9 amid commits and rebalances: committed offsets stay, and members come back and go on."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence

import pytest

from benchmarks.wire import free_ports
from tests.support.broker_process import BrokerProcess
from tests.support.groups_over_the_wire import committed, describe_group
from tests.support.records_over_the_wire import list_offset
from tests.support.wait import wait_until
from tests.support.wire import WireClient

from .client_thread import ClientThread
from .committers import LibrdkafkaCommitter, RawCommitter, RecordingCommitter
from .group_threads import LibrdkafkaMember, Numbers, RestlessMember
from .producers import LibrdkafkaProducer, RecordingProducer

KILLS = int(os.environ.get("OTTLA_TEST_KILLS", "5"))
"""By each test; the environment asks for more."""

TIMEOUT_S = 120 + 10 * KILLS
PARTITIONS = 4
TOPIC = "killed"
GROUP = "survivors"


@pytest.fixture
def broker(make_broker: Callable[..., BrokerProcess]) -> BrokerProcess:
    """A broker on a port to which clients come back, with the topic."""
    started = make_broker(port=free_ports(1)[0]).start()
    topics = [{"name": TOPIC, "num_partitions": PARTITIONS, "replication_factor": 1}]
    with started.connect() as client:
        assert client.ask("CreateTopics", 7, timeout_ms=30_000, topics=topics).topics[0].error_code == 0
        describe_group(client, GROUP)  # has the offsets topic made
    return started


@pytest.mark.timeout(TIMEOUT_S)
def test_acknowledged_commits_stay(broker: BrokerProcess) -> None:
    committers: list[RecordingCommitter] = [
        LibrdkafkaCommitter("librdkafka", broker.address, TOPIC, PARTITIONS),
        RawCommitter("raw", broker.address, TOPIC, PARTITIONS),
    ]
    for committer in committers:
        committer.start()
    for _ in range(KILLS):
        for committer in committers:
            _await_commits(committer, random.randrange(1, 100))
        broker.kill()
        acknowledged = [list(committer.acknowledged) for committer in committers]
        broker.start()
        with broker.connect() as client:
            for committer, expected in zip(committers, acknowledged, strict=True):
                _check_committed(client, committer.name, expected, committer)
    for committer in committers:
        committer.finish()
    broker.restart()
    with broker.connect() as client:
        for committer in committers:
            assert committed(client, committer.name, TOPIC, PARTITIONS) == committer.acknowledged
    assert "Traceback" not in broker.log


@pytest.mark.timeout(TIMEOUT_S)
def test_generations_grow_and_own_each_partition_once(broker: BrokerProcess) -> None:
    numbers = Numbers(PARTITIONS)
    members = [RestlessMember(f"member {i}", broker.address, GROUP, TOPIC, numbers) for i in range(3)]
    for member in members:
        member.start()
    for _ in range(KILLS):
        _await_assignments(members, random.randrange(1, 20))
        broker.kill()
        acknowledged = list(numbers.acknowledged)
        broker.start()
        with broker.connect() as client:
            _check_committed(client, GROUP, acknowledged, numbers)
    _await_assignments(members, 1)
    for member in members:
        member.is_restless = False
    _await(members, lambda: _share_all(members), "all are members of one generation, and stay")
    for member in members:
        member.finish()
    _check_owners(members)
    with broker.connect() as client:
        assert committed(client, GROUP, TOPIC, PARTITIONS) == numbers.acknowledged
    assert "Traceback" not in broker.log


@pytest.mark.timeout(TIMEOUT_S)
def test_consumers_read_on(broker: BrokerProcess) -> None:
    producer = LibrdkafkaProducer("producer", broker.address, TOPIC, PARTITIONS)
    members = [LibrdkafkaMember(f"member {i}", broker.address, GROUP, TOPIC, PARTITIONS) for i in range(3)]
    producer.start()
    for member in members:
        member.start()
    for _ in range(KILLS):
        _await_read(members, producer, random.randrange(1, 200))
        broker.kill()
        broker.start()
    producer.finish()
    with broker.connect() as client:
        ends = [list_offset(client, TOPIC, -1, partition=index).offset for index in range(PARTITIONS)]
        _await(members, lambda: committed(client, GROUP, TOPIC, PARTITIONS) == ends, "all is read and committed")
    for member in members:
        member.finish()
    for partition, end in enumerate(ends):
        assert set().union(*(member.read[partition] for member in members)) == set(range(end))
    assert "Traceback" not in broker.log


def _await_commits(committer: RecordingCommitter, count: int) -> None:
    """Wait until so many more commits of its are acknowledged."""
    total = sum(committer.acknowledged) + count
    _await([committer], lambda: sum(committer.acknowledged) >= total, f"{committer.name} commits {count} times")


def _check_committed(
    client: WireClient, group: str, acknowledged: Sequence[int], source: RecordingCommitter | Numbers
) -> None:
    """What the broker has is no less than it acknowledged before the kill, and nothing that nobody sent."""
    found = committed(client, group, TOPIC, PARTITIONS)
    for index, offset in enumerate(found):
        least, most = acknowledged[index], source.sent[index]
        # -1 is none; the first that anybody commits is 1.
        assert least <= max(offset, 0) <= most, f"{group} in {index}: {offset} is not from {least} to {most}"


def _await(threads: Sequence[ClientThread | RecordingProducer], condition: Callable[[], bool], what: str) -> None:
    """Wait for something that threads do; raises what has gone wrong in one of them."""

    def reached() -> bool:
        for thread in threads:
            if thread.failure is not None:
                raise thread.failure
        return condition()

    wait_until(reached, what)


def _await_assignments(members: Sequence[RestlessMember], count: int) -> None:
    """Wait until each member has been given something so often again."""
    totals = [(member, len(member.owned) + count) for member in members]
    _await(members, lambda: all(len(member.owned) >= total for member, total in totals), f"{count} assignments each")


def _share_all(members: Sequence[RestlessMember]) -> bool:
    last = [member.owned[-1] for member in members]
    shared = sorted(index for owned in last for index in owned.partitions)
    return len({owned.generation for owned in last}) == 1 and shared == list(range(PARTITIONS))


def _check_owners(members: Sequence[RestlessMember]) -> None:
    """No member was told of an older generation than before, and no two of the same partition in one."""
    owners: dict[tuple[int, int], str] = {}
    for member in members:
        generations = [owned.generation for owned in member.owned]
        assert generations == sorted(generations), f"{member.name}: {generations}"
        for owned in member.owned:
            for partition in owned.partitions:
                owner = owners.setdefault((owned.generation, partition), member.name)
                assert owner == member.name, f"{partition} in generation {owned.generation}: {owner}, {member.name}"


def _await_read(members: Sequence[LibrdkafkaMember], producer: RecordingProducer, count: int) -> None:
    """Wait until so many more records have been read."""

    def read() -> int:
        return sum(len(offsets) for member in members for offsets in member.read)

    total = read() + count
    _await([*members, producer], lambda: read() >= total, f"{count} more records are read")
