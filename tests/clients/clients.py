"""The stock clients that are tried, each pinned, and what they cannot do by their own limitation."""

from __future__ import annotations

from typing import NamedTuple


class Client(NamedTuple):
    """One client in one version."""

    name: str
    module: str
    """Its driver in tests/clients/drivers."""
    requirements: tuple[str, ...]
    """What pip installs for it: the client, and the packages that its codecs need."""


class Limitation(NamedTuple):
    """Why a client lacks a feature, and the error (a regular expression) with which the test of it ends."""

    reason: str
    error: str
    holds_with_kafka: bool = True
    """False where the client does it with a broker that serves more than Ottla does yet."""


_CODECS = ("cramjam==2.14.0", "lz4==4.4.5", "python-snappy==0.7.3", "zstandard==0.25.0")

CLIENTS = (
    # six takes the place of its own copy, which Python 3.12 cannot import.
    Client("kafka-python 2.0.2", "kafka_python_client", ("kafka-python==2.0.2", "six==1.17.0", *_CODECS)),
    Client("kafka-python 2.2.21", "kafka_python_client", ("kafka-python==2.2.21", "crc32c==2.9.post0", *_CODECS)),
    Client("kafka-python 3.0.12", "kafka_python_client", ("kafka-python==3.0.12", "crc32c==2.9.post0", *_CODECS)),
    Client("confluent-kafka 2.16.1", "confluent_client", ("confluent-kafka==2.16.1",)),
    Client("aiokafka 0.14.0", "aiokafka_client", ("aiokafka==0.14.0", "cramjam==2.14.0")),
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
    ("confluent-kafka 2.16.1", "produce lz4"): Limitation(
        "compresses with lz4 only for brokers that have FindCoordinator, which comes with groups; the records arrive "
        "uncompressed",
        "stored as none",
        holds_with_kafka=False,
    ),
}
"""By client and feature."""
