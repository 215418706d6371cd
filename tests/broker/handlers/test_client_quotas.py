"""DescribeClientQuotas and AlterClientQuotas: none are set, none can be. The rules have tests of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.alter_client_quotas import EntityData, OpData, RequestedEntryData
from protocol.messages.describe_client_quotas import ComponentData
from tests.support.metadata_broker import Granting, MetadataBroker

RATE = "producer_byte_rate"


@pytest.fixture
def broker(tmp_path: Path) -> MetadataBroker:
    return MetadataBroker(tmp_path)


def entry(entity: list[tuple[str, str | None]], *quotas: tuple[str, float | None]) -> RequestedEntryData:
    return RequestedEntryData(
        entity=[EntityData(entity_type=entity_type, entity_name=name) for entity_type, name in entity],
        ops=[OpData(key=key, value=value or 0.0, remove=value is None) for key, value in quotas],
    )


async def alter(broker: MetadataBroker, version: int, *entries: RequestedEntryData, validate_only: bool = False) -> Any:
    response = await broker.ask("alter_client_quotas", version, entries=list(entries), validate_only=validate_only)
    return [
        ([(each.entity_type, each.entity_name) for each in result.entity], result.error_code, result.error_message)
        for result in response.entries
    ]


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("strict", [False, True])
async def test_none_are_described(broker: MetadataBroker, version: int, strict: bool) -> None:
    for components in ([], [ComponentData(entity_type="user", match_type=0, match="a")]):
        response = await broker.ask("describe_client_quotas", version, components=components, strict=strict)
        assert (response.error_code, response.error_message, response.entries) == (ErrorCode.NONE, "", [])


@pytest.mark.parametrize("version", [0, 1])
async def test_bad_filters(broker: MetadataBroker, version: int) -> None:
    for entity_type, code, message in (
        ("", ErrorCode.INVALID_REQUEST, "Invalid empty entity type."),
        ("group", ErrorCode.UNSUPPORTED_VERSION, "Unsupported entity type group"),
    ):
        components = [ComponentData(entity_type=entity_type, match_type=0, match="a")]
        response = await broker.ask("describe_client_quotas", version, components=components, strict=False)
        assert (response.error_code, response.error_message, response.entries) == (code, message, None)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("validate_only", [False, True])
async def test_each_entity_has_its_own_error(broker: MetadataBroker, version: int, validate_only: bool) -> None:
    results = await alter(
        broker,
        version,
        entry([("user", "a")], (RATE, 5.0)),
        entry([("user", "")], (RATE, 5.0)),
        entry([("user", "b"), ("client-id", None)], (RATE, None), ("nonsense", None)),
        entry([("user", "c")]),
        validate_only=validate_only,
    )
    assert results == [
        (
            [("user", "a")],
            ErrorCode.POLICY_VIOLATION,
            "Client quotas are not enforced by this broker yet, so none can be set.",
        ),
        ([("user", "")], ErrorCode.INVALID_REQUEST, "Empty user not supported"),
        ([("user", "b"), ("client-id", None)], ErrorCode.NONE, None),
        ([("user", "c")], ErrorCode.NONE, None),
    ]
    assert await alter(broker, version) == []


async def test_entities_that_come_twice(broker: MetadataBroker) -> None:
    once_more = [("client-id", "x"), ("user", "a")]
    results = await alter(
        broker,
        1,
        entry([("user", "a"), ("client-id", "x")], (RATE, None)),
        entry(once_more, ("consumer_byte_rate", None)),
        entry([("user", "b")], (RATE, None), (RATE, 5.0)),
    )
    message = "Ignoring duplicate entity ClientQuotaEntity(entries={{{}}})"
    assert results == [
        (once_more, ErrorCode.INVALID_REQUEST, message.format("client-id=x, user=a")),
        ([("user", "b")], ErrorCode.INVALID_REQUEST, message.format("user=b")),
    ]


async def test_of_two_names_of_one_type_the_last_one_counts(broker: MetadataBroker) -> None:
    assert await alter(broker, 1, entry([("user", ""), ("user", "b")], (RATE, None))) == [
        ([("user", "b")], ErrorCode.NONE, None)
    ]


async def test_rights(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.ALTER_CONFIGS, ResourceType.CLUSTER, CLUSTER_NAME))
    described = await broker.ask("describe_client_quotas", 1, components=[], strict=False)
    assert described.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert (described.error_message, described.entries) == (None, None)
    change = entry([("user", "a")], (RATE, None))
    assert await alter(broker, 1, change) == [([("user", "a")], ErrorCode.NONE, None)]
    broker.authorizer = Granting((AclOperation.DESCRIBE_CONFIGS, ResourceType.CLUSTER, CLUSTER_NAME))
    assert (await broker.ask("describe_client_quotas", 1, components=[], strict=False)).error_code == ErrorCode.NONE
    refusal = (ErrorCode.CLUSTER_AUTHORIZATION_FAILED, "Cluster authorization failed.")
    assert await alter(broker, 1, change, change) == [([("user", "a")], *refusal)]
