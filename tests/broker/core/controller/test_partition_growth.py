"""Adding partitions: the rules, with codes and messages as a Kafka 4.3.1 has them, and the departures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from broker.core.controller.partition_growth import GrowingTopic, GrowthResults, plan_growth
from broker.core.controller.placement import place_replicas, seed_of
from broker.metadata.image import GROUPS_TOPIC, MetadataImage
from broker.metadata.records import TopicRecord
from protocol.errors import ErrorCode, KafkaError
from tests.support.metadata_images import image_of, stored_topic

ID = b"\x00\x00\x00\x05" + bytes(12)


def image_with(
    *, brokers: int = 1, name: str = "t", assignment: Sequence[tuple[int, ...]] = ((0,), (0,))
) -> MetadataImage:
    record = TopicRecord(ID, {"segment.ms": "9"}, tuple(assignment))
    return image_of(stored_topic(name, record), brokers=range(brokers))


def plan(*topics: GrowingTopic, image: MetadataImage | None = None, denied: Sequence[str] = ()) -> GrowthResults:
    return plan_growth(topics, image or image_with(), lambda name: name not in denied)


def grown(topic: GrowingTopic, image: MetadataImage | None = None) -> TopicRecord:
    [result] = plan(topic, image=image).values()
    assert isinstance(result, TopicRecord), result
    return result


def codes(results: GrowthResults) -> dict[str, str]:
    return {name: r.code.name if isinstance(r, KafkaError) else str(len(r.assignment)) for name, r in results.items()}


def test_new_partitions_come_behind_the_old_ones() -> None:
    assert grown(GrowingTopic("t", 5)) == TopicRecord(ID, {"segment.ms": "9"}, ((0,),) * 5)
    image = image_with(brokers=4, assignment=[(0, 1), (1, 2)])
    assert grown(GrowingTopic("t", 4, [[3, 0], [2, 1]]), image).assignment == ((0, 1), (1, 2), (3, 0), (2, 1))


@pytest.mark.parametrize("brokers", [2, 3, 5])
def test_placement_goes_on_where_the_creation_ended(brokers: int) -> None:
    whole = image_with(brokers=brokers)
    at_once = place_replicas(12, 2, whole.brokers.values(), seed_of(ID))
    image = image_with(brokers=brokers, assignment=at_once[:5])
    assert grown(GrowingTopic("t", 12), image).assignment == at_once
    leaders = Counter(replicas[0] for replicas in at_once)
    assert max(leaders.values()) - min(leaders.values()) <= 1


@pytest.mark.parametrize(
    ("count", "assignments", "code", "message"),
    [
        (2, None, "INVALID_PARTITIONS", "Topic already has 2 partition(s)."),
        (2, [[0]], "INVALID_PARTITIONS", "Topic already has 2 partition(s)."),
        (1, None, "INVALID_PARTITIONS", "The topic t currently has 2 partition(s); 1 would not be an increase."),
        (0, None, "INVALID_PARTITIONS", "The topic t currently has 2 partition(s); 0 would not be an increase."),
        (
            -(2**31),
            [],
            "INVALID_PARTITIONS",
            f"The topic t currently has 2 partition(s); {-(2**31)} would not be an inc",
        ),
        (
            3,
            [],
            "INVALID_REPLICA_ASSIGNMENT",
            "Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.",
        ),
        (
            3,
            [[0], [0]],
            "INVALID_REPLICA_ASSIGNMENT",
            "Attempted to add 1 additional partition(s), but only 2 assignment(s) were specified.",
        ),
        (3, [[]], "INVALID_REPLICA_ASSIGNMENT", "The manual partition assignment includes an empty replica list."),
        (
            4,
            [[0], [7]],
            "INVALID_REPLICA_ASSIGNMENT",
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            3,
            [[0, 0]],
            "INVALID_REPLICA_ASSIGNMENT",
            "The manual partition assignment includes the broker 0 more than once.",
        ),
        (
            3,
            [[1, 0]],
            "INVALID_REPLICA_ASSIGNMENT",
            "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with "
            "previous partitions, which have 1 replica(s).",
        ),
    ],
)
def test_growth_that_cannot_be(count: int, assignments: list[list[int]] | None, code: str, message: str) -> None:
    [result] = plan(GrowingTopic("t", count, assignments), image=image_with(brokers=2)).values()
    assert isinstance(result, KafkaError)
    assert result.code.name == code
    assert result.message is not None and result.message.startswith(message)


def test_too_few_brokers_are_left_for_the_replicas() -> None:
    [result] = plan(GrowingTopic("t", 3), image=image_with(assignment=[(0, 1)])).values()
    assert isinstance(result, KafkaError)
    assert result.code == ErrorCode.INVALID_REPLICATION_FACTOR
    assert result.message is not None and "only 1 broker(s) are registered" in result.message


def test_every_topic_has_an_answer_of_its_own() -> None:
    topics = [GrowingTopic(name, 3) for name in ("t", "twice", "nope", "hidden", "twice")]
    assert codes(plan(*topics, denied=["hidden"])) == {
        "t": "3",
        "twice": "INVALID_REQUEST",
        "nope": "UNKNOWN_TOPIC_OR_PARTITION",
        "hidden": "TOPIC_AUTHORIZATION_FAILED",
    }
    assert codes(plan(GrowingTopic("t", 3), denied=["t"])) == {"t": "TOPIC_AUTHORIZATION_FAILED"}


@pytest.mark.parametrize("name", [GROUPS_TOPIC, "__transaction_state", "__share_group_state"])
def test_internal_topics_stay_as_they_are(name: str) -> None:
    image = image_with(name=name)
    [result] = plan(GrowingTopic(name, 3), image=image).values()
    assert isinstance(result, KafkaError)
    assert result.code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert result.message is not None and name in result.message
    assert codes(plan(GrowingTopic(name, 2), image=image)) == {name: "INVALID_PARTITIONS"}
    assert codes(plan(GrowingTopic(name, 3), image=image, denied=[name])) == {name: "TOPIC_AUTHORIZATION_FAILED"}


def test_a_request_adds_no_more_than_ten_thousand_partitions() -> None:
    assert len(grown(GrowingTopic("t", 10_002)).assignment) == 10_002
    for count, asked_for in ((10_003, 10_001), (2**31 - 1, 2**31 - 3)):
        [result] = plan(GrowingTopic("t", count)).values()
        assert isinstance(result, KafkaError)
        assert (result.code, result.message) == (
            ErrorCode.POLICY_VIOLATION,
            f"Excessively large number of partitions per request: {asked_for} > 10000.",
        )


def test_what_is_too_much_does_not_hinder_the_rest_of_the_request() -> None:
    entries = [stored_topic(name, TopicRecord(name.encode() * 16, {}, ((0,),))) for name in "abcd"]
    image = image_of(*entries, brokers=[0])
    topics = [GrowingTopic("a", 6_001), GrowingTopic("b", 6_001), GrowingTopic("c", 0), GrowingTopic("d", 4_001)]
    assert codes(plan(*topics, image=image)) == {
        "a": "6001",
        "b": "POLICY_VIOLATION",
        "c": "INVALID_PARTITIONS",
        "d": "4001",
    }
