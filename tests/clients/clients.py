"""The stock clients that are tried, each pinned, and what they cannot do by their own limitation."""

from __future__ import annotations

import re
from typing import NamedTuple


class Client(NamedTuple):
    """One client in one version."""

    name: str
    driver: str
    """What the names of its modules in tests/clients/drivers begin with."""
    requirements: tuple[str, ...]
    """What pip installs for it: the client, and the packages that its codecs need."""


class Limitation(NamedTuple):
    """Why a client lacks a feature, and the error (a regular expression) with which the test of it ends."""

    reason: str
    error: str


_CODECS = ("cramjam==2.14.0", "lz4==4.4.5", "python-snappy==0.7.3", "zstandard==0.25.0")

CLIENTS = (
    # six takes the place of its own copy, which Python 3.12 cannot import.
    Client("kafka-python 2.0.2", "kafka_python", ("kafka-python==2.0.2", "six==1.17.0", *_CODECS)),
    Client("kafka-python 2.2.21", "kafka_python", ("kafka-python==2.2.21", "crc32c==2.9.post0", *_CODECS)),
    Client("kafka-python 3.0.12", "kafka_python", ("kafka-python==3.0.12", "crc32c==2.9.post0", *_CODECS)),
    Client("confluent-kafka 2.16.1", "confluent", ("confluent-kafka==2.16.1",)),
    Client("aiokafka 0.14.0", "aiokafka", ("aiokafka==0.14.0", "cramjam==2.14.0")),
)

_LATE_GROUP_OPERATIONS = (
    "alter a group's offsets",
    "reset a group's offsets",
    "delete a group's offsets",
    "remove a member from a group",
)

_LATE_OPERATIONS = (
    "SCRAM credentials: there are none",
    "a bad change of a config is refused, the others are made",
    "alter a topic's configs one by one",
    "configs of a topic named twice are refused, the others are altered",
    "create topics and wait for them",
    "describe partitions page by page",
    "describe the metadata quorum",
    "features, and their levels",
    "list what has configs",
    "move a partition to another log directory",
    "offsets by time, asked by the admin client",
    "producers of a partition",
    "reassign a partition",
    "reset a topic's configs",
    "update a feature",
    "versions of the protocol",
)

_LACKING: dict[str, tuple[str, ...]] = {
    "kafka-python 2.0.2": (
        *_LATE_GROUP_OPERATIONS,
        *_LATE_OPERATIONS,
        "delete records",
        "describe log directories",
        "elect leaders",
        "records that are not there are not deleted, the others are",
        "the broker that coordinates a group",
    ),
    "kafka-python 2.2.21": (*_LATE_GROUP_OPERATIONS, *_LATE_OPERATIONS, "the broker that coordinates a group"),
    "kafka-python 3.0.12": ("the broker that coordinates a group",),
    "confluent-kafka 2.16.1": (
        "create topics and wait for them",
        "delete a group's offsets",
        "describe and delete a topic by its id",
        "describe log directories",
        "describe partitions page by page",
        "describe the metadata quorum",
        "features, and their levels",
        "list what has configs",
        "move a partition to another log directory",
        "producers of a partition",
        "reassign a partition",
        "remove a member from a group",
        "reset a topic's configs",
        "the broker that coordinates a group",
        "update a feature",
        "versions of the protocol",
    ),
    "aiokafka 0.14.0": (
        *_LATE_GROUP_OPERATIONS,
        *_LATE_OPERATIONS,
        "create and delete access control lists: security is off",
        "delete a group",
        "describe access control lists: security is off",
        "describe log directories",
        "elect leaders",
    ),
}
"""By client: the features for which its admin client has no operation."""

