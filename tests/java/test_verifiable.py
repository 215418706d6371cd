"""Kafka's own producer reports what is stored; its consumers share a topic, hand over and lose nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.groups_over_the_wire import committed, describe_group
from tests.support.java import FETCH_TIMEOUT_S, require_kafka
from tests.support.records_over_the_wire import list_offset, read_all
from tests.support.wait import wait_until
from tests.support.wire import WireClient

from .verifiable import ASSIGNORS, VerifiableConsumer, VerifiableProducer

PARTITIONS = 6
MESSAGES = 2_000
THROUGHPUT = 1_000


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_producer(bootstrap: str, wire: WireClient, make_topic: Callable[..., str], tmp_path: Path) -> None:
    require_kafka()
    topic = make_topic(partitions=PARTITIONS)
    with VerifiableProducer(tmp_path, bootstrap, topic, messages=MESSAGES, throughput=-1) as producer:
        producer.wait()
    reported = {
        (event["partition"], event["offset"]): (event["key"], event["value"])
        for event in producer.named("producer_send_success")
    }
    stored = {
        (index, record.offset): ((record.key or b"").decode(), (record.value or b"").decode())
        for index in range(PARTITIONS)
        for batch in read_all(wire, topic, partition=index)
        for record in batch.records
    }
    assert reported == stored
    assert {value for _, value in stored.values()} == {str(number) for number in range(MESSAGES)}
    (outcome,) = producer.named("tool_data")
    assert (outcome["sent"], outcome["acked"]) == (MESSAGES, MESSAGES)
    assert not producer.named("producer_send_error")


@pytest.mark.timeout(FETCH_TIMEOUT_S)
@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_members_share_and_hand_over(
    assignor: str, bootstrap: str, wire: WireClient, make_topic: Callable[..., str], tmp_path: Path
) -> None:
    require_kafka()
    topic = make_topic(partitions=PARTITIONS)
    group = f"group-of-{topic}"
    numbers = itertools.count()
    with ExitStack() as running:

        def start() -> VerifiableConsumer:
            directory = tmp_path / f"consumer-{next(numbers)}"
            directory.mkdir()
            return running.enter_context(VerifiableConsumer(directory, bootstrap, group, topic, assignor))

        leaver, stayer = start(), start()
        _await_shares([leaver, stayer])
        before = [len(member.taken) for member in (leaver, stayer)]
        producer = running.enter_context(
            VerifiableProducer(tmp_path, bootstrap, topic, messages=MESSAGES, throughput=THROUGHPUT)
        )
        newcomer = start()
        _await_shares([leaver, stayer, newcomer])
        assert describe_group(wire, group).protocol == assignor
        if assignor == "cooperative-sticky":
            # Each of the two has given up one partition, and gone on with the others.
            given_up = [member.taken[count:] for member, count in zip((leaver, stayer), before, strict=True)]
            assert [[len(taken) for taken in each] for each in given_up] == [[1], [1]]
        taken = stayer.taken
        leaver.stop()
        _await_shares([stayer, newcomer])
        assert (stayer.taken == taken) is (assignor == "cooperative-sticky")

        producer.wait()
        (outcome,) = producer.named("tool_data")
        assert (outcome["sent"], outcome["acked"]) == (MESSAGES, MESSAGES)
        ends = [list_offset(wire, topic, -1, partition=index).offset for index in range(PARTITIONS)]
        assert sum(ends) == MESSAGES
        # Of a partition without records there is nothing to commit.
        expected = [end or -1 for end in ends]
        wait_until(lambda: committed(wire, group, topic, PARTITIONS) == expected, "all is read and committed")
        for member in (stayer, newcomer):
            member.stop()
        assert describe_group(wire, group).state == "Empty"
        everything = {(index, offset) for index, end in enumerate(ends) for offset in range(end)}
        assert leaver.consumed | stayer.consumed | newcomer.consumed == everything


def _await_shares(members: Sequence[VerifiableConsumer]) -> None:
    """Wait until the members have all partitions, each as many as the others."""
    share = PARTITIONS // len(members)

    def shared() -> bool:
        owned = [member.owned for member in members]
        return [len(each) for each in owned] == [share] * len(members) and len(set().union(*owned)) == PARTITIONS

    wait_until(shared, f"{len(members)} members share the partitions")
