"""DescribeGroups: every group answers for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.metadata import UNASKED_OPERATIONS
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting

ALL_OPERATIONS = sum(
    1 << operation
    for operation in (
        AclOperation.READ,
        AclOperation.DELETE,
        AclOperation.DESCRIBE,
        AclOperation.DESCRIBE_CONFIGS,
        AclOperation.ALTER_CONFIGS,
    )
)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    broker = GroupBroker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, version: int, *groups: str, include: bool = False) -> list[tuple[str, int, str]]:
    """Return id, error code and state of each group."""
    fields = {"include_authorized_operations": include} if version >= 3 else {}
    response = await broker.ask("describe_groups", version, groups=list(groups), **fields)
    return [(group.group_id, group.error_code, group.group_state) for group in response.groups]


@pytest.mark.parametrize("version", range(7))
async def test_groups_that_there_are_and_that_there_are_not(broker: GroupBroker, version: int) -> None:
    await broker.settle("orders")
    nothing = ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else ErrorCode.NONE
    assert await ask(broker, version, "nope", "orders", "") == [
        ("nope", nothing, "Dead"),
        ("orders", ErrorCode.NONE, "Stable"),
        ("", nothing, "Dead"),
    ]
    assert await ask(broker, version) == []


@pytest.mark.parametrize("version", range(7))
async def test_refusals_are_those_of_single_groups(broker: GroupBroker, version: int) -> None:
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.GROUP, "mine"))
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    assert await ask(broker, version, "orders", "mine") == [
        ("orders", ErrorCode.GROUP_AUTHORIZATION_FAILED, ""),
        ("mine", ErrorCode.NOT_COORDINATOR, ""),
    ]
    assert broker.groups.asked == ["mine"]


async def test_members_are_shown_in_full(broker: GroupBroker) -> None:
    member_id = await broker.settle("orders", 5, group_instance_id="one")
    [group] = (await broker.ask("describe_groups", 4, groups=["orders"])).groups
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    [member] = group.members
    assert (member.member_id, member.group_instance_id) == (member_id, "one")
    assert (member.client_id, member.client_host) == ("test", "/127.0.0.1")


async def test_operations_where_they_are_asked_for_and_there_is_no_error(broker: GroupBroker) -> None:
    groups = ["orders", "theirs"]
    await broker.settle("orders")
    for include, version, expected in (
        (False, 6, [UNASKED_OPERATIONS, UNASKED_OPERATIONS]),
        (True, 5, [ALL_OPERATIONS, ALL_OPERATIONS]),
        (True, 6, [ALL_OPERATIONS, UNASKED_OPERATIONS]),
    ):
        response = await broker.ask("describe_groups", version, groups=groups, include_authorized_operations=include)
        assert [group.authorized_operations for group in response.groups] == expected
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.GROUP, "orders"))
    response = await broker.ask("describe_groups", 6, groups=groups, include_authorized_operations=True)
    assert [group.authorized_operations for group in response.groups] == [
        1 << AclOperation.DESCRIBE,
        UNASKED_OPERATIONS,
    ]


async def test_the_answer_comes_with_the_last_group(broker: GroupBroker) -> None:
    broker.groups.is_slow = True
    asking = asyncio.ensure_future(ask(broker, 5, "one", "two"))
    await asyncio.sleep(0)
    broker.groups.answer()
    assert await asking == [("one", 0, "Dead"), ("two", 0, "Dead")]
