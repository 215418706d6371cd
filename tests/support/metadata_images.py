"""Metadata images for the rules of the controller: topics and their partitions, as the store would hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from broker.metadata.image import BrokerImage, MetadataImage, load_image
from broker.metadata.keys import partition_key, topic_key
from broker.metadata.records import PartitionRecord, TopicRecord, encode_partition, encode_topic
from broker.metadata.store import KeyValue


def stored_topic(name: str, record: TopicRecord) -> KeyValue:
    """A topic's entry of the store."""
    return KeyValue(topic_key(name), encode_topic(record), 1)


def stored_partition(topic_id: bytes, index: int, record: PartitionRecord) -> KeyValue:
    """A partition's entry of the store."""
    return KeyValue(partition_key(topic_id, index), encode_partition(record), 1)


def image_of(*entries: KeyValue, brokers: Iterable[int]) -> MetadataImage:
    """The image of a store with these entries, in which these brokers are registered."""
    registered = {node_id: BrokerImage(node_id, 0, None) for node_id in brokers}
    return dataclasses.replace(load_image(entries, 1), brokers=registered)
