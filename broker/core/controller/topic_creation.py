"""Creating topics: from what a request asks for and what there is to what must be written, or which error to answer.

Pure: nothing here waits, writes, or asks for time or randomness. Codes and messages are those of Kafka's controller.
Three departures: names that collide are refused within one request too (Kafka looks only at the topics there are), the
default replication factor is at most the number of brokers, and the topic of groups is compacted unless the request
says otherwise, since committed offsets would be gone after a week.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError

from ...metadata.image import GROUPS_TOPIC, MetadataImage
from ...metadata.records import TopicRecord
from .placement import bad_assignment, check_factor, check_replicas, place_replicas, seed_of
from .topic_names import NameCollisions, validate_topic_name

REQUEST_PARTITIONS_MAX = 10_000
# In Kafka the log of the cluster's own metadata; nobody shall take it for a topic.
FORBIDDEN_TOPIC = "__cluster_metadata"


class NewTopic(NamedTuple):
    """A topic to create; -1 stands for the broker's default, and must stand beside assignments."""

    name: str
    partition_count: int = -1
    replication_factor: int = -1
    assignments: Sequence[tuple[int, Sequence[int]]] = ()
    configs: Sequence[tuple[str, str | None]] = ()

    def partition_count_or(self, default: int) -> int:
        """How many partitions it asks for, whether that makes sense or not."""
        if self.assignments:
            return len(self.assignments)
        return default if self.partition_count == -1 else self.partition_count


class TopicDefaults(NamedTuple):
    """What the broker's configuration says of new topics."""

    partition_count: int
    replication_factor: int
    clamp_replication_factor: bool
    validate_configs: Callable[[Mapping[str, str | None]], Mapping[str, str]]
    """Returns the overrides to keep; raises KafkaError(INVALID_CONFIG)."""


CreationResults = dict[str, TopicRecord | KafkaError]


def plan_creation(
    topics: Sequence[NewTopic],
    image: MetadataImage,
    defaults: TopicDefaults,
    may_create: Callable[[str], bool],
    new_topic_id: Callable[[], bytes],
) -> CreationResults:
    """For each name of the request the topic to write, or why it cannot be."""
    counts = Counter(topic.name for topic in topics)
    results: CreationResults = dict.fromkeys(counts, KafkaError(ErrorCode.INVALID_REQUEST, "Duplicate topic name."))
    admitted = []
    for topic in topics:
        if counts[topic.name] > 1:
            continue
        if topic.name == FORBIDDEN_TOPIC:
            message = f"Creation of internal topic {FORBIDDEN_TOPIC} is prohibited."
            results[topic.name] = KafkaError(ErrorCode.INVALID_REQUEST, message)
        elif not may_create(topic.name):
            results[topic.name] = KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Authorization failed.")
        else:
            admitted.append(topic)
    asked_for = sum(max(0, topic.partition_count_or(defaults.partition_count)) for topic in admitted)
    if asked_for > REQUEST_PARTITIONS_MAX:
        message = f"Excessively large number of partitions per request: {asked_for} > {REQUEST_PARTITIONS_MAX}."
        results.update((topic.name, KafkaError(ErrorCode.POLICY_VIOLATION, message)) for topic in admitted)
        return results
    collisions = NameCollisions(image.topics)
    for topic in admitted:
        try:
            results[topic.name] = _new_record(topic, image, collisions, defaults, new_topic_id())
        except KafkaError as error:
            results[topic.name] = error
    return results


def _new_record(
    topic: NewTopic, image: MetadataImage, collisions: NameCollisions, defaults: TopicDefaults, topic_id: bytes
) -> TopicRecord:
    validate_topic_name(topic.name)
    collisions.check(topic.name)
    if topic.name in image.topics:
        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.")
    overrides = dict(topic.configs)
    if topic.name == GROUPS_TOPIC:
        overrides.setdefault("cleanup.policy", "compact")
    configs = defaults.validate_configs(overrides)
    if topic.assignments:
        assignment = _manual_assignment(topic, image)
    else:
        assignment = _automatic_assignment(topic, image, defaults, seed_of(topic_id))
    collisions.take(topic.name)  # last: a topic that is refused takes no name
    return TopicRecord(topic_id, configs, assignment)


def _automatic_assignment(
    topic: NewTopic, image: MetadataImage, defaults: TopicDefaults, seed: int
) -> tuple[tuple[int, ...], ...]:
    brokers = len(image.brokers)
    factor = topic.replication_factor
    if factor < -1 or factor == 0:
        message = "Replication factor must be larger than 0, or -1 to use the default value."
        raise KafkaError(ErrorCode.INVALID_REPLICATION_FACTOR, message)
    partition_count = topic.partition_count_or(defaults.partition_count)
    if partition_count < 1:
        message = "Number of partitions was set to an invalid non-positive value."
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, message)
    if factor == -1:
        factor = min(defaults.replication_factor, brokers)
    elif factor > brokers and defaults.clamp_replication_factor:
        factor = brokers
    check_factor(factor, image.brokers)
    return place_replicas(partition_count, factor, image.brokers.values(), seed)


def _manual_assignment(topic: NewTopic, image: MetadataImage) -> tuple[tuple[int, ...], ...]:
    for field, value in (("replication factor", topic.replication_factor), ("numPartitions", topic.partition_count)):
        if value != -1:
            message = f"A manual partition assignment was specified, but {field} was not set to -1."
            raise KafkaError(ErrorCode.INVALID_REQUEST, message)
    partitions: dict[int, tuple[int, ...]] = {}
    factor = len(topic.assignments[0][1])
    for index, replicas in topic.assignments:
        if index in partitions:
            raise bad_assignment(f"Found multiple manual partition assignments for partition {index}")
        check_replicas(replicas, image.brokers, factor)
        partitions[index] = tuple(replicas)
    if any(index not in partitions for index in range(len(partitions))):
        raise bad_assignment("partitions should be a consecutive 0-based integer sequence")
    return tuple(partitions[index] for index in range(len(partitions)))
