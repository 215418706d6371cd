"""DescribeCluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.describe_cluster import DescribeClusterBroker
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

UNASKED = -(2**31)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    yield broker
    await broker.stop()


@pytest.mark.parametrize("version", range(3))
async def test_it_describes_the_brokers_that_the_client_reaches(broker: MetadataBroker, version: int) -> None:
    await broker.add_brokers(2, 3)
    broker.unreachable = {3}
    response = await broker.ask("describe_cluster", version, include_cluster_authorized_operations=False)
    assert (response.error_code, response.error_message) == (ErrorCode.NONE, None)
    assert (response.cluster_id, response.controller_id) == (broker.image.cluster_id, NODE_ID)
    assert response.endpoint_type == 1
    assert response.cluster_authorized_operations == UNASKED
    assert response.brokers == [
        DescribeClusterBroker(broker_id=1, host="host1", port=9092, rack="r1"),
        DescribeClusterBroker(broker_id=2, host="host2", port=9092, rack=None),
    ]


@pytest.mark.parametrize("version", range(3))
async def test_authorized_operations_are_those_of_kafka(broker: MetadataBroker, version: int) -> None:
    response = await broker.ask("describe_cluster", version, include_cluster_authorized_operations=True)
    assert response.cluster_authorized_operations == 8096  # asked of a Kafka 4.3.1 without authorizer


async def test_everybody_may_ask_but_for_the_operations(broker: MetadataBroker) -> None:
    broker.authorizer = Granting()
    response = await broker.ask("describe_cluster", 2, include_cluster_authorized_operations=True)
    assert (response.error_code, len(response.brokers), response.cluster_authorized_operations) == (0, 1, 0)
    broker.authorizer = Granting(
        (AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME), (AclOperation.ALTER, ResourceType.CLUSTER, "*")
    )
    response = await broker.ask("describe_cluster", 2, include_cluster_authorized_operations=True)
    assert response.cluster_authorized_operations == 1 << AclOperation.DESCRIBE | 1 << AclOperation.ALTER


@pytest.mark.parametrize(
    ("endpoint_type", "code"),
    [
        (0, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
        (2, ErrorCode.MISMATCHED_ENDPOINT_TYPE),
        (3, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
    ],
)
async def test_only_brokers_can_be_described(broker: MetadataBroker, endpoint_type: int, code: ErrorCode) -> None:
    response = await broker.ask(
        "describe_cluster", 1, include_cluster_authorized_operations=True, endpoint_type=endpoint_type
    )
    assert response.error_code == code
    assert response.error_message
    assert (response.cluster_id, response.controller_id, response.brokers) == ("", -1, [])
    assert response.cluster_authorized_operations == UNASKED
