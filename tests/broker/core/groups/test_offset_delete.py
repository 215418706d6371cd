"""OffsetDelete: which offsets a group can be made to forget."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.shard import GroupShard
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tests.support.offset_requests import add_group, carry_out, commit, committed, new_shard, subscription

OFFSETS = {("orders", 0): 5, ("orders", 1): 6, ("payments", 0): 7}
ACTIVE = [ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.COMPLETING_REBALANCE, ClassicGroupState.STABLE]


def request(group: str, **partitions: list[int]) -> OffsetDeleteRequest:
    return OffsetDeleteRequest(
        group_id=group,
        topics=[
            OffsetDeleteRequestTopic(
                name=name, partitions=[OffsetDeleteRequestPartition(partition_index=index) for index in indexes]
            )
            for name, indexes in partitions.items()
        ],
    )


def delete(shard: GroupShard, group: str, **partitions: list[int]) -> dict[tuple[str, int], int]:
    response = carry_out(shard, shard.delete_offsets(request(group, **partitions)))
    assert response.error_code == 0
    return {
        (topic.name, partition.partition_index): partition.error_code
        for topic in response.topics
        for partition in topic.partitions
    }


def refusal(shard: GroupShard, group: str) -> ErrorCode:
    with pytest.raises(KafkaError) as error:
        shard.delete_offsets(request(group, orders=[0]))
    return error.value.code


def test_offsets_of_a_group_without_members_go() -> None:
    shard = new_shard()
    commit(shard, "g", OFFSETS)
    assert delete(shard, "g", orders=[1], payments=[0]) == {("orders", 1): 0, ("payments", 0): 0}
    assert committed(shard, "g") == {("orders", 0): 5}


def test_what_is_not_there_is_deleted_without_a_record() -> None:
    shard = new_shard()
    commit(shard, "g", OFFSETS)
    result = shard.delete_offsets(request("g", orders=[9, 0], strange=[0]))
    assert [key[-4:] for key, _ in result.records] == [bytes(4)]
    topics = carry_out(shard, result).topics
    assert [[partition.partition_index for partition in topic.partitions] for topic in topics] == [[9, 0], [0]]


def test_a_partition_that_is_named_twice_is_answered_twice() -> None:
    shard = new_shard()
    commit(shard, "g", OFFSETS)
    (topic,) = carry_out(shard, shard.delete_offsets(request("g", orders=[0, 0]))).topics
    assert [(partition.partition_index, partition.error_code) for partition in topic.partitions] == [(0, 0), (0, 0)]
    assert committed(shard, "g") == {("orders", 1): 6, ("payments", 0): 7}


def test_the_group_lives_on_without_offsets() -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5})
    delete(shard, "g", orders=[0])
    assert committed(shard, "g") == {}
    assert shard.groups.find("g") is not None
    assert delete(shard, "g", orders=[0]) == {("orders", 0): 0}


def test_there_must_be_such_a_group() -> None:
    shard = new_shard()
    assert refusal(shard, "g") is ErrorCode.GROUP_ID_NOT_FOUND
    assert refusal(shard, "") is ErrorCode.INVALID_GROUP_ID


@pytest.mark.parametrize("state", ACTIVE)
def test_only_topics_that_no_member_reads_may_go(state: ClassicGroupState) -> None:
    shard = new_shard()
    commit(shard, "g", OFFSETS)
    add_group(shard, "g", state, metadata=subscription("orders", "other"))
    assert delete(shard, "g", orders=[0, 1], payments=[0]) == {
        ("orders", 0): ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
        ("orders", 1): ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
        ("payments", 0): ErrorCode.NONE,
    }
    assert committed(shard, "g") == {("orders", 0): 5, ("orders", 1): 6}


def test_consumers_whose_subscription_cannot_be_read_may_read_anything() -> None:
    shard = new_shard()
    commit(shard, "g", OFFSETS)
    add_group(shard, "g", metadata=b"\x00\x00\xff")
    assert delete(shard, "g", payments=[0]) == {("payments", 0): ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC}


@pytest.mark.parametrize("state", ACTIVE)
def test_what_other_members_read_is_not_known(state: ClassicGroupState) -> None:
    shard = new_shard()
    commit(shard, "g", OFFSETS)
    add_group(shard, "g", state, protocol_type="connect")
    assert refusal(shard, "g") is ErrorCode.NON_EMPTY_GROUP
