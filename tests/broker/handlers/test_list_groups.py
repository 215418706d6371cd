"""ListGroups: the groups of all partitions, as far as the client may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting
from tests.support.offset_requests import commit


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    """There is a group with a member, `live`, and one without, `empty`."""
    broker = GroupBroker(tmp_path)
    await broker.start()
    await broker.settle("live")
    commit(broker.groups.shard, "empty", {("t", 0): 1})
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, version: int, **filters: list[str]) -> set[tuple[str, str, str, str]]:
    """Return id, protocol type, state and type of each group."""
    response = await broker.ask("list_groups", version, **filters)
    assert response.error_code == ErrorCode.NONE
    return {(group.group_id, group.protocol_type, group.group_state, group.group_type) for group in response.groups}


@pytest.mark.parametrize("version", range(6))
async def test_every_version_shows_what_it_can(broker: GroupBroker, version: int) -> None:
    states = ("Stable", "Empty") if version >= 4 else ("", "")
    kind = "classic" if version >= 5 else ""
    assert await ask(broker, version) == {("live", "consumer", states[0], kind), ("empty", "", states[1], kind)}


async def test_filters(broker: GroupBroker) -> None:
    assert {group[0] for group in await ask(broker, 4, states_filter=["stable"])} == {"live"}
    assert {group[0] for group in await ask(broker, 5, types_filter=["classic"], states_filter=["Empty"])} == {"empty"}
    assert await ask(broker, 5, types_filter=["consumer"]) == set()


async def test_who_may_describe_the_cluster_sees_all_others_what_they_may_describe(broker: GroupBroker) -> None:
    for right, shown in (
        ((AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME), {"live", "empty"}),
        ((AclOperation.DESCRIBE, ResourceType.GROUP, "live"), {"live"}),
        ((AclOperation.READ, ResourceType.GROUP, "live"), set()),
    ):
        broker.authorizer = Granting(right)
        assert {group[0] for group in await ask(broker, 3)} == shown


async def test_a_partition_that_has_moved_away_is_left_out(broker: GroupBroker) -> None:
    broker.groups.other_partitions = [ErrorCode.NOT_COORDINATOR]
    assert {group[0] for group in await ask(broker, 3)} == {"live", "empty"}


async def test_a_partition_that_is_being_loaded_leaves_no_list(broker: GroupBroker) -> None:
    broker.groups.other_partitions = [ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]
    response = await broker.ask("list_groups", 3)
    assert (response.error_code, response.groups) == (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, [])
