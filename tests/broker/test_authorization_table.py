"""Every API asks for the rights that Kafka asks for, and answers their lack with Kafka's code at Kafka's level.

The codes of the table were asked of a Kafka 4.3.1 with its StandardAuthorizer, as a user without any rights. An API of
the registry without a row fails.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from broker.broker import Broker
from broker.clock import Clock
from broker.config import Config
from broker.core.controller.topic_creation import NewTopic
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Result, Ticket
from broker.data_directory import DataDirectory
from broker.registry import APIS
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from storage.filesystem import Filesystem
from tests.support.record_batches import encode_batch
from tests.support.wire import WireClient

Right = tuple[AclOperation, ResourceType, str]

NONE, TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, UNKNOWN_ID = (
    int(code)
    for code in (
        ErrorCode.NONE,
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ErrorCode.GROUP_AUTHORIZATION_FAILED,
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ErrorCode.UNKNOWN_TOPIC_ID,
    )
)
UNASKED = -(2**31)


def on_topic(operation: AclOperation) -> Right:
    return operation, ResourceType.TOPIC, "there"


def on_group(operation: AclOperation) -> Right:
    return operation, ResourceType.GROUP, "there"


def on_cluster(operation: AclOperation) -> Right:
    return operation, ResourceType.CLUSTER, CLUSTER_NAME


class Rights:
    """An authorizer that grants a set of rights, or with `denies` all but that set."""

    def __init__(self) -> None:
        self.listed: frozenset[Right] = frozenset()
        self.denies = False

    def authorize(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType, name: str
    ) -> bool:
        return ((operation, resource_type, name) in self.listed) != self.denies

    def authorize_by_resource_type(
        self, principal: str, host: str, operation: AclOperation, resource_type: ResourceType
    ) -> bool:
        return any(entry[:2] == (operation, resource_type) for entry in self.listed) != self.denies


@dataclass
class Row:
    """What to ask about the topics `there`, which exists, and `nope`; the codes of a client without rights; what helps.

    Groups have the same names. `enough` are the sets of rights each of which makes an answer about `there` without an
    authorization error. Where one of them is missing, the code is that of a client without rights, unless `missing`
    has another one for it.
    """

    fields: Callable[[int, uuid.UUID], dict[str, Any]]
    codes: Callable[[Any], dict[object, int]]
    denied: Callable[[int], dict[object, int]]
    enough: list[set[Right]] = field(default_factory=list)
    missing: dict[Right, int] = field(default_factory=dict)


STRANGER = uuid.UUID(int=1)  # the id of no topic


def both(topic_id: uuid.UUID, name: str = "name", **more: Any) -> list[dict[str, Any]]:
    return [{name: "there", "topic_id": topic_id, **more}, {name: "nope", "topic_id": STRANGER, **more}]


def without_topic_id(topics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in topic.items() if name != "topic_id"} for topic in topics]


def topic_resources(**more: Any) -> list[dict[str, Any]]:
    return [{"resource_type": 2, "resource_name": name, **more} for name in ("there", "nope")]


def by_partition(topics: Any, partitions: str, name: str = "name") -> dict[object, int]:
    return {
        getattr(topic, name, None) or topic.topic_id: int(partition.error_code)
        for topic in topics
        for partition in getattr(topic, partitions)
    }


def by_topic(topics: Any) -> dict[object, int]:
    return {topic.name or topic.topic_id: int(topic.error_code) for topic in topics}


def by_group(groups: Any, name: str = "group_id") -> dict[object, int]:
    return {getattr(group, name): int(group.error_code) for group in groups}


def of_answer(answer: Any) -> dict[object, int]:
    return {"there": int(answer.error_code)}


def offset_fetch_codes(answer: Any) -> dict[object, int]:
    """Those of the topics, or that of the group."""
    group = answer.groups[0] if hasattr(answer, "groups") else answer
    return by_partition(group.topics, "partitions") or of_answer(group)


NAMED = {"there": TOPIC, "nope": TOPIC}
GROUPS = {"there": GROUP, "nope": GROUP}
OFFSET = {"partition_index": 0, "committed_offset": 1}
SETTING = {"name": "retention.ms", "value": "1000"}
ANY_ACL = {"resource_type_filter": 1, "pattern_type_filter": 1, "operation": 1, "permission_type": 1}

TABLE = {
    "Produce": Row(
        lambda version, topic_id: {
            "acks": 1,
            "timeout_ms": 1_000,
            "topic_data": both(topic_id, partition_data=[{"index": 0, "records": encode_batch([b"x"])}]),
        },
        lambda answer: by_partition(answer.responses, "partition_responses"),
        lambda version: {"there": TOPIC, STRANGER: UNKNOWN_ID} if version >= 13 else NAMED,
        [{on_topic(AclOperation.WRITE)}],
    ),
    "Fetch": Row(
        lambda version, topic_id: {
            "replica_id": -1,
            "max_wait_ms": 0,
            "min_bytes": 0,
            "session_epoch": -1,
            "topics": both(
                topic_id, "topic", partitions=[{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1_000}]
            ),
        },
        lambda answer: by_partition(answer.responses, "partitions", "topic"),
        lambda version: {"there": TOPIC, STRANGER: UNKNOWN_ID} if version >= 13 else NAMED,
        [{on_topic(AclOperation.READ)}],
    ),
    "ListOffsets": Row(
        lambda version, topic_id: {
            "replica_id": -1,
            "topics": without_topic_id(both(topic_id, partitions=[{"partition_index": 0, "timestamp": -1}])),
        },
        lambda answer: by_partition(answer.topics, "partitions"),
        lambda version: NAMED,
        [{on_topic(AclOperation.DESCRIBE)}],
    ),
    "Metadata": Row(
        lambda version, topic_id: {
            "topics": [{"name": "there"}, {"name": "nope"}],
            "allow_auto_topic_creation": True,
        },
        lambda answer: by_topic(answer.topics),
        lambda version: NAMED,
        [{on_topic(AclOperation.DESCRIBE)}],
    ),
    "ApiVersions": Row(
        lambda version, topic_id: {"client_software_name": "tests", "client_software_version": "1"},
        lambda answer: {"": int(answer.error_code)},
        lambda version: {"": NONE},
    ),
    "OffsetCommit": Row(
        lambda version, topic_id: {
            "group_id": "there",
            "generation_id_or_member_epoch": -1,
            "topics": both(topic_id, partitions=[OFFSET]),
        },
        lambda answer: by_partition(answer.topics, "partitions"),
        lambda version: {"there": GROUP, STRANGER: GROUP} if version >= 10 else GROUPS,
        [{on_group(AclOperation.READ), on_topic(AclOperation.READ)}],
        {on_topic(AclOperation.READ): TOPIC},
    ),
    "OffsetFetch": Row(
        lambda version, topic_id: {
            "group_id": "there",
            "topics": without_topic_id(both(topic_id, partition_indexes=[0])),
            "groups": [{"group_id": "there", "topics": both(topic_id, partition_indexes=[0])}],
        },
        offset_fetch_codes,
        lambda version: GROUPS if version == 1 else {"there": GROUP},
        [{on_group(AclOperation.DESCRIBE), on_topic(AclOperation.DESCRIBE)}],
        {on_topic(AclOperation.DESCRIBE): TOPIC},
    ),
    "FindCoordinator": Row(
        lambda version, topic_id: {"key": "there", "coordinator_keys": ["there", "nope"]},
        lambda answer: by_group(answer.coordinators, "key") if hasattr(answer, "coordinators") else of_answer(answer),
        lambda version: GROUPS if version >= 4 else {"there": GROUP},
        [{on_group(AclOperation.DESCRIBE)}],
    ),
    "JoinGroup": Row(
        lambda version, topic_id: {
            "group_id": "there",
            "session_timeout_ms": 10_000,
            "rebalance_timeout_ms": 10_000,
            "protocol_type": "consumer",
            "protocols": [{"name": "range", "metadata": b""}],
        },
        of_answer,
        lambda version: {"there": GROUP},
        [{on_group(AclOperation.READ)}],
    ),
    "Heartbeat": Row(
        lambda version, topic_id: {"group_id": "there", "member_id": "m"},
        of_answer,
        lambda version: {"there": GROUP},
        [{on_group(AclOperation.READ)}],
    ),
    "LeaveGroup": Row(
        lambda version, topic_id: {"group_id": "there", "member_id": "m", "members": [{"member_id": "m"}]},
        of_answer,
        lambda version: {"there": GROUP},
        [{on_group(AclOperation.READ)}],
    ),
    "SyncGroup": Row(
        lambda version, topic_id: {
            "group_id": "there",
            "member_id": "m",
            "protocol_type": "consumer",
            "protocol_name": "range",
        },
        of_answer,
        lambda version: {"there": GROUP},
        [{on_group(AclOperation.READ)}],
    ),
    "DescribeGroups": Row(
        lambda version, topic_id: {"groups": ["there", "nope"]},
        lambda answer: by_group(answer.groups),
        lambda version: GROUPS,
        [{on_group(AclOperation.DESCRIBE)}],
    ),
    "ListGroups": Row(
        lambda version, topic_id: {},
        lambda answer: {"": int(answer.error_code), "listed": len(answer.groups)},
        lambda version: {"": NONE, "listed": 0},
    ),
    "DeleteGroups": Row(
        lambda version, topic_id: {"groups_names": ["there", "nope"]},
        lambda answer: by_group(answer.results),
        lambda version: GROUPS,
        [{on_group(AclOperation.DELETE)}],
    ),
    "OffsetDelete": Row(
        lambda version, topic_id: {
            "group_id": "there",
            "topics": without_topic_id(both(topic_id, partitions=[{"partition_index": 0}])),
        },
        lambda answer: by_partition(answer.topics, "partitions") or of_answer(answer),
        lambda version: {"there": GROUP},
        [{on_group(AclOperation.DELETE), on_topic(AclOperation.READ)}],
        {on_topic(AclOperation.READ): TOPIC},
    ),
    "CreateTopics": Row(
        lambda version, topic_id: {
            "timeout_ms": 10_000,
            "topics": [{"name": name, "num_partitions": 1, "replication_factor": 1} for name in ("there", "nope")],
        },
        lambda answer: by_topic(answer.topics),
        lambda version: NAMED,
        [{on_topic(AclOperation.CREATE)}, {on_cluster(AclOperation.CREATE)}],
    ),
    "DeleteTopics": Row(
        lambda version, topic_id: {
            "timeout_ms": 10_000,
            "topic_names": ["there", "nope"],
            "topics": [{"name": "there"}, {"name": "nope"}],
        },
        lambda answer: by_topic(answer.responses),
        lambda version: NAMED,
        [{on_topic(AclOperation.DELETE), on_topic(AclOperation.DESCRIBE)}],
    ),
    "InitProducerId": Row(
        lambda version, topic_id: {"transactional_id": None, "transaction_timeout_ms": 1_000},
        lambda answer: {"there": int(answer.error_code)},
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.IDEMPOTENT_WRITE)}, {on_topic(AclOperation.WRITE)}],
    ),
    "OffsetForLeaderEpoch": Row(
        lambda version, topic_id: {
            "replica_id": -1,
            "topics": without_topic_id(both(topic_id, "topic", partitions=[{"partition": 0, "leader_epoch": 0}])),
        },
        lambda answer: by_partition(answer.topics, "partitions", "topic"),
        lambda version: NAMED,
        [{on_topic(AclOperation.DESCRIBE)}, {on_cluster(AclOperation.CLUSTER_ACTION)}],
    ),
    "DeleteRecords": Row(
        lambda version, topic_id: {
            "timeout_ms": 10_000,
            "topics": [
                {"name": name, "partitions": [{"partition_index": 0, "offset": 0}]} for name in ("there", "nope")
            ],
        },
        lambda answer: by_partition(answer.topics, "partitions"),
        lambda version: NAMED,
        [{on_topic(AclOperation.DELETE)}],
    ),
    "DescribeProducers": Row(
        lambda version, topic_id: {"topics": [{"name": name, "partition_indexes": [0]} for name in ("there", "nope")]},
        lambda answer: by_partition(answer.topics, "partitions"),
        lambda version: NAMED,
        [{on_topic(AclOperation.READ)}],
    ),
    "CreatePartitions": Row(
        lambda version, topic_id: {
            "timeout_ms": 10_000,
            "topics": [{"name": name, "count": 2} for name in ("there", "nope")],
            "validate_only": True,
        },
        lambda answer: by_topic(answer.results),
        lambda version: NAMED,
        [{on_topic(AclOperation.ALTER)}],
    ),
    "ElectLeaders": Row(
        lambda version, topic_id: {
            "timeout_ms": 10_000,
            "topic_partitions": [{"topic": "there", "partitions": [0]}],
        },
        lambda answer: {
            each.topic: int(result.error_code)
            for each in answer.replica_election_results
            for result in each.partition_result
        },
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.ALTER)}],
    ),
    "AlterPartitionReassignments": Row(
        lambda version, topic_id: {
            "timeout_ms": 10_000,
            "topics": [{"name": "there", "partitions": [{"partition_index": 0, "replicas": [1]}]}],
        },
        lambda answer: {"": int(answer.error_code), **by_partition(answer.responses, "partitions")},
        lambda version: {"": CLUSTER, "there": CLUSTER},
        [{on_cluster(AclOperation.ALTER)}],
    ),
    "ListPartitionReassignments": Row(
        lambda version, topic_id: {"timeout_ms": 10_000, "topics": None},
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.DESCRIBE)}],
    ),
    "DescribeTopicPartitions": Row(
        lambda version, topic_id: {"topics": [{"name": "there"}, {"name": "nope"}]},
        lambda answer: by_topic(answer.topics),
        lambda version: NAMED,
        [{on_topic(AclOperation.DESCRIBE)}],
    ),
    "DescribeCluster": Row(
        lambda version, topic_id: {"include_cluster_authorized_operations": True},
        lambda answer: {"": int(answer.error_code), "operations": answer.cluster_authorized_operations},
        lambda version: {"": NONE, "operations": 0},
    ),
    "DescribeConfigs": Row(
        lambda version, topic_id: {"resources": topic_resources(configuration_keys=None)},
        lambda answer: by_group(answer.results, "resource_name"),
        lambda version: NAMED,
        [{on_topic(AclOperation.DESCRIBE_CONFIGS)}],
    ),
    "AlterConfigs": Row(
        lambda version, topic_id: {"resources": topic_resources(configs=[SETTING])},
        lambda answer: by_group(answer.responses, "resource_name"),
        lambda version: NAMED,
        [{on_topic(AclOperation.ALTER_CONFIGS)}],
    ),
    "IncrementalAlterConfigs": Row(
        lambda version, topic_id: {"resources": topic_resources(configs=[{**SETTING, "config_operation": 0}])},
        lambda answer: by_group(answer.responses, "resource_name"),
        lambda version: NAMED,
        [{on_topic(AclOperation.ALTER_CONFIGS)}],
    ),
    "ListConfigResources": Row(
        lambda version, topic_id: {},
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.DESCRIBE_CONFIGS)}],
    ),
    "DescribeAcls": Row(
        lambda version, topic_id: ANY_ACL,
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.DESCRIBE)}],
    ),
    "CreateAcls": Row(
        lambda version, topic_id: {"creations": [{"resource_name": "there", "principal": "User:a", "host": "*"}]},
        lambda answer: of_answer(*answer.results),
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.ALTER)}],
    ),
    "DeleteAcls": Row(
        lambda version, topic_id: {"filters": [ANY_ACL]},
        lambda answer: of_answer(*answer.filter_results),
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.ALTER)}],
    ),
    "DescribeClientQuotas": Row(
        lambda version, topic_id: {},
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.DESCRIBE_CONFIGS)}],
    ),
    "AlterClientQuotas": Row(
        lambda version, topic_id: {"entries": [{"entity": [{"entity_type": "user", "entity_name": "there"}]}]},
        lambda answer: of_answer(*answer.entries),
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.ALTER_CONFIGS)}],
    ),
    "DescribeUserScramCredentials": Row(
        lambda version, topic_id: {"users": [{"name": "there"}]},
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.DESCRIBE)}],
    ),
    "DescribeQuorum": Row(
        lambda version, topic_id: {"topics": [{"topic_name": "there"}]},
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.DESCRIBE)}],
    ),
    "DescribeLogDirs": Row(
        lambda version, topic_id: {"topics": None},
        # Before version 3 there is no code: nothing but an empty answer tells.
        lambda answer: {"there": int(getattr(answer, "error_code", NONE if answer.results else CLUSTER))},
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.DESCRIBE)}],
    ),
    "AlterReplicaLogDirs": Row(
        lambda version, topic_id: {
            "dirs": [
                {
                    "path": "/no-such-directory",
                    "topics": [{"name": name, "partitions": [0]} for name in ("there", "nope")],
                }
            ]
        },
        lambda answer: by_partition(answer.results, "partitions", "topic_name"),
        lambda version: {"there": CLUSTER, "nope": CLUSTER},
        [{on_cluster(AclOperation.ALTER)}],
    ),
    "UpdateFeatures": Row(
        lambda version, topic_id: {},
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.ALTER)}],
    ),
    "UnregisterBroker": Row(
        lambda version, topic_id: {"broker_id": 99},
        of_answer,
        lambda version: {"there": CLUSTER},
        [{on_cluster(AclOperation.ALTER)}],
    ),
}


@asynccontextmanager
async def running(path: Path, rights: Rights) -> AsyncIterator[tuple[Broker, WireClient]]:
    directory = DataDirectory(str(path), Filesystem())
    config = Config({"listeners": "PLAINTEXT://127.0.0.1:0"})
    broker = Broker(config, directory, clock=Clock(), filesystem=Filesystem(), authorizer=rights)
    try:
        await broker.start(lambda: None)
        [address] = broker.endpoints()
        try:
            with WireClient(address) as wire:
                yield broker, wire
        finally:
            await broker.stop()
    finally:
        directory.close()


async def make_topic(broker: Broker) -> uuid.UUID:
    """The topic `there`, made if a test has deleted it, behind the authorizer's back."""
    await broker.topics.create([NewTopic("there", 1, 1)], may_create=lambda name: True, timeout_ms=10_000)
    return uuid.UUID(bytes=broker.images.current.topics["there"].topic_id)


