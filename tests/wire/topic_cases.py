"""The APIs that tell of the cluster, and make and delete topics, in any of their versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kio.schema.errors import ErrorCode

from broker.registry import APIS
from tests.support.records_over_the_wire import describe
from tests.support.under_test import settled
from tests.support.wire import WireClient, milliseconds

NOWHERE = "no-such-topic"
MINUTE_MS = 60_000
UNKNOWN_OPERATIONS = -(1 << 31)
CLUSTER_OPERATIONS = sum(1 << operation for operation in (5, 7, 8, 9, 10, 11, 12))
TOPIC_OPERATIONS = sum(1 << operation for operation in (3, 4, 5, 6, 7, 8, 10, 11))


def api_versions(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    answer = wire.ask("ApiVersions", version, client_software_name="tests", client_software_version="1.0")
    assert answer.error_code == ErrorCode.none
    served = {row.api_key: (row.min_version, row.max_version) for row in answer.api_keys}
    assert len(served) == len(answer.api_keys)
    for api in APIS:
        lowest, highest = served[api.key]
        assert lowest <= api.advertised_min_version
        assert highest >= api.max_version


def metadata(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    wanted = {"name": topic.name}
    if version >= 12:
        wanted = {"name": None, "topic_id": topic.id}
    answer = wire.ask(
        "Metadata",
        version,
        topics=[wanted],
        include_topic_authorized_operations=True,
        include_cluster_authorized_operations=True,
    )
    (broker,) = answer.brokers
    assert (broker.host, broker.port) == wire.socket.getpeername()[:2]
    (described,) = answer.topics
    assert described.error_code == ErrorCode.none
    assert described.name == topic.name
    assert sorted(partition.partition_index for partition in described.partitions) == [0, 1]
    for partition in described.partitions:
        assert partition.error_code == ErrorCode.none
        assert partition.leader_id == broker.node_id
        assert partition.replica_nodes == partition.isr_nodes == (broker.node_id,)
        if version >= 5:
            assert partition.offline_replicas == ()
        if version >= 7:
            assert partition.leader_epoch >= 0
    if version >= 1:
        assert described.is_internal is False
        assert answer.controller_id == broker.node_id
        assert wire.ask("Metadata", version, topics=[]).topics == ()
    everything = wire.ask("Metadata", version, topics=[] if version == 0 else None)
    assert topic.name in {each.name for each in everything.topics}
    if version >= 2:
        assert answer.cluster_id
    if version >= 3:
        assert milliseconds(answer.throttle_time) == 0
    if version >= 4:
        (unknown,) = wire.ask("Metadata", version, topics=[{"name": NOWHERE}], allow_auto_topic_creation=False).topics
        assert (unknown.error_code, unknown.name) == (ErrorCode.unknown_topic_or_partition, NOWHERE)
    if version >= 8:
        assert described.topic_authorized_operations == TOPIC_OPERATIONS
        assert everything.topics[0].topic_authorized_operations == UNKNOWN_OPERATIONS
    if 8 <= version <= 10:
        assert answer.cluster_authorized_operations == CLUSTER_OPERATIONS
    if version >= 10:
        assert described.topic_id == topic.id
    if version >= 13:
        assert answer.error_code == ErrorCode.none


def create_topics(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    name = topic.new_name()

    def ask(*, validate_only: bool = False, **topic_fields: Any) -> Any:
        answer = wire.ask(
            "CreateTopics",
            version,
            timeout_ms=MINUTE_MS,
            validate_only=validate_only,
            topics=[{"name": name, "num_partitions": 2, "replication_factor": 1, **topic_fields}],
        )
        assert milliseconds(answer.throttle_time) == 0
        (result,) = answer.topics
        assert result.name == name
        return result

    configs = [{"name": "retention.ms", "value": "86400000"}]
    assert ask(validate_only=True, configs=configs).error_code == ErrorCode.none
    assert describe(wire, name).topics[0].error_code == ErrorCode.unknown_topic_or_partition
    created = ask(configs=configs)
    assert (created.error_code, created.error_message) == (ErrorCode.none, None)
    assert settled(lambda: not describe(wire, name).topics[0].error_code, "the topic is known")
    (described,) = describe(wire, name).topics
    assert len(described.partitions) == 2
    if version >= 5:
        assert (created.num_partitions, created.replication_factor) == (2, 1)
        assert ("retention.ms", "86400000", 1) in {
            (config.name, config.value, config.config_source) for config in created.configs
        }
        assert created.topic_config_error_code == 0
    if version >= 7:
        assert created.topic_id == described.topic_id
    again = ask()
    assert again.error_code == ErrorCode.topic_already_exists
    assert name in again.error_message
    name = topic.new_name()
    assert ask(replication_factor=9).error_code == ErrorCode.invalid_replication_factor
    assert ask(num_partitions=0).error_code == ErrorCode.invalid_partitions
    assert ask(configs=[{"name": "retention.ms", "value": "long"}]).error_code == ErrorCode.invalid_config
    if version >= 4:
        assert ask(num_partitions=-1, replication_factor=-1).error_code == ErrorCode.none


def delete_topics(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(name: str | None, topic_id: Any = None) -> Any:
        answer = wire.ask(
            "DeleteTopics",
            version,
            timeout_ms=MINUTE_MS,
            topic_names=[name] if version < 6 else [],
            topics=[{"name": name, "topic_id": topic_id}] if version >= 6 else [],
        )
        assert milliseconds(answer.throttle_time) == 0
        (result,) = answer.responses
        return result

    unknown = ask(NOWHERE)
    assert (unknown.name, unknown.error_code) == (NOWHERE, ErrorCode.unknown_topic_or_partition)
    deleted = ask(None, topic.id) if version >= 6 else ask(topic.name)
    assert (deleted.name, deleted.error_code) == (topic.name, ErrorCode.none)
    if version >= 6:
        assert deleted.topic_id == topic.id
    unknown_to_all = ErrorCode.unknown_topic_or_partition
    assert settled(lambda: describe(wire, topic.name).topics[0].error_code == unknown_to_all, "the topic is gone")


def describe_cluster(wire: WireClient, version: int, _: SimpleNamespace) -> None:
    for include, operations in ((True, CLUSTER_OPERATIONS), (False, UNKNOWN_OPERATIONS)):
        answer = wire.ask("DescribeCluster", version, include_cluster_authorized_operations=include)
        assert milliseconds(answer.throttle_time) == 0
        assert (answer.error_code, answer.error_message) == (ErrorCode.none, None)
        assert answer.cluster_id == describe(wire).cluster_id
        assert answer.cluster_authorized_operations == operations
        (broker,) = answer.brokers
        assert (broker.host, broker.port, broker.rack) == (*wire.socket.getpeername()[:2], None)
        assert answer.controller_id == broker.broker_id
        if version >= 1:
            assert answer.endpoint_type == 1
        if version >= 2:
            assert broker.is_fenced is False
