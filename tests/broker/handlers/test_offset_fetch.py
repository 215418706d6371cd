"""OffsetFetch: several groups or one, by name or by id, and what the client may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting
from tests.support.offset_requests import commit

STRANGER = bytes(15) + b"\x01"  # the id of no topic
ALL_VERSIONS = pytest.mark.parametrize("version", range(1, 11))
GROUP_ERROR_VERSIONS = pytest.mark.parametrize("version", range(2, 11))
DESCRIBE_GROUP = (AclOperation.DESCRIBE, ResourceType.GROUP, "g")

Offsets = dict[tuple[str, int], tuple[int, int]]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    """The group `g` has committed 1 and 2 of the topics `orders` and `items`, and 3 of `gone`, which is not there."""
    broker = GroupBroker(tmp_path)
    await broker.start()
    topics = [await broker.make_topic(name) for name in ("orders", "items")]
    ids = {topic.name: topic.topic_id for topic in topics}
    offsets = {("orders", 0): 1, ("items", 1): 2, ("gone", 0): 3}
    commit(broker.groups.shard, "g", offsets, topic_ids=ids, leader_epoch=5)
    yield broker
    await broker.stop()


async def ask(
    broker: GroupBroker, version: int, topics: dict[str, list[int]] | None, group: str = "g"
) -> tuple[int, Offsets]:
    """Return the group's error code, and offset and error code of each partition."""
    known = {topic.name: topic.topic_id for topic in broker.image.topics.values()}
    fields: dict[str, Any]
    if version >= 8:
        wanted = None
        if topics is not None:
            wanted = []
            for name, indexes in topics.items():
                by = {"topic_id": known.get(name, STRANGER)} if version >= 10 else {"name": name}
                wanted.append(OffsetFetchRequestTopics(partition_indexes=indexes, **by))
        fields = {"groups": [OffsetFetchRequestGroup(group_id=group, topics=wanted)]}
    else:
        named = None
        if topics is not None:
            named = [OffsetFetchRequestTopic(name=name, partition_indexes=indexes) for name, indexes in topics.items()]
        fields = {"group_id": group, "topics": named}
    response = await broker.ask("offset_fetch", version, **fields)
    answered = response
    if version >= 8:
        [answered] = response.groups
        assert answered.group_id == group
    names = {topic_id: name for name, topic_id in known.items()}
    offsets = {}
    for topic in answered.topics:
        name = names.get(topic.topic_id, "nope") if version >= 10 else topic.name
        for partition in topic.partitions:
            offsets[name, partition.partition_index] = (partition.committed_offset, partition.error_code)
            if version >= 5:
                assert partition.committed_leader_epoch == (-1 if partition.committed_offset == -1 else 5)
            assert partition.metadata == ""
    return answered.error_code, offsets


@ALL_VERSIONS
async def test_offsets_that_there_are_and_that_there_are_not(broker: GroupBroker, version: int) -> None:
    wanted = {"orders": [0, 1, 9], "nope": [0]}
    unknown = ErrorCode.UNKNOWN_TOPIC_ID if version >= 10 else ErrorCode.NONE
    none = (-1, 0)
    assert await ask(broker, version, wanted) == (
        0,
        {("orders", 0): (1, 0), ("orders", 1): none, ("orders", 9): none, ("nope", 0): (-1, unknown)},
    )
    assert await ask(broker, version, {"orders": [0]}, "nobody") == (0, {("orders", 0): none})
    assert await ask(broker, version, {}) == (0, {})


@GROUP_ERROR_VERSIONS
async def test_all_topics(broker: GroupBroker, version: int) -> None:
    everything = {("orders", 0): (1, 0), ("items", 1): (2, 0)}
    if version < 10:  # which has no name for it
        everything["gone", 0] = (3, 0)
    assert await ask(broker, version, None) == (0, everything)
    assert await ask(broker, version, None, "nobody") == (0, {})


@GROUP_ERROR_VERSIONS
async def test_refusals_of_the_group(broker: GroupBroker, version: int) -> None:
    wanted: dict[str, list[int]] | None
    for wanted in ({"orders": [0], "nope": [0]}, None):
        broker.groups.refusal = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert await ask(broker, version, wanted) == (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, {})
        broker.groups.refusal = None
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.GROUP, "mine"))
    assert await ask(broker, version, None) == (ErrorCode.GROUP_AUTHORIZATION_FAILED, {})


async def test_refusals_of_the_group_in_a_version_without_a_place_for_them(broker: GroupBroker) -> None:
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    refused = (-1, ErrorCode.NOT_COORDINATOR)
    assert await ask(broker, 1, {"orders": [0, 1]}) == (0, {("orders", 0): refused, ("orders", 1): refused})
    broker.authorizer = Granting()
    assert await ask(broker, 1, {"orders": [0]}) == (
        0,
        {("orders", 0): (-1, ErrorCode.GROUP_AUTHORIZATION_FAILED)},
    )


@ALL_VERSIONS
async def test_topics_that_may_not_be_described(broker: GroupBroker, version: int) -> None:
    broker.authorizer = Granting(DESCRIBE_GROUP, (AclOperation.DESCRIBE, ResourceType.TOPIC, "items"))
    refused = (-1, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    unknown = (-1, ErrorCode.UNKNOWN_TOPIC_ID) if version >= 10 else refused
    assert await ask(broker, version, {"orders": [0], "nope": [0], "items": [1]}) == (
        0,
        {("orders", 0): refused, ("nope", 0): unknown, ("items", 1): (2, 0)},
    )
    if version >= 2:
        assert await ask(broker, version, None) == (0, {("items", 1): (2, 0)})


@pytest.mark.parametrize("version", range(8, 11))
async def test_groups_are_answered_in_their_order_when_the_last_is_there(broker: GroupBroker, version: int) -> None:
    broker.groups.is_slow = True
    groups = [OffsetFetchRequestGroup(group_id=name, topics=None) for name in ("g", "nobody", "g")]
    asking = asyncio.ensure_future(broker.ask("offset_fetch", version, groups=groups, require_stable=True))
    await asyncio.sleep(0)
    broker.groups.answer()
    answered = (await asking).groups
    assert [group.group_id for group in answered] == ["g", "nobody", "g"]
    assert answered[0] == answered[2] != answered[1]
    assert (await broker.ask("offset_fetch", version, groups=[])).groups == []


async def test_offsets_of_a_deleted_topic_are_not_those_of_its_successor(broker: GroupBroker) -> None:
    await broker.ask("delete_topics", 5, topic_names=["orders"], timeout_ms=10_000)
    await broker.make_topic("orders")
    for version in range(1, 11):
        assert await ask(broker, version, {"orders": [0]}) == (0, {("orders", 0): (-1, 0)})