async def make_group(broker: Broker) -> None:
    """The group `there`, which has committed an offset of `there`, behind the authorizer's back; or has members."""
    await broker.groups.ensure_topic()
    request = OffsetCommitRequest(
        group_id="there",
        topics=[
            OffsetCommitRequestTopic(
                name="there",
                partitions=[OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata="")],
            )
        ],
    )

    def commit(shard: GroupShard, now: Moment, ticket: Ticket) -> Result:
        return shard.commit_offsets(request, 9, now)

    broker.groups.call("there", commit, lambda code: None)


ALL = [pytest.param(api.name, range(api.min_version, api.max_version + 1), id=api.name) for api in APIS]
ASKING_FOR_RIGHTS = [case for case in ALL if (row := TABLE.get(str(case.values[0]))) and row.enough]


async def ask(broker: Broker, wire: WireClient, api: str, version: int) -> dict[object, int]:
    """The codes of an answer, with ids of `there` under its name."""
    row = TABLE[api]
    topic_id = await make_topic(broker)
    answer = await asyncio.to_thread(wire.ask, api, version, **row.fields(version, topic_id))
    return {"there" if label == topic_id else label: code for label, code in row.codes(answer).items()}


@pytest.mark.parametrize(("api", "versions"), ALL)
async def test_without_rights(tmp_path: Path, api: str, versions: range) -> None:
    async with running(tmp_path, Rights()) as (broker, wire):
        for version in versions:
            assert await ask(broker, wire, api, version) == TABLE[api].denied(version), f"v{version}"
        assert list(broker.images.current.topics) == ["there"]


