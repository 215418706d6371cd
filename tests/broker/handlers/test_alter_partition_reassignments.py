"""AlterPartitionReassignments over both its versions; the rules themselves are tested with the controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from broker.core.controller.topic_creation import NewTopic
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.alter_partition_reassignments import ReassignablePartition, ReassignableTopic
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

VERSIONS = range(2)
OTHER = 7
TIMED_OUT = "The request allows no time for what it asks for."


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    """Topic `a` of two partitions, replicated to NODE_ID and OTHER."""
    broker = await MetadataBroker(tmp_path).start()
    await broker.add_brokers(OTHER)
    topic = NewTopic("a", assignments=[(index, (NODE_ID, OTHER)) for index in range(2)])
    await broker.topics.create([topic], may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


async def ask(
    broker: MetadataBroker, version: int, *topics: tuple[str, list[tuple[int, Sequence[int] | None]]], **fields: Any
) -> Any:
    response = await broker.ask(
        "alter_partition_reassignments",
        version,
        topics=[
            ReassignableTopic(
                name=name,
                partitions=[
                    ReassignablePartition(partition_index=index, replicas=None if target is None else list(target))
                    for index, target in partitions
                ],
            )
            for name, partitions in topics
        ],
        **fields,
    )
    assert response.throttle_time_ms == 0
    return response


def results(response: Any) -> list[tuple[str, list[tuple[int, str]]]]:
    return [
        (topic.name, [(each.partition_index, ErrorCode(each.error_code).name) for each in topic.partitions])
        for topic in response.responses
    ]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_partition_has_an_answer_of_its_own(broker: MetadataBroker, version: int) -> None:
    partitions = [(0, [NODE_ID, OTHER]), (1, [OTHER, NODE_ID]), (2, [NODE_ID]), (0, None)]
    response = await ask(broker, version, ("a", partitions[:3]), ("nope", partitions[:1]), ("a", []))
    assert (response.error_code, response.error_message) == (ErrorCode.NONE, None)
    unknown = "UNKNOWN_TOPIC_OR_PARTITION"
    assert results(response) == [
        ("a", [(0, "NONE"), (1, "NONE"), (2, unknown)]),
        ("nope", [(0, unknown)]),
        ("a", []),
    ]
    assert broker.image.topics["a"].assignment == ((NODE_ID, OTHER), (OTHER, NODE_ID))
    assert results(await ask(broker, version, ("a", partitions[3:]))) == [("a", [(0, "NO_REASSIGNMENT_IN_PROGRESS")])]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_bad_assignment_says_what_is_wrong(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version, ("a", [(0, [NODE_ID, 9]), (1, [])]))
    [topic] = response.responses
    assert [(ErrorCode(each.error_code).name, each.error_message) for each in topic.partitions] == [
        (
            "INVALID_REPLICA_ASSIGNMENT",
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        ("INVALID_REPLICA_ASSIGNMENT", "The manual partition assignment includes an empty replica list."),
    ]


async def test_the_number_of_replicas_may_change_unless_the_client_forbids_it(broker: MetadataBroker) -> None:
    forbidden = await ask(broker, 1, ("a", [(0, [NODE_ID])]), allow_replication_factor_change=False)
    assert results(forbidden) == [("a", [(0, "INVALID_REPLICATION_FACTOR")])]
    assert forbidden.allow_replication_factor_change is False
    allowed = await ask(broker, 1, ("a", [(0, [NODE_ID])]))
    assert results(allowed) == [("a", [(0, "NONE")])]
    assert allowed.allow_replication_factor_change is True
    assert results(await ask(broker, 0, ("a", [(1, [NODE_ID])]))) == [("a", [(1, "NONE")])]


@pytest.mark.parametrize("version", VERSIONS)
async def test_nothing_is_moved_without_time_for_it(broker: MetadataBroker, version: int) -> None:
    for timeout_ms in (0, -1):
        response = await ask(broker, version, ("a", [(0, [NODE_ID])]), timeout_ms=timeout_ms)
        assert (response.error_code, response.error_message) == (ErrorCode.REQUEST_TIMED_OUT, TIMED_OUT)
        assert results(response) == [("a", [(0, "REQUEST_TIMED_OUT")])]
    assert broker.image.topics["a"].assignment[0] == (NODE_ID, OTHER)


@pytest.mark.parametrize("version", VERSIONS)
async def test_it_takes_alter_on_the_cluster(broker: MetadataBroker, version: int) -> None:
    broker.authorizer = Granting((AclOperation.ALTER, ResourceType.TOPIC, "*"))
    response = await ask(broker, version, ("a", [(0, [NODE_ID])]))
    assert response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert results(response) == [("a", [(0, "CLUSTER_AUTHORIZATION_FAILED")])]
    assert (await ask(broker, version)).error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    broker.authorizer = Granting((AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME))
    assert results(await ask(broker, version, ("a", [(0, [NODE_ID])]))) == [("a", [(0, "NONE")])]


@pytest.mark.parametrize("version", VERSIONS)
async def test_nothing_asked_for_is_nothing_wrong(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version, timeout_ms=0)
    assert (response.error_code, response.error_message, response.responses) == (ErrorCode.NONE, "", [])


async def test_what_is_allowed_is_not_told_where_nothing_is_asked_for(broker: MetadataBroker) -> None:
    response = await ask(broker, 1, allow_replication_factor_change=False)
    assert response.allow_replication_factor_change is True
