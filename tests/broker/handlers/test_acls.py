"""DescribeAcls, CreateAcls, DeleteAcls: answers as those of a Kafka 4.3.1 without an authorizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.create_acls import AclCreation
from protocol.messages.delete_acls import DeleteAclsFilter
from tests.support.metadata_broker import Granting, MetadataBroker

FILTER = {
    "resource_type_filter": 1,
    "resource_name_filter": None,
    "pattern_type_filter": 1,
    "principal_filter": None,
    "host_filter": None,
    "operation": 1,
    "permission_type": 1,
}
ACL = {
    "resource_type": 2,
    "resource_name": "orders",
    "resource_pattern_type": 3,
    "principal": "User:a",
    "host": "*",
    "operation": 3,
    "permission_type": 3,
}
ANY_CODE = [-128, -1, 0, 99, 127]


@pytest.fixture
def broker(tmp_path: Path) -> MetadataBroker:
    return MetadataBroker(tmp_path)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("code", [1, *ANY_CODE])
async def test_none_are_described(broker: MetadataBroker, version: int, code: int) -> None:
    fields = {**FILTER, "operation": code, "resource_type_filter": code, "permission_type": code}
    response = await broker.ask("describe_acls", version, **fields)
    assert (response.error_code, response.error_message) == (
        ErrorCode.SECURITY_DISABLED,
        "No Authorizer is configured on the broker",
    )
    assert response.resources == []


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("code", [3, *ANY_CODE])
async def test_none_are_created(broker: MetadataBroker, version: int, code: int) -> None:
    bad = AclCreation(**{**ACL, "operation": code, "resource_type": code, "principal": "", "resource_name": ""})
    response = await broker.ask("create_acls", version, creations=[AclCreation(**ACL), bad])
    assert [(result.error_code, result.error_message) for result in response.results] == [
        (ErrorCode.SECURITY_DISABLED, "No Authorizer is configured.")
    ] * 2
    assert (await broker.ask("create_acls", version, creations=[])).results == []


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_none_are_deleted(broker: MetadataBroker, version: int) -> None:
    response = await broker.ask("delete_acls", version, filters=[DeleteAclsFilter(**FILTER)] * 2)
    assert [(result.error_code, result.error_message, result.matching_acls) for result in response.filter_results] == [
        (ErrorCode.SECURITY_DISABLED, "No Authorizer is configured.", [])
    ] * 2
    assert (await broker.ask("delete_acls", version, filters=[])).filter_results == []


async def test_who_may_not_ask_is_told_that_first(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME))
    refusal = (ErrorCode.CLUSTER_AUTHORIZATION_FAILED, "Cluster authorization failed.")
    (created,) = (await broker.ask("create_acls", 3, creations=[AclCreation(**ACL)])).results
    (deleted,) = (await broker.ask("delete_acls", 3, filters=[DeleteAclsFilter(**FILTER)])).filter_results
    described = await broker.ask("describe_acls", 3, **FILTER)
    assert (created.error_code, created.error_message) == (deleted.error_code, deleted.error_message) == refusal
    assert described.error_code == ErrorCode.SECURITY_DISABLED
    broker.authorizer = Granting((AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME))
    described = await broker.ask("describe_acls", 3, **FILTER)
    assert (described.error_code, described.error_message) == refusal
