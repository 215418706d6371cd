"""OffsetDelete: which partitions get as far as the coordinator, and what becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.offset_delete import OffsetDeleteRequestPartition, OffsetDeleteRequestTopic
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting
from tests.support.offset_requests import commit, committed

DELETE_GROUP = (AclOperation.DELETE, ResourceType.GROUP, "g")
UNKNOWN = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

Answers = tuple[int, list[tuple[str, list[tuple[int, int]]]]]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    """The topics `orders` and `items` have two partitions each, and the group `g` has committed offsets of all."""
    broker = GroupBroker(tmp_path)
    await broker.start()
    for name in ("orders", "items"):
        await broker.make_topic(name)
        commit(broker.groups.shard, "g", {(name, 0): 1, (name, 1): 1})
    yield broker
    await broker.stop()


async def ask(broker: GroupBroker, topics: dict[str, list[int]], group: str = "g") -> Answers:
    """Return the error code of the answer, and index and error code of the partitions of each topic."""
    sent = [
        OffsetDeleteRequestTopic(
            name=name, partitions=[OffsetDeleteRequestPartition(partition_index=index) for index in indexes]
        )
        for name, indexes in topics.items()
    ]
    response = await broker.ask("offset_delete", 0, group_id=group, topics=sent)
    return response.error_code, [
        (topic.name, [(partition.partition_index, partition.error_code) for partition in topic.partitions])
        for topic in response.topics
    ]


async def test_what_there_is_not_is_refused_beside_the_rest(broker: GroupBroker) -> None:
    assert await ask(broker, {"nope": [0], "orders": [7, 0, -1], "items": [0]}) == (
        0,
        [("nope", [(0, UNKNOWN)]), ("orders", [(0, 0), (7, UNKNOWN), (-1, UNKNOWN)]), ("items", [(0, 0)])],
    )
    assert committed(broker.groups.shard, "g") == {("orders", 1): 1, ("items", 1): 1}
    assert await ask(broker, {}) == (0, [])


async def test_an_error_of_the_group_is_that_of_the_answer(broker: GroupBroker) -> None:
    assert await ask(broker, {"orders": [0, 7]}, "nobody") == (ErrorCode.GROUP_ID_NOT_FOUND, [])
    assert await ask(broker, {"nope": [0]}, "nobody") == (ErrorCode.GROUP_ID_NOT_FOUND, [])
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    assert await ask(broker, {"orders": [0, 7]}) == (ErrorCode.NOT_COORDINATOR, [])


async def test_it_takes_delete_on_the_group_and_read_on_each_topic(broker: GroupBroker) -> None:
    broker.authorizer = Granting()
    assert await ask(broker, {"orders": [0]}) == (ErrorCode.GROUP_AUTHORIZATION_FAILED, [])
    broker.authorizer = Granting(DELETE_GROUP, (AclOperation.READ, ResourceType.TOPIC, "items"))
    refused = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert await ask(broker, {"orders": [0, 7], "nope": [0], "items": [0]}) == (
        0,
        [("orders", [(0, refused), (7, refused)]), ("nope", [(0, refused)]), ("items", [(0, 0)])],
    )
    assert committed(broker.groups.shard, "g") == {("orders", 0): 1, ("orders", 1): 1, ("items", 1): 1}


async def test_refused_partitions_join_their_topic_when_the_answer_is_there(broker: GroupBroker) -> None:
    broker.groups.is_slow = True
    asking = asyncio.ensure_future(ask(broker, {"orders": [7, 0]}))
    await asyncio.sleep(0)
    broker.groups.answer()
    assert await asking == (0, [("orders", [(0, 0), (7, UNKNOWN)])])
