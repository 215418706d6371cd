"""The stock clients that are tried, each pinned, and what they cannot do by their own limitation."""

from __future__ import annotations

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
        (client, feature): Limitation("has no such operation in its admin client", "has no attribute")
        for client, features in (
            ("kafka-python 2.0.2", _LATE_GROUP_OPERATIONS),
            ("kafka-python 2.2.21", _LATE_GROUP_OPERATIONS),
            ("confluent-kafka 2.16.1", ("delete a group's offsets", "remove a member from a group")),
            ("aiokafka 0.14.0", (*_LATE_GROUP_OPERATIONS, "delete a group")),
        )
        for feature in features
    },
}
"""By client and feature."""