@pytest.mark.parametrize(("api", "versions"), ASKING_FOR_RIGHTS)
async def test_with_just_enough_rights(tmp_path: Path, api: str, versions: range) -> None:
    rights = Rights()
    async with running(tmp_path, rights) as (broker, wire):
        for rights.listed in map(frozenset, TABLE[api].enough):
            for version in versions:
                await make_group(broker)
                codes = await ask(broker, wire, api, version)
                assert codes["there"] not in (TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID), (rights.listed, version)


@pytest.mark.parametrize(("api", "versions"), ASKING_FOR_RIGHTS)
async def test_with_every_right_but_those(tmp_path: Path, api: str, versions: range) -> None:
    rights = Rights()
    rights.denies = True
    enough = TABLE[api].enough
    async with running(tmp_path, rights) as (broker, wire):
        await make_group(broker)
        for version in versions:
            # Of every set that would be enough one right is missing.
            for missing in {right for rights_together in enough for right in rights_together}:
                rights.listed = frozenset({missing} | {min(together) for together in enough if missing not in together})
                codes = await ask(broker, wire, api, version)
                expected = TABLE[api].missing.get(missing, TABLE[api].denied(version)["there"])
                assert codes["there"] == expected, (rights.listed, version)


# --- lists, ids, and what lies beside the codes --------------------------------------------------------------------


