"""JoinGroup: what the handler adds to the coordinator's rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.handlers.join_group import handle
from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tests.support.group_broker import GroupBroker
from tests.support.hosted_topics import HostedTopics
from tests.support.metadata_broker import Granting


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    broker = GroupBroker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.mark.parametrize("version", range(10))
async def test_a_member_joins_once_the_time_for_others_is_over(broker: GroupBroker, version: int) -> None:
    fields = {"rebalance_timeout_ms": 20_000} if version else {}
    if version >= 4:
        required = await broker.join("orders", version, **fields)
        assert required.error_code == ErrorCode.MEMBER_ID_REQUIRED
        assert required.protocol_name == (None if version >= 7 else "")
        fields["member_id"] = required.member_id
    joined = await broker.join_alone("orders", version, **fields)
    assert (joined.error_code, joined.generation_id, joined.protocol_name) == (0, 1, "range")
    assert joined.member_id == joined.leader == joined.members[0].member_id
    assert joined.member_id.startswith("test-")
    assert joined.protocol_type == ("consumer" if version >= 7 else None)


@pytest.mark.parametrize("version", range(10))
async def test_refusals_name_the_member(broker: GroupBroker, version: int) -> None:
    def refused(code: ErrorCode) -> None:
        assert (answer.error_code, answer.member_id) == (code, "me")
        assert (answer.generation_id, answer.leader, answer.members) == (-1, "", [])
        assert answer.protocol_name == (None if version >= 7 else "")

    answer = await broker.join("orders", version, member_id="me")
    refused(ErrorCode.UNKNOWN_MEMBER_ID)
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    answer = await broker.join("orders", version, member_id="me")
    refused(ErrorCode.NOT_COORDINATOR)
    broker.authorizer = Granting((AclOperation.READ, ResourceType.GROUP, "mine"))
    answer = await broker.join("orders", version, member_id="me")
    refused(ErrorCode.GROUP_AUTHORIZATION_FAILED)
    assert len(broker.groups.asked) == 2


async def test_the_coordinator_learns_who_joins(broker: GroupBroker) -> None:
    await broker.settle("orders", 0)
    [member] = broker.groups.shard.groups.live["orders"].members.values()
    assert (member.client_id, member.client_host) == ("test", "/127.0.0.1")
    assert member.rebalance_timeout_ms == member.session_timeout_ms == 10_000


async def test_a_connection_that_closes_gives_up_its_wait(broker: GroupBroker, tmp_path: Path) -> None:
    hosted = HostedTopics(tmp_path / "logs")
    hosted.groups = broker.groups  # type: ignore[attr-defined]
    request = JoinGroupRequest(
        group_id="orders",
        session_timeout_ms=10_000,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )
    reply = handle(hosted.context(0), request)
    assert isinstance(reply, asyncio.Future)
    [waiting] = broker.groups.waiting.values()
    reply.cancel()
    await asyncio.sleep(0)
    assert waiting.cancelled()
    hosted.close()
