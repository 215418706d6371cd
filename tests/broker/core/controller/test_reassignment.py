"""Giving partitions other replicas: the rules, with codes and messages as a Kafka 4.3.1 has them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from broker.core.controller.reassignment import reassign
from broker.metadata.image import NO_LEADER, MetadataImage
from broker.metadata.records import PartitionRecord, TopicRecord
from protocol.errors import KafkaError
from tests.support.metadata_images import image_of, stored_partition, stored_topic

ID = b"t" * 16


def image_with(state: PartitionRecord, brokers: Sequence[int] = (1, 2, 3)) -> MetadataImage:
    """The topic `t` of one partition in that state."""
    topic = stored_topic("t", TopicRecord(ID, {}, (state.replicas,)))
    return image_of(topic, stored_partition(ID, 0, state), brokers=brokers)


def reassigned(
    state: PartitionRecord, target: Sequence[int] | None, *, topic: str = "t", index: int = 0, may_change: bool = True
) -> PartitionRecord | None:
    return reassign(image_with(state), topic, index, target, allow_factor_change=may_change)


def test_the_same_replicas_change_nothing() -> None:
    assert reassigned(PartitionRecord((1,), (1,), 1, 0), [1]) is None
    assert reassigned(PartitionRecord((1, 2), (2,), 2, 5), [1, 2], may_change=False) is None


def test_another_order_keeps_the_leader() -> None:
    state = PartitionRecord((1, 2, 3), (2, 1), 1, 5)
    assert reassigned(state, [3, 2, 1]) == PartitionRecord((3, 2, 1), (2, 1), 1, 5)


def test_a_partition_that_no_one_leads_gets_a_leader() -> None:
    state = PartitionRecord((1, 2), (2,), NO_LEADER, 5)
    assert reassigned(state, [2, 1]) == PartitionRecord((2, 1), (2,), 2, 6)


def test_a_replica_that_is_left_out_is_fenced() -> None:
    state = PartitionRecord((1, 2, 3), (3, 1, 2), 1, 5)
    assert reassigned(state, [1, 3]) == PartitionRecord((1, 3), (3, 1), 1, 6)
    assert reassigned(state, [2, 3]) == PartitionRecord((2, 3), (3, 2), 3, 6)


@pytest.mark.parametrize("may_change", [True, False])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([], "The manual partition assignment includes an empty replica list."),
        ([1, 9], "The manual partition assignment includes broker 9, but no such broker is registered."),
        ([-1], "The manual partition assignment includes broker -1, but no such broker is registered."),
        ([2, 2], "The manual partition assignment includes the broker 2 more than once."),
    ],
)
def test_replicas_that_cannot_be(target: list[int], message: str, may_change: bool) -> None:
    with pytest.raises(KafkaError) as raised:
        reassigned(PartitionRecord((1,), (1,), 1, 0), target, may_change=may_change)
    assert (raised.value.code.name, raised.value.message) == ("INVALID_REPLICA_ASSIGNMENT", message)


@pytest.mark.parametrize("target", [[1], [1, 2, 3]])
def test_the_number_of_replicas_may_have_to_stay(target: list[int]) -> None:
    with pytest.raises(KafkaError) as raised:
        reassigned(PartitionRecord((1, 2), (1, 2), 1, 0), target, may_change=False)
    assert (raised.value.code.name, raised.value.message) == (
        "INVALID_REPLICATION_FACTOR",
        f"The replication factor is changed from 2 to {len(target)}",
    )


@pytest.mark.parametrize(("target", "lacking"), [([1, 3], 3), ([3], 3), ([2], 2)])
def test_records_are_not_copied(target: list[int], lacking: int) -> None:
    with pytest.raises(KafkaError) as raised:
        reassigned(PartitionRecord((1, 2), (1,), 1, 0), target)
    assert (raised.value.code.name, raised.value.message) == (
        "INVALID_REPLICA_ASSIGNMENT",
        f"Broker {lacking} lacks records of t-0, and they cannot be copied to it yet.",
    )


def test_there_is_never_anything_to_cancel() -> None:
    with pytest.raises(KafkaError) as raised:
        reassigned(PartitionRecord((1, 2), (1, 2), 1, 0), None)
    assert raised.value.code.name == "NO_REASSIGNMENT_IN_PROGRESS"


@pytest.mark.parametrize(
    ("topic", "index", "message"),
    [
        ("nope", 0, "Unable to find a topic named nope."),
        ("t", 1, "Unable to find partition t:1."),
        ("t", -1, "Unable to find partition t:-1."),
    ],
)
@pytest.mark.parametrize("target", [[1], None])
def test_what_is_not_there(topic: str, index: int, message: str, target: list[int] | None) -> None:
    with pytest.raises(KafkaError) as raised:
        reassigned(PartitionRecord((1,), (1,), 1, 0), target, topic=topic, index=index)
    assert (raised.value.code.name, raised.value.message) == ("UNKNOWN_TOPIC_OR_PARTITION", message)
