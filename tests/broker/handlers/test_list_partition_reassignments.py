"""ListPartitionReassignments, which never has any to list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.core.controller.topic_creation import NewTopic
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.list_partition_reassignments import ListPartitionReassignmentsTopics
from tests.support.metadata_broker import Granting, MetadataBroker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    await broker.topics.create([NewTopic("a", 2, 1)], may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


async def test_no_reassignment_is_ever_in_progress(broker: MetadataBroker) -> None:
    some = [ListPartitionReassignmentsTopics(name=name, partition_indexes=[0, 9]) for name in ("a", "nope")]
    for topics in (None, [], some):
        for timeout_ms in (30_000, 0):
            response = await broker.ask("list_partition_reassignments", 0, topics=topics, timeout_ms=timeout_ms)
            assert (response.error_code, response.error_message, response.topics) == (ErrorCode.NONE, None, [])


async def test_listing_takes_describe_on_the_cluster(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.TOPIC, "*"))
    response = await broker.ask("list_partition_reassignments", 0, topics=None)
    assert response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME))
    assert (await broker.ask("list_partition_reassignments", 0, topics=None)).error_code == ErrorCode.NONE
