"""Adding partitions to topics: which topics become how large, and what to answer of all others.

Pure, as broker.core.controller.topic_creation; codes and messages are those of Kafka's controller. Two departures: the
internal topics stay as they are, since the number of their partitions decides where a group is found, and a request
for too many partitions is a POLICY_VIOLATION as in CreateTopics, where Kafka says UNKNOWN_SERVER_ERROR and may have
added some of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError

from ...metadata.image import MetadataImage, TopicImage
from ...metadata.records import TopicRecord
from .placement import bad_assignment, check_factor, check_replicas, place_replicas, seed_of
from .topic_creation import REQUEST_PARTITIONS_MAX


class GrowingTopic(NamedTuple):
    """A topic and how many partitions it shall have; `assignments`, if any, are the replicas of each new one."""

    name: str
    partition_count: int
    assignments: Sequence[Sequence[int]] | None = None


GrowthResults = dict[str, TopicRecord | KafkaError]


def plan_growth(
    topics: Sequence[GrowingTopic], image: MetadataImage, may_alter: Callable[[str], bool]
) -> GrowthResults:
    """For each name of the request the grown topic to write, or why it stays as it is."""
    counts = Counter(topic.name for topic in topics)
    results: GrowthResults = dict.fromkeys(counts, KafkaError(ErrorCode.INVALID_REQUEST, "Duplicate topic name."))
    room = REQUEST_PARTITIONS_MAX
    for topic in topics:
        if counts[topic.name] > 1:
            continue
        try:
            grown, added = _grow(topic, image, may_alter, room)
        except KafkaError as error:
            results[topic.name] = error
        else:
            results[topic.name] = grown
            room -= added
    return results


def _grow(
    topic: GrowingTopic, image: MetadataImage, may_alter: Callable[[str], bool], room: int
) -> tuple[TopicRecord, int]:
    """The grown topic, and how many partitions are new."""
    if not may_alter(topic.name):
        raise KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Authorization failed.")
    known = image.topics.get(topic.name)
    if known is None:
        message = "This server does not host this topic-partition."
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
    additional = _additional(topic, known)
    if known.internal:
        message = f"Cannot add partitions to internal topic {topic.name}: what it keeps is spread over those it has."
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, message)
    if topic.assignments is not None and len(topic.assignments) != additional:
        raise bad_assignment(
            f"Attempted to add {additional} additional partition(s), but only {len(topic.assignments)} assignment(s) "
            "were specified."
        )
    if additional > room:
        asked_for = REQUEST_PARTITIONS_MAX - room + additional
        message = f"Excessively large number of partitions per request: {asked_for} > {REQUEST_PARTITIONS_MAX}."
        raise KafkaError(ErrorCode.POLICY_VIOLATION, message)
    assignment = known.assignment + _new_assignment(topic, known, additional, image)
    return TopicRecord(known.topic_id, known.configs, assignment), additional


def _additional(topic: GrowingTopic, known: TopicImage) -> int:
    there_are = len(known.partitions)
    if topic.partition_count == there_are:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {there_are} partition(s).")
    if topic.partition_count < there_are:
        message = (
            f"The topic {topic.name} currently has {there_are} partition(s); {topic.partition_count} would not be an "
            "increase."
        )
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, message)
    return topic.partition_count - there_are


def _new_assignment(
    topic: GrowingTopic, known: TopicImage, additional: int, image: MetadataImage
) -> tuple[tuple[int, ...], ...]:
    """Replicas of the new partitions, as many each as those of the first one."""
    factor = len(known.partitions[0].replicas)
    if topic.assignments is not None:
        for replicas in topic.assignments:
            check_replicas(replicas, image.brokers, factor)
        return tuple(map(tuple, topic.assignments))
    check_factor(factor, image.brokers)
    # The round that the topic's creation began goes on.
    seed = seed_of(known.topic_id) + len(known.partitions)
    return place_replicas(additional, factor, image.brokers.values(), seed)
