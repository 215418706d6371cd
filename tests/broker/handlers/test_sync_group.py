"""SyncGroup: what the handler adds to the coordinator's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.sync_group import SyncGroupRequestAssignment
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    broker = GroupBroker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, version: int, member_id: str, **fields: Any) -> Any:
    names = {"protocol_type": "consumer", "protocol_name": "range"} if version >= 5 else {}
    assignments = [SyncGroupRequestAssignment(member_id=member_id, assignment=b"all of it")]
    return await broker.ask(
        "sync_group",
        version,
        **{
            "group_id": "orders",
            "generation_id": 1,
            "member_id": member_id,
            "assignments": assignments,
            **names,
            **fields,
        },
    )


@pytest.mark.parametrize("version", range(6))
async def test_the_leader_hands_in_the_assignment(broker: GroupBroker, version: int) -> None:
    joined = await broker.join_alone("orders", 3)
    answer = await ask(broker, version, joined.member_id)
    assert (answer.error_code, answer.assignment) == (0, b"all of it")
    names = ("consumer", "range") if version >= 5 else (None, None)
    assert (answer.protocol_type, answer.protocol_name) == names


@pytest.mark.parametrize("version", range(6))
async def test_refusals(broker: GroupBroker, version: int) -> None:
    assert (await ask(broker, version, "stranger")).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    broker.groups.refusal = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    answer = await ask(broker, version, "stranger")
    assert (answer.error_code, answer.assignment) == (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, b"")
    broker.authorizer = Granting((AclOperation.READ, ResourceType.GROUP, "mine"))
    assert (await ask(broker, version, "stranger")).error_code == ErrorCode.GROUP_AUTHORIZATION_FAILED
    assert len(broker.groups.asked) == 2


@pytest.mark.parametrize("name", ["protocol_type", "protocol_name"])
async def test_the_protocol_must_be_named_before_anything_else_matters(broker: GroupBroker, name: str) -> None:
    broker.authorizer = Granting()
    answer = await ask(broker, 5, "stranger", **{name: None})
    assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert broker.groups.asked == []
