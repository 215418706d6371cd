"""The layout of the metadata store: every key there is.

    cluster/id                              the cluster id, 22 characters of base64 as Kafka writes a uuid
    brokers/<node id>                       a broker: how often it was started, its rack
    topics/<name>                           a topic: id, configs, initial assignment of all its partitions
    partitions/<topic id>/<index>           a partition's leader, ISR and epoch, only once they differ from the initial
    producer-ids/next                       the first producer id that no broker has reserved
    configs/brokers/default                 properties set at run time for all brokers
    configs/brokers/<node id>               properties set at run time for one broker, which hold over those of all

A topic is one key whatever its number of partitions, so that creating many topics stays within etcd's 128 operations
a transaction and creating one is atomic. A partition's own key is named after the topic's id, not its name, so that
a topic made again under an old name cannot meet what is left of the old one; `DeletePrefix` removes them all at once.
Node ids and indexes are plain decimals: nobody relies on the order of keys. Values are described in
broker.metadata.records.
"""

from __future__ import annotations

from protocol.uuid import uuid_from_text, uuid_to_text

CLUSTER_ID = "cluster/id"
PRODUCER_IDS_NEXT = "producer-ids/next"
BROKERS = "brokers/"
TOPICS = "topics/"
PARTITIONS = "partitions/"
BROKER_CONFIGS = "configs/brokers/"

_ALL_BROKERS = "default"


def broker_key(node_id: int) -> str:
    """The key of a broker."""
    return f"{BROKERS}{node_id}"


def topic_key(name: str) -> str:
    """The key of a topic."""
    return TOPICS + name


def partitions_prefix(topic_id: bytes) -> str:
    """The prefix of all partition keys of a topic."""
    return f"{PARTITIONS}{uuid_to_text(topic_id)}/"


def partition_key(topic_id: bytes, index: int) -> str:
    """The key of a partition."""
    return f"{partitions_prefix(topic_id)}{index}"


def broker_configs_key(node_id: int | None) -> str:
    """The key of what is set at run time for a broker, or for all brokers where the node id is None."""
    return f"{BROKER_CONFIGS}{_ALL_BROKERS if node_id is None else node_id}"


def parse_broker_configs_key(key: str) -> int | None:
    """The node id in such a key, None in that for all brokers."""
    name = key.removeprefix(BROKER_CONFIGS)
    return None if name == _ALL_BROKERS else int(name)


def parse_broker_key(key: str) -> int:
    """The node id in a broker's key."""
    return int(key.removeprefix(BROKERS))


def parse_partition_key(key: str) -> tuple[bytes, int]:
    """The topic id and the index in a partition's key."""
    topic_id, _, index = key.removeprefix(PARTITIONS).partition("/")
    return uuid_from_text(topic_id), int(index)
