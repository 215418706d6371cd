"""Described topics that are kept: never older than what they describe, and described anew only where that changed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from broker.metadata.image import MetadataImage, TopicImage, load_image
from broker.metadata.keys import broker_key, partition_key, topic_key
from broker.metadata.records import (
    BrokerRecord,
    PartitionRecord,
    TopicRecord,
    encode_broker,
    encode_partition,
    encode_topic,
)
from broker.metadata.store import KeyValue, WatchEvent
from broker.topic_descriptions import TopicDescriptions

NODE_ID, OTHER, THIRD = 1, 2, 3
NODES = (NODE_ID, OTHER, THIRD)
ALL = frozenset(NODES)
NAMES = ("orders", "payments", "__consumer_offsets")
VERSION = 13


class Partitions:
    """Stands for the table of partitions, of which only the failed ones are asked for."""

    def __init__(self) -> None:
        self.offline: frozenset[tuple[bytes, int]] = frozenset()


def descriptions_of(partitions: Partitions) -> TopicDescriptions:
    return TopicDescriptions(NODE_ID, partitions)  # type: ignore[arg-type]


def topic(name: str, topic_id: bytes, *assignment: tuple[int, ...], revision: int = 1) -> KeyValue:
    return KeyValue(topic_key(name), encode_topic(TopicRecord(topic_id, {}, assignment)), revision)


def broker(node_id: int, start_count: int = 0) -> KeyValue:
    return KeyValue(broker_key(node_id), encode_broker(BrokerRecord(start_count, None)), 1)


class DescriptionMachine(RuleBasedStateMachine):
    """Whatever changes, what is kept is what would be described now; all versions are asked for, some after others."""

    def __init__(self) -> None:
        super().__init__()
        self.partitions = Partitions()
        self.descriptions = descriptions_of(self.partitions)
        self.image = MetadataImage()
        self.ids = itertools.count(1)
        self.version = 0

    def change(self, *puts: KeyValue, deletes: tuple[str, ...] = ()) -> None:
        self.image, _ = self.image.apply(WatchEvent(self.image.revision + 1, list(puts), list(deletes)))

    def any_topic(self, data: st.DataObject) -> TopicImage:
        return self.image.topics[data.draw(st.sampled_from(sorted(self.image.topics)))]

    @initialize()
    def begin(self) -> None:
        self.change(*map(broker, NODES))

    @rule(name=st.sampled_from(NAMES), replicas=st.lists(st.permutations(NODES), min_size=1, max_size=4))
    def make(self, name: str, replicas: list[tuple[int, ...]]) -> None:
        self.change(topic(name, next(self.ids).to_bytes(16), *map(tuple, replicas)))

    @precondition(lambda self: self.image.topics)
    @rule(data=st.data())
    def grow(self, data: st.DataObject) -> None:
        grown = self.any_topic(data)
        self.change(topic(grown.name, grown.topic_id, *grown.assignment, (OTHER, NODE_ID)))

    @precondition(lambda self: self.image.topics)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.change(deletes=(topic_key(self.any_topic(data).name),))

    @precondition(lambda self: self.image.topics)
    @rule(data=st.data(), leader=st.sampled_from((*NODES, -1)), epoch=st.integers(0, 3))
    def elect(self, data: st.DataObject, leader: int, epoch: int) -> None:
        changed = self.any_topic(data)
        index = data.draw(st.integers(0, len(changed.partitions) - 1))
        record = PartitionRecord(NODES, tuple(node for node in NODES if node == leader), leader, epoch)
        self.change(KeyValue(partition_key(changed.topic_id, index), encode_partition(record), 1))

    @rule(node_id=st.sampled_from(NODES), start_count=st.integers(0, 3))
    def restart_broker(self, node_id: int, start_count: int) -> None:
        self.change(broker(node_id, start_count))

    @rule(node_id=st.sampled_from((OTHER, THIRD)))
    def lose_broker(self, node_id: int) -> None:
        self.change(deletes=(broker_key(node_id),))

    @precondition(lambda self: self.image.topics)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        failed = self.any_topic(data)
        self.partitions.offline |= {(failed.topic_id, data.draw(st.integers(0, len(failed.partitions) - 1)))}

    @rule()
    def mend(self) -> None:
        self.partitions.offline = frozenset()

    @invariant()
    def agrees_with_what_is_described_now(self) -> None:
        # Not every version at every step: what is kept of the others grows older meanwhile.
        self.version = (self.version + 5) % 14
        for version in (0, self.version, VERSION):
            for reachable in (ALL, frozenset((NODE_ID,))):
                kept = self.descriptions.view(self.image, version, reachable)
                now = descriptions_of(self.partitions).view(self.image, version, reachable)
                for each in self.image.topics.values():
                    assert kept.encoded(each) == now.encoded(each)
                    assert kept.describe(each) == now.describe(each)


DescriptionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestDescriptions = DescriptionMachine.TestCase


@pytest.fixture
def image() -> MetadataImage:
    orders, payments = (topic(name, name[:1].encode() * 16, (NODE_ID,), (NODE_ID,)) for name in NAMES[:2])
    return load_image([broker(NODE_ID), orders, payments], 1)


def applied(image: MetadataImage, *puts: KeyValue, deletes: tuple[str, ...] = ()) -> MetadataImage:
    return image.apply(WatchEvent(image.revision + 1, list(puts), list(deletes)))[0]


def pieces(descriptions: TopicDescriptions, image: MetadataImage, version: int = VERSION) -> dict[str, bytes]:
    view = descriptions.view(image, version, frozenset((NODE_ID,)))
    return {name: view.encoded(each) for name, each in image.topics.items()}


def test_a_change_costs_the_topics_that_it_changes(image: MetadataImage) -> None:
    descriptions = descriptions_of(Partitions())
    before = pieces(descriptions, image)
    assert all(again is before[name] for name, again in pieces(descriptions, image).items())
    changed = applied(image, topic("orders", b"o" * 16, (NODE_ID,), (NODE_ID,), (NODE_ID,), revision=2))
    after = pieces(descriptions, changed)
    assert after["payments"] is before["payments"]
    assert len(after["orders"]) > len(before["orders"])


def test_versions_do_not_mix(image: MetadataImage) -> None:
    descriptions = descriptions_of(Partitions())
    sizes = {version: len(pieces(descriptions, image, version)["orders"]) for version in range(14)}
    assert sizes[0] < sizes[1] < sizes[5] < sizes[7] < sizes[8]
    assert {version: len(pieces(descriptions, image, version)["orders"]) for version in range(14)} == sizes


def test_what_is_gone_is_not_kept_for_ever(image: MetadataImage) -> None:
    descriptions = descriptions_of(Partitions())
    for number in range(500):
        image = applied(image, topic(f"passing-{number}", number.to_bytes(16), (NODE_ID,)))
        pieces(descriptions, image)
        image = applied(image, deletes=(topic_key(f"passing-{number}"),))
    assert len(descriptions.view(image, VERSION, frozenset((NODE_ID,)))) < 100
    for number in range(100):
        descriptions.view(image, VERSION, frozenset((NODE_ID, number)))
    assert len(descriptions) <= 16


def test_images_of_other_brokers_describe_anew(image: MetadataImage) -> None:
    descriptions = descriptions_of(Partitions())
    before: Any = pieces(descriptions, image)
    restarted = applied(image, broker(NODE_ID, start_count=1))
    after = pieces(descriptions, restarted)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before), "the leader epochs have risen"
