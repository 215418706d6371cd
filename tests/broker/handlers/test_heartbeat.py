"""Heartbeat: what the handler adds to the coordinator's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    broker = GroupBroker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, version: int, member_id: str) -> int:
    response = await broker.ask("heartbeat", version, group_id="orders", generation_id=1, member_id=member_id)
    return int(response.error_code)


@pytest.mark.parametrize("version", range(5))
async def test_members_live_and_strangers_do_not(broker: GroupBroker, version: int) -> None:
    member_id = await broker.settle("orders")
    assert await ask(broker, version, member_id) == ErrorCode.NONE
    assert await ask(broker, version, "stranger") == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", range(5))
async def test_while_the_group_is_loaded_all_is_well(broker: GroupBroker, version: int) -> None:
    broker.groups.refusal = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert await ask(broker, version, "member") == ErrorCode.NONE
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    assert await ask(broker, version, "member") == ErrorCode.NOT_COORDINATOR


@pytest.mark.parametrize("version", range(5))
async def test_it_takes_read_on_the_group(broker: GroupBroker, version: int) -> None:
    broker.authorizer = Granting((AclOperation.READ, ResourceType.GROUP, "mine"))
    assert await ask(broker, version, "member") == ErrorCode.GROUP_AUTHORIZATION_FAILED
    assert broker.groups.asked == []
