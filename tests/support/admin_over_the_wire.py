"""What admin clients ask for and change, seen with the raw client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from .records_over_the_wire import describe
from .wire import WireClient

TOPIC = 2
BROKER = 4
BROKER_LOGGER = 8

UNKNOWN_CONFIG = 0
DYNAMIC_TOPIC_CONFIG = 1
DYNAMIC_BROKER_CONFIG = 2
DYNAMIC_DEFAULT_BROKER_CONFIG = 3
STATIC_BROKER_CONFIG = 4
DEFAULT_CONFIG = 5


class Config(NamedTuple):
    """One config of a resource, as DescribeConfigs shows it."""

    value: str | None
    source: int
    read_only: bool
    sensitive: bool
    synonyms: tuple[str, ...]
    """Their names, each once, in order."""


def describe_configs(wire: WireClient, kind: int, name: str, keys: Sequence[str] | None = None) -> dict[str, Config]:
    """Ask for the configs of a resource, all unless some are named."""
    (result,) = wire.ask(
        "DescribeConfigs",
        4,
        resources=[{"resource_type": kind, "resource_name": name, "configuration_keys": keys}],
        include_synonyms=True,
    ).results
    assert result.error_code == 0, result
    return {
        each.name: Config(
            each.value,
            each.config_source,
            each.read_only,
            each.is_sensitive,
            tuple(sorted({synonym.name for synonym in each.synonyms})),
        )
        for each in result.configs
    }


def overrides(wire: WireClient, topic: str) -> dict[str, str | None]:
    """The configs that a topic has of its own."""
    described = describe_configs(wire, TOPIC, topic)
    return {key: each.value for key, each in described.items() if each.source == DYNAMIC_TOPIC_CONFIG}


def partitions_of(wire: WireClient, topic: str) -> dict[int, list[int]]:
    """The replicas of each partition of a topic; none where it does not exist."""
    (described,) = describe(wire, topic).topics
    return {each.partition_index: list(each.replica_nodes) for each in described.partitions}


def id_of(wire: WireClient, topic: str) -> UUID | None:
    """The id of a topic; None where it does not exist."""
    (described,) = describe(wire, topic).topics
    found: UUID | None = described.topic_id
    return found


def directories_of(wire: WireClient, topic: str) -> dict[int, tuple[str, int]]:
    """Directory and bytes of each partition of a topic; one that is being moved is where it comes from."""
    partitions = list(partitions_of(wire, topic))
    answer = wire.ask("DescribeLogDirs", 4, topics=[{"topic": topic, "partitions": partitions}])
    assert answer.error_code == 0, answer
    return {
        partition.partition_index: (directory.log_dir, partition.partition_size)
        for directory in answer.results
        for each in directory.topics
        for partition in each.partitions
        if not partition.is_future_key
    }


def log_directories(wire: WireClient) -> list[str]:
    """All directories of the broker."""
    return [each.log_dir for each in wire.ask("DescribeLogDirs", 4, topics=None).results]


def supported_versions(wire: WireClient) -> Any:
    """The answer to ApiVersions."""
    answer = wire.ask("ApiVersions", 4, client_software_name="wire", client_software_version="1")
    assert answer.error_code == 0, answer
    return answer


def node_id(wire: WireClient) -> int:
    """The id of the only broker."""
    (broker,) = wire.ask("DescribeCluster", 0).brokers
    return int(broker.broker_id)


def topics(wire: WireClient) -> set[str]:
    """The names of all topics."""
    return {topic.name for topic in wire.ask("Metadata", 12, topics=None).topics}


def set_config(wire: WireClient, kind: int, name: str, key: str, value: str | None) -> None:
    """Set one config of a resource; None takes it back, where it has been set at all."""
    operation = 1 if value is None else 0
    configs = [{"name": key, "config_operation": operation, "value": value}]
    resources = [{"resource_type": kind, "resource_name": name, "configs": configs}]
    (result,) = wire.ask("IncrementalAlterConfigs", 1, resources=resources).responses
    assert result.error_code == 0, result
