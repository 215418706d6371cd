"""FindCoordinator: where a group's coordinator is, and how the topic of groups comes into being."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.metadata.image import GROUPS_TOPIC
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting

GROUP, TRANSACTION, SHARE = range(3)
HERE = (0, 1, "host1", 9092)
NOWHERE = (-1, "", -1)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    broker = GroupBroker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, version: int, *keys: str, key_type: int = GROUP) -> list[tuple[Any, ...]]:
    """Return (error code, node id, host, port) for each key."""
    fields: dict[str, Any] = {"coordinator_keys": list(keys)} if version >= 4 else {"key": keys[0]}
    if version >= 1:
        fields["key_type"] = key_type
    response = await broker.ask("find_coordinator", version, **fields)
    found = response.coordinators if version >= 4 else [response]
    if version >= 4:
        assert tuple(coordinator.key for coordinator in found) == keys
    return [(each.error_code, each.node_id, each.host, each.port) for each in found]


@pytest.mark.parametrize("version", range(7))
async def test_a_group_is_coordinated_by_the_leader_of_its_partition(broker: GroupBroker, version: int) -> None:
    assert GROUPS_TOPIC not in broker.image.topics
    assert await ask(broker, version, "orders") == [HERE]
    assert GROUPS_TOPIC in broker.image.topics


async def test_keys_are_answered_in_their_order(broker: GroupBroker) -> None:
    assert await ask(broker, 4, "orders", "", "orders") == [HERE] * 3
    assert await ask(broker, 4) == []


async def test_those_who_ask_while_the_topic_is_made_wait_for_it(broker: GroupBroker) -> None:
    answers = await asyncio.gather(*(ask(broker, 3, f"group-{number}") for number in range(5)))
    assert answers == [[HERE]] * 5


async def test_a_topic_that_cannot_be_made(broker: GroupBroker) -> None:
    broker.groups.refusal = ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert await ask(broker, 3, "orders") == [(ErrorCode.COORDINATOR_NOT_AVAILABLE, *NOWHERE)]


async def test_a_leader_that_this_listener_does_not_lead_to(broker: GroupBroker) -> None:
    broker.unreachable.add(1)
    assert await ask(broker, 3, "orders") == [(ErrorCode.COORDINATOR_NOT_AVAILABLE, *NOWHERE)]


async def test_only_groups_that_may_be_described_make_the_topic(broker: GroupBroker) -> None:
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.GROUP, "mine"))
    refused = (ErrorCode.GROUP_AUTHORIZATION_FAILED, *NOWHERE)
    assert await ask(broker, 4, "orders", "theirs") == [refused, refused]
    assert GROUPS_TOPIC not in broker.image.topics
    assert await ask(broker, 4, "orders", "mine") == [refused, HERE]


@pytest.mark.parametrize("version", range(1, 7))
async def test_a_transactional_id_is_coordinated_here_so_that_its_next_request_is_refused(
    broker: GroupBroker, version: int
) -> None:
    assert await ask(broker, version, "tx", key_type=TRANSACTION) == [HERE]
    assert GROUPS_TOPIC not in broker.image.topics
    broker.authorizer = Granting()
    refused = (ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, *NOWHERE)
    assert await ask(broker, version, "tx", key_type=TRANSACTION) == [refused]


@pytest.mark.parametrize("version", range(1, 7))
async def test_other_types_of_keys(broker: GroupBroker, version: int) -> None:
    for key_type in (SHARE, 3, -1):
        assert await ask(broker, version, "key", key_type=key_type) == [(ErrorCode.INVALID_REQUEST, *NOWHERE)]


async def test_share_groups_take_cluster_action_first(broker: GroupBroker) -> None:
    broker.authorizer = Granting()
    code = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert await ask(broker, 6, "g:id:0", key_type=SHARE) == [(code, *NOWHERE)]
    broker.authorizer = Granting((AclOperation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME))
    assert await ask(broker, 6, "g:id:0", key_type=SHARE) == [(ErrorCode.INVALID_REQUEST, *NOWHERE)]


async def test_errors_say_why(broker: GroupBroker) -> None:
    for version, found in (
        (1, await broker.ask("find_coordinator", 1, key="key", key_type=9)),
        (4, (await broker.ask("find_coordinator", 4, coordinator_keys=["key"], key_type=9)).coordinators[0]),
    ):
        assert found.error_message == f"9 is no type of key in version {version}."


async def test_success_has_the_messages_that_kafka_gives_it(broker: GroupBroker) -> None:
    assert (await broker.ask("find_coordinator", 3, key="key", key_type=GROUP)).error_message == "NONE"
    (found,) = (await broker.ask("find_coordinator", 4, coordinator_keys=["key"], key_type=GROUP)).coordinators
    assert found.error_message == ""
