"""The metadata image: an immutable view of the store at one revision, which everything reads without waiting.

The next image is made from the last one and the events in between. What did not change is shared: topics are objects
that images pass on, partitions of equal placement are one object, and a dict is copied (some 100 µs for 10,000
topics) only if one of its entries changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from . import keys, records
from .store import KeyValue, WatchEvent

GROUPS_TOPIC = "__consumer_offsets"
INTERNAL_TOPICS = frozenset((GROUPS_TOPIC, "__transaction_state", "__share_group_state"))
NO_LEADER = -1


class PartitionImage(NamedTuple):
    """Where a partition lives: node ids of replicas and ISR, the leader (-1 for none) and the stored leader epoch."""

    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    mod_revision: int = 0  # of the partition's own key, for a transaction to compare with


class BrokerImage(NamedTuple):
    """A broker: how often it was started before this time, and its rack."""

    node_id: int
    start_count: int
    rack: str | None


class ConfigImage(NamedTuple):
    """What is set at run time for one broker or for all of them, as text by name; a change makes another object."""

    configs: Mapping[str, str]
    mod_revision: int  # of its key, for a transaction to compare with


@dataclass(frozen=True, slots=True, eq=False)
class TopicImage:
    """A topic; a changed one is another object, so `is` tells whether anything changed."""

    name: str
    topic_id: bytes
    configs: Mapping[str, str]
    partitions: tuple[PartitionImage, ...]
    internal: bool
    mod_revision: int  # of the topic's own key, for a transaction to compare with

    @property
    def assignment(self) -> tuple[tuple[int, ...], ...]:
        """The replicas of each partition, as the topic's record has them."""
        return tuple(partition.replicas for partition in self.partitions)


class ImageDelta(NamedTuple):
    """What sets two images apart; a topic made again under the same name is deleted and created."""

    created: tuple[TopicImage, ...]
    deleted: tuple[TopicImage, ...]
    changed: tuple[tuple[TopicImage, TopicImage], ...]


@dataclass(frozen=True, slots=True, eq=False)
class MetadataImage:
    """The store at one revision."""

    revision: int = 0
    cluster_id: str = ""
    topics: Mapping[str, TopicImage] = field(default_factory=dict)
    topics_by_id: Mapping[bytes, TopicImage] = field(default_factory=dict)
    brokers: Mapping[int, BrokerImage] = field(default_factory=dict)
    broker_configs: Mapping[int | None, ConfigImage] = field(default_factory=dict)
    """By node id, None being all brokers; only those for which something is set."""

    def leader_epoch(self, topic: str, index: int) -> int:
        """The leader epoch that clients and logs see: the stored one plus the number of restarts of its leader.

        It so rises at each start of a broker without a write for each partition; KIP-320 could otherwise not tell a
        tail that was cut by power loss from the one written in its place.
        """
        return self.current_epoch(self.topics[topic].partitions[index])

    def current_epoch(self, partition: PartitionImage) -> int:
        """The same, of a partition at hand."""
        leader = self.brokers.get(partition.leader)
        return partition.leader_epoch + (0 if leader is None else leader.start_count)

    def next_epoch_stored(self, partition: PartitionImage, leader: int) -> int:
        """The leader epoch to store with a registered leader, the same or another, for clients to see the next one.

        It may be negative, where the new leader was started more often than the old one.
        """
        return self.current_epoch(partition) + 1 - self.brokers[leader].start_count

    def apply(self, event: WatchEvent) -> tuple[MetadataImage, ImageDelta]:
        """The image at the event's revision, and what the event did to topics."""
        builder = _Builder(self)
        builder.change(event.puts, event.deletes)
        image = builder.build(event.revision)
        return image, difference(self, image, builder.touched)


def load_image(items: Iterable[KeyValue], revision: int) -> MetadataImage:
    """The image of all that is in the store."""
    builder = _Builder(MetadataImage())
    builder.change(items, ())
    return builder.build(revision)


def difference(old: MetadataImage, new: MetadataImage, names: Iterable[str]) -> ImageDelta:
    """What became of those topics from one image to a later one."""
    created, deleted, changed = [], [], []
    for name in names:
        before, after = old.topics.get(name), new.topics.get(name)
        if before is after:
            continue
        if before is not None and after is not None and before.topic_id == after.topic_id:
            changed.append((before, after))
            continue
        if before is not None:
            deleted.append(before)
        if after is not None:
            created.append(after)
    return ImageDelta(tuple(created), tuple(deleted), tuple(changed))