async def test_metadata_leaves_out_of_a_list_what_the_client_may_not_describe(tmp_path: Path) -> None:
    rights = Rights()
    async with running(tmp_path, rights) as (broker, wire):
        topic_id = await make_topic(broker)
        await broker.topics.create([NewTopic("other", 1, 1)], may_create=lambda name: True, timeout_ms=10_000)
        for version in range(14):
            everything = [] if version == 0 else None
            for rights.listed, shown in ((frozenset(), []), (frozenset({on_topic(AclOperation.DESCRIBE)}), ["there"])):
                answer = await asyncio.to_thread(wire.ask, "Metadata", version, topics=everything)
                assert [topic.name for topic in answer.topics] == shown
                assert len(answer.brokers) == 1
        rights.listed = frozenset()
        for version in (12, 13):
            answer = await asyncio.to_thread(
                wire.ask, "Metadata", version, topics=[{"name": None, "topic_id": topic_id}]
            )
            assert [(topic.name, topic.topic_id, topic.error_code) for topic in answer.topics] == [
                (None, topic_id, TOPIC)
            ]


async def test_list_groups_shows_all_to_who_may_describe_the_cluster_and_others_their_own(tmp_path: Path) -> None:
    rights = Rights()
    async with running(tmp_path, rights) as (broker, wire):
        await make_topic(broker)
        await make_group(broker)
        for version in range(6):
            for rights.listed, shown in (
                (frozenset({on_cluster(AclOperation.DESCRIBE)}), ["there"]),
                (frozenset({on_group(AclOperation.DESCRIBE)}), ["there"]),
                (frozenset({on_group(AclOperation.READ)}), []),
            ):
                answer = await asyncio.to_thread(wire.ask, "ListGroups", version)
                assert [group.group_id for group in answer.groups] == shown


