"""DescribeUserScramCredentials: nobody has any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ErrorCode
from protocol.messages.describe_user_scram_credentials import UserName
from tests.support.metadata_broker import Granting, MetadataBroker


@pytest.fixture
def broker(tmp_path: Path) -> MetadataBroker:
    return MetadataBroker(tmp_path)


async def ask(broker: MetadataBroker, *names: str) -> Any:
    return await broker.ask("describe_user_scram_credentials", 0, users=[UserName(name=name) for name in names])


async def test_of_all_users_none_has_one(broker: MetadataBroker) -> None:
    for response in (await ask(broker), await broker.ask("describe_user_scram_credentials", 0, users=None)):
        assert (response.error_code, response.error_message, response.results) == (ErrorCode.NONE, "", [])


async def test_users_who_are_named_have_none(broker: MetadataBroker) -> None:
    response = await ask(broker, "a", "b", "a", "")
    assert (response.error_code, response.error_message) == (ErrorCode.NONE, "")
    missing = "Attempt to describe a user credential that does not exist: "
    twice = "Cannot describe SCRAM credentials for the same user twice in a single request: a"
    assert [(result.user, result.error_code, result.error_message) for result in response.results] == [
        ("a", ErrorCode.DUPLICATE_RESOURCE, twice),
        ("b", ErrorCode.RESOURCE_NOT_FOUND, f"{missing}b"),
        ("", ErrorCode.RESOURCE_NOT_FOUND, missing),
    ]
    assert [result.credential_infos for result in response.results] == [[], [], []]


async def test_it_takes_describe_on_the_cluster(broker: MetadataBroker) -> None:
    broker.authorizer = Granting()
    response = await ask(broker, "a", "a")
    refusal = (ErrorCode.CLUSTER_AUTHORIZATION_FAILED, None)
    assert (response.error_code, response.error_message) == refusal
    assert [(result.user, result.error_code, result.error_message) for result in response.results] == [("a", *refusal)]
    everybody = await broker.ask("describe_user_scram_credentials", 0, users=None)
    assert (everybody.error_code, everybody.results) == (ErrorCode.CLUSTER_AUTHORIZATION_FAILED, [])
