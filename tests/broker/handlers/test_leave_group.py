"""LeaveGroup: one member in the old versions, several in the new ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.leave_group import MemberIdentity
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    broker = GroupBroker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, version: int, *member_ids: str) -> tuple[int, list[tuple[str, int]]]:
    """Return the error code of the answer, and member id and error code of each member in it."""
    fields: dict[str, Any] = {"member_id": member_ids[0]}
    if version >= 3:
        fields = {"members": [MemberIdentity(member_id=member_id) for member_id in member_ids]}
    response = await broker.ask("leave_group", version, group_id="orders", **fields)
    return response.error_code, [(member.member_id, member.error_code) for member in response.members]


@pytest.mark.parametrize("version", range(3))
async def test_the_one_members_error_is_that_of_the_answer(broker: GroupBroker, version: int) -> None:
    member_id = await broker.settle("orders")
    assert await ask(broker, version, "stranger") == (ErrorCode.UNKNOWN_MEMBER_ID, [])
    assert await ask(broker, version, member_id) == (ErrorCode.NONE, [])
    assert await ask(broker, version, member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, [])


@pytest.mark.parametrize("version", range(3, 6))
async def test_each_member_has_its_own_error(broker: GroupBroker, version: int) -> None:
    member_id = await broker.settle("orders")
    code = ErrorCode.UNKNOWN_MEMBER_ID
    assert await ask(broker, version, "stranger", member_id) == (0, [("stranger", code), (member_id, 0)])
    assert await ask(broker, version, member_id) == (0, [(member_id, code)])


@pytest.mark.parametrize("version", range(6))
async def test_what_refuses_the_whole_request(broker: GroupBroker, version: int) -> None:
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    assert await ask(broker, version, "member") == (ErrorCode.NOT_COORDINATOR, [])
    broker.authorizer = Granting((AclOperation.READ, ResourceType.GROUP, "mine"))
    assert await ask(broker, version, "member") == (ErrorCode.GROUP_AUTHORIZATION_FAILED, [])
    assert broker.groups.asked == ["orders"]