async def test_offset_fetch_leaves_out_of_all_topics_what_the_client_may_not_describe(tmp_path: Path) -> None:
    rights = Rights()
    async with running(tmp_path, rights) as (broker, wire):
        await make_topic(broker)
        await make_group(broker)
        group = {"group_id": "there", "topics": None}
        for version in range(2, 11):
            for topic_rights, topics_count in ((set(), 0), ({on_topic(AclOperation.DESCRIBE)}, 1)):
                rights.listed = frozenset({on_group(AclOperation.DESCRIBE), *topic_rights})
                answer = await asyncio.to_thread(wire.ask, "OffsetFetch", version, **group, groups=[group])
                answered = answer.groups[0] if version >= 8 else answer
                assert (answered.error_code, len(answered.topics)) == (NONE, topics_count)


async def test_a_transactional_id_takes_describe_on_it_to_be_found(tmp_path: Path) -> None:
    rights = Rights()
    of_id = (AclOperation.DESCRIBE, ResourceType.TRANSACTIONAL_ID, "there")
    async with running(tmp_path, rights) as (_, wire):
        for version in range(1, 7):
            for rights.listed, code in ((frozenset(), TRANSACTIONAL_ID), (frozenset({of_id}), NONE)):
                answer = await asyncio.to_thread(
                    wire.ask, "FindCoordinator", version, key="there", coordinator_keys=["there"], key_type=1
                )
                assert (answer.coordinators[0] if version >= 4 else answer).error_code == code


