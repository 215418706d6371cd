"""DeleteGroups: every group answers for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting
from tests.support.offset_requests import commit, committed


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    """There is a group with a member, `live`, and one without, `empty`."""
    broker = GroupBroker(tmp_path)
    await broker.start()
    await broker.settle("live")
    commit(broker.groups.shard, "empty", {("t", 0): 1})
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, version: int, *groups: str) -> list[tuple[str, int]]:
    response = await broker.ask("delete_groups", version, groups_names=list(groups))
    return [(result.group_id, result.error_code) for result in response.results]


@pytest.mark.parametrize("version", range(3))
async def test_every_group_is_answered_once(broker: GroupBroker, version: int) -> None:
    assert await ask(broker, version, "live", "empty", "nope", "empty") == [
        ("live", ErrorCode.NON_EMPTY_GROUP),
        ("empty", ErrorCode.NONE),
        ("nope", ErrorCode.GROUP_ID_NOT_FOUND),
    ]
    assert committed(broker.groups.shard, "empty") == {}
    assert await ask(broker, version) == []


@pytest.mark.parametrize("version", range(3))
async def test_refusals_are_those_of_single_groups(broker: GroupBroker, version: int) -> None:
    broker.authorizer = Granting((AclOperation.DELETE, ResourceType.GROUP, "empty"))
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    assert await ask(broker, version, "live", "empty") == [
        ("live", ErrorCode.GROUP_AUTHORIZATION_FAILED),
        ("empty", ErrorCode.NOT_COORDINATOR),
    ]
    assert committed(broker.groups.shard, "empty") == {("t", 0): 1}


async def test_the_answer_comes_with_the_last_group(broker: GroupBroker) -> None:
    broker.groups.is_slow = True
    asking = asyncio.ensure_future(ask(broker, 2, "empty", "nope"))
    await asyncio.sleep(0)
    broker.groups.answer()
    assert await asking == [("empty", 0), ("nope", ErrorCode.GROUP_ID_NOT_FOUND)]