LIMITATIONS: dict[tuple[str, str], Limitation] = {
    ("kafka-python 2.0.2", "header without a value"): Limitation("reads but does not write it", "AssertionError"),
    ("kafka-python 2.2.21", "header without a value"): Limitation("reads but does not write it", "AssertionError"),
    ("kafka-python 3.0.12", "header without a value"): Limitation(
        "reads but does not write it", "All headers items must be"
    ),
    ("kafka-python 2.2.21", "produce, acks=0"): Limitation(
        "leaves the request in its own queue until it sends another that is answered", "the records have not arrived"
    ),
    ("kafka-python 2.0.2", "idempotent producer"): Limitation(
        "has no idempotent producer (2.1 does)", "Unrecognized configs.*enable_idempotence"
    ),
    ("kafka-python 2.0.2", "read committed"): Limitation(
        "has no isolation level (2.1 does)", "Unrecognized configs.*isolation_level"
    ),
    ("kafka-python 2.0.2", "share partitions, sticky"): Limitation(
        "cannot encode what its sticky assignor tells at the second rebalance", "dict_itemiterator.*has no len"
    ),
    ("confluent-kafka 2.16.1", "share partitions, sticky"): Limitation(
        "has no sticky assignor but the cooperative one", "Unsupported partition.assignment.strategy: sticky"
    ),
    **{
        (client, "share partitions, cooperative-sticky"): Limitation(
            "has no cooperative assignor", r"No module named '\w*kafka.coordinator.assignors.cooperative_sticky'"
        )
        for client in ("kafka-python 2.0.2", "kafka-python 2.2.21", "aiokafka 0.14.0")
    },
    **{
        (client, "static member comes back without a rebalance"): Limitation(
            "has no static members", "Unrecognized configs.*group_instance_id"
        )
        for client in ("kafka-python 2.0.2", "kafka-python 2.2.21")
    },
    **{
        (client, feature): Limitation("takes no topic ids, nor tells them", "topic_id")
        for client in ("kafka-python 2.0.2", "kafka-python 2.2.21", "aiokafka 0.14.0")
        for feature in ("a topic's id", "describe and delete a topic by its id")
    },
    **{
        (client, "create a topic as the broker likes it"): Limitation(
            "wants to be told the count of partitions and replicas", "must be specified"
        )
        for client in ("kafka-python 2.0.2", "kafka-python 2.2.21", "aiokafka 0.14.0")
    },
    **{
        (client, "what a client is allowed to do"): Limitation("asks, and drops the answer", "unsupported operand")
        for client in ("kafka-python 2.0.2", "kafka-python 2.2.21", "aiokafka 0.14.0")
    },
    ("kafka-python 2.2.21", "describe log directories"): Limitation(
        "asks in version 0, which Kafka 4 does not serve either", "IncompatibleBrokerVersion"
    ),
    ("kafka-python 3.0.12", "configs of an unknown topic are an error"): Limitation(
        "drops the error that is in the answer", "is not refused, but answered with {}"
    ),
    ("kafka-python 3.0.12", "a consumer goes on with a topic made again"): Limitation(
        "takes it for the old one whose end was lost, if it has fewer records, and goes on at its end",
        re.escape("assert [] == ['of the second']"),
    ),
    **{
        (client, "levels of the broker's loggers"): Limitation("knows of no such resource", "BROKER_LOGGER")
        for client in ("kafka-python 2.0.2", "kafka-python 2.2.21", "confluent-kafka 2.16.1", "aiokafka 0.14.0")
    },
    ("kafka-python 3.0.12", "nobody produces to internal topics"): Limitation(
        "refuses that by itself", "Partitioner did not assign a partition"
    ),
    ("confluent-kafka 2.16.1", "a topic named twice is not deleted, the others are"): Limitation(
        "crashes when it reads the answer", "gave no answer to delete_topics"
    ),
    ("confluent-kafka 2.16.1", "configs of a topic named twice are refused, the others are altered"): Limitation(
        "refuses the whole request by itself", "Duplicate ConfigResource found"
    ),
    ("confluent-kafka 2.16.1", "describe access control lists: security is off"): Limitation(
        "makes an empty list of that error", "is not refused, but answered with 0"
    ),
    **{
        (client, "alter the configs of all brokers"): Limitation("takes only numbers for the names of brokers", error)
        for client, error in (
            ("kafka-python 3.0.12", "must be an integer"),
            ("confluent-kafka 2.16.1", "Invalid ConfigResource"),
            ("aiokafka 0.14.0", "invalid literal for int"),
        )
    },
    **{
        (client, feature): Limitation(
            "has no such operation in its admin client", "has no (attribute|operation)|unexpected keyword argument"
        )
        for client, features in _LACKING.items()
        for feature in features
    },
}
"""By client and feature."""