async def test_operations_that_are_asked_for_are_those_that_are_granted(tmp_path: Path) -> None:
    rights = Rights()
    rights.listed = frozenset(
        {on_topic(AclOperation.DESCRIBE), on_topic(AclOperation.READ), on_cluster(AclOperation.DESCRIBE)}
    )
    async with running(tmp_path, rights) as (broker, wire):
        await make_topic(broker)
        for version in range(8, 14):
            answer = await asyncio.to_thread(
                wire.ask,
                "Metadata",
                version,
                topics=[{"name": "there"}, {"name": "nope"}],
                include_topic_authorized_operations=True,
                include_cluster_authorized_operations=True,
            )
            of_topics = {topic.name: topic.topic_authorized_operations for topic in answer.topics}
            assert of_topics == {"there": 1 << AclOperation.DESCRIBE | 1 << AclOperation.READ, "nope": UNASKED}
            if version <= 10:
                assert answer.cluster_authorized_operations == 1 << AclOperation.DESCRIBE


async def test_a_transactional_id_takes_write_on_it_before_anything_else(tmp_path: Path) -> None:
    async with running(tmp_path, Rights()) as (_, wire):
        for version in range(6):
            for name in ("mine", ""):
                answer = await asyncio.to_thread(
                    wire.ask, "InitProducerId", version, transactional_id=name, transaction_timeout_ms=1_000
                )
                assert answer.error_code == TRANSACTIONAL_ID


async def test_ids_are_no_secret_but_names_are(tmp_path: Path) -> None:
    rights = Rights()
    async with running(tmp_path, rights) as (broker, wire):
        topic_id = await make_topic(broker)
        for rights.listed, name in (frozenset(), None), (frozenset({on_topic(AclOperation.DESCRIBE)}), "there"):
            answer = await asyncio.to_thread(
                wire.ask, "DeleteTopics", 6, timeout_ms=10_000, topics=[{"name": None, "topic_id": topic_id}]
            )
            assert [(each.name, each.topic_id, each.error_code) for each in answer.responses] == [
                (name, topic_id, TOPIC)
            ]


def test_every_api_has_a_row() -> None:
    assert set(TABLE) == {api.name for api in APIS}
