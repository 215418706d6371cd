"""Electing leaders: the rules, with codes and messages as a Kafka 4.3.1 has them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from broker.core.controller.leader_election import ElectionType, elect_leader
from broker.metadata.image import NO_LEADER, BrokerImage, MetadataImage
from broker.metadata.records import PartitionRecord, TopicRecord
from broker.metadata.store import WatchEvent
from protocol.errors import KafkaError
from tests.support.metadata_images import image_of, stored_partition, stored_topic

ID = b"t" * 16
PREFERRED, UNCLEAN = ElectionType.PREFERRED, ElectionType.UNCLEAN


def image_with(state: PartitionRecord, brokers: Sequence[int] = (1, 2, 3)) -> MetadataImage:
    """The topic `t` of one partition in that state."""
    topic = stored_topic("t", TopicRecord(ID, {}, (state.replicas,)))
    return image_of(topic, stored_partition(ID, 0, state), brokers=brokers)


def elected(state: PartitionRecord, election_type: ElectionType, brokers: Sequence[int] = (1, 2, 3)) -> PartitionRecord:
    return elect_leader(image_with(state, brokers), "t", 0, election_type)


def refusal(state: PartitionRecord, election_type: ElectionType, brokers: Sequence[int] = (1, 2, 3)) -> tuple[str, str]:
    with pytest.raises(KafkaError) as raised:
        elected(state, election_type, brokers)
    return raised.value.code.name, raised.value.message or ""


def test_the_preferred_replica_leads_again() -> None:
    state = PartitionRecord((1, 2, 3), (2, 1), 2, 5)
    assert elected(state, PREFERRED) == PartitionRecord((1, 2, 3), (2, 1), 1, 6)


def test_the_epoch_that_clients_see_rises_however_often_the_leaders_were_started() -> None:
    for starts in ({1: 0, 2: 9}, {1: 9, 2: 0}, {1: 3, 2: 3}):
        before = image_with(PartitionRecord((1, 2), (1, 2), 2, 5))
        before = dataclasses.replace(before, brokers={n: BrokerImage(n, count, None) for n, count in starts.items()})
        record = elect_leader(before, "t", 0, PREFERRED)
        after, _ = before.apply(WatchEvent(2, [stored_partition(ID, 0, record)], ()))
        assert after.leader_epoch("t", 0) == before.leader_epoch("t", 0) + 1


@pytest.mark.parametrize(
    ("state", "election_type"),
    [
        (PartitionRecord((1, 2), (1, 2), 1, 0), PREFERRED),
        (PartitionRecord((1, 2), (1, 2), 1, 0), UNCLEAN),
        (PartitionRecord((1, 2), (2,), 2, 0), UNCLEAN),
    ],
)
def test_an_election_that_nobody_needs(state: PartitionRecord, election_type: ElectionType) -> None:
    message = "Leader election not needed for topic partition."
    assert refusal(state, election_type) == ("ELECTION_NOT_NEEDED", message)


def test_the_preferred_replica_is_not_there_or_not_in_sync() -> None:
    expected = ("PREFERRED_LEADER_NOT_AVAILABLE", "The preferred leader was not available.")
    assert refusal(PartitionRecord((1, 2), (2,), 2, 0), PREFERRED) == expected
    assert refusal(PartitionRecord((1, 2), (1, 2), 2, 0), PREFERRED, brokers=[2]) == expected


def test_where_no_one_leads_one_in_sync_comes_first() -> None:
    state = PartitionRecord((1, 2, 3), (3, 2), NO_LEADER, 5)
    assert elected(state, UNCLEAN) == PartitionRecord((1, 2, 3), (3, 2), 2, 6)


def test_a_leader_that_is_gone_does_not_lead() -> None:
    state = PartitionRecord((1, 2, 3), (1, 3), 1, 5)
    assert elected(state, UNCLEAN, brokers=[2, 3]) == PartitionRecord((1, 2, 3), (1, 3), 3, 6)


def test_an_unclean_leader_is_the_only_one_in_sync() -> None:
    state = PartitionRecord((1, 2, 3), (1,), NO_LEADER, 5)
    assert elected(state, UNCLEAN, brokers=[2, 3]) == PartitionRecord((1, 2, 3), (2,), 2, 6)


def test_nobody_is_left() -> None:
    assert refusal(PartitionRecord((1, 2), (1,), NO_LEADER, 5), UNCLEAN, brokers=[3]) == (
        "ELIGIBLE_LEADERS_NOT_AVAILABLE",
        "Eligible topic partition leaders are not available.",
    )


@pytest.mark.parametrize(
    ("topic", "index", "message"),
    [
        ("nope", 0, "No such topic as nope"),
        ("t", 1, "No such partition as t-1"),
        ("t", -1, "No such partition as t--1"),
    ],
)
def test_what_is_not_there(topic: str, index: int, message: str) -> None:
    image = image_with(PartitionRecord((1,), (1,), 1, 0))
    with pytest.raises(KafkaError) as raised:
        elect_leader(image, topic, index, PREFERRED)
    assert (raised.value.code.name, raised.value.message) == ("UNKNOWN_TOPIC_OR_PARTITION", message)