class _Builder:
    """One step from an image to the next; copies the dicts that it changes, once each."""

    def __init__(self, image: MetadataImage) -> None:
        self.touched: dict[str, None] = {}  # names of topics, in the order of the changes
        self._image = image
        self._cluster_id = image.cluster_id
        self._brokers = image.brokers
        self._broker_configs = image.broker_configs
        self._topics = image.topics
        self._topics_by_id = image.topics_by_id
        self._placements: dict[tuple[int, ...], PartitionImage] = {}

    def build(self, revision: int) -> MetadataImage:
        return MetadataImage(
            revision, self._cluster_id, self._topics, self._topics_by_id, self._brokers, self._broker_configs
        )

    def change(self, puts: Iterable[KeyValue], deletes: Iterable[str]) -> None:
        # A partition's key can only be read once its topic is known, whatever the order of the keys.
        partitions: dict[bytes, list[tuple[int, PartitionImage]]] = {}
        for key, value, mod_revision in puts:
            if key.startswith(keys.TOPICS):
                self._put_topic(key.removeprefix(keys.TOPICS), records.decode_topic(value), mod_revision)
            elif key.startswith(keys.PARTITIONS):
                topic_id, index = keys.parse_partition_key(key)
                partition = PartitionImage(*records.decode_partition(value), mod_revision)
                partitions.setdefault(topic_id, []).append((index, partition))
            elif key.startswith(keys.BROKERS):
                node_id = keys.parse_broker_key(key)
                broker = BrokerImage(node_id, *records.decode_broker(value))
                self._brokers = {**self._brokers, node_id: broker}
            elif key.startswith(keys.BROKER_CONFIGS):
                configs = ConfigImage(records.decode_configs(value), mod_revision)
                self._broker_configs = {**self._broker_configs, keys.parse_broker_configs_key(key): configs}
            elif key == keys.CLUSTER_ID:
                self._cluster_id = value.decode()
        for topic_id, changed in partitions.items():
            self._put_partitions(topic_id, changed)
        for key in deletes:
            if key.startswith(keys.TOPICS):
                self._delete_topic(key.removeprefix(keys.TOPICS))
            elif key.startswith(keys.BROKERS):
                node_id = keys.parse_broker_key(key)
                self._brokers = {other: broker for other, broker in self._brokers.items() if other != node_id}
            elif key.startswith(keys.BROKER_CONFIGS):
                owner = keys.parse_broker_configs_key(key)
                self._broker_configs = {
                    other: configs for other, configs in self._broker_configs.items() if other != owner
                }

    def _put_topic(self, name: str, record: records.TopicRecord, mod_revision: int) -> None:
        before = self._topics.get(name)
        # Partitions that are known keep their state: the record tells only where they began.
        known = before.partitions if before is not None and before.topic_id == record.topic_id else ()
        added = tuple(map(self._placement, record.assignment[len(known) :]))
        internal = name in INTERNAL_TOPICS
        topic = TopicImage(name, record.topic_id, record.configs, known + added, internal, mod_revision)
        self._set_topic(topic, before)

    def _placement(self, replicas: tuple[int, ...]) -> PartitionImage:
        image = self._placements.get(replicas)
        if image is None:
            image = self._placements[replicas] = PartitionImage(replicas, replicas, replicas[0], 0)
        return image

    def _put_partitions(self, topic_id: bytes, changed: Iterable[tuple[int, PartitionImage]]) -> None:
        topic = self._topics_by_id.get(topic_id)
        if topic is None:
            return  # deleted by the same transaction
        partitions = list(topic.partitions)
        for index, partition in changed:
            partitions[index] = partition
        self._set_topic(dataclasses.replace(topic, partitions=tuple(partitions)), topic)

    def _set_topic(self, topic: TopicImage, before: TopicImage | None) -> None:
        topics, by_id = self._own_topics()
        if before is not None and before.topic_id != topic.topic_id:
            del by_id[before.topic_id]
        topics[topic.name] = by_id[topic.topic_id] = topic
        self.touched[topic.name] = None

    def _delete_topic(self, name: str) -> None:
        topics, by_id = self._own_topics()
        topic = topics.pop(name, None)
        if topic is not None:
            del by_id[topic.topic_id]
            self.touched[name] = None

    def _own_topics(self) -> tuple[dict[str, TopicImage], dict[bytes, TopicImage]]:
        if self._topics is self._image.topics:
            self._topics = dict(self._image.topics)
            self._topics_by_id = dict(self._image.topics_by_id)
        assert isinstance(self._topics, dict) and isinstance(self._topics_by_id, dict)
        return self._topics, self._topics_by_id
