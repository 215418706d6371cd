"""OffsetFetch: what a group has committed."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_state import ClassicGroupState
from protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from tests.support.offset_requests import START, add_group, commit, fetch, new_shard

NOTHING = (-1, -1, "")
TOPIC_ID = bytes(range(16))
OTHER_ID = bytes(range(1, 17))


def test_an_unknown_group_has_committed_nothing() -> None:
    shard = new_shard()
    assert fetch(shard, "g", {"orders": [0, 7]}) == {("orders", 0): NOTHING, ("orders", 7): NOTHING}
    assert fetch(shard, "g") == {}


def test_what_is_asked_for_is_answered_in_that_order() -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5, ("orders", 1): 6, ("payments", 0): 7}, metadata="where", leader_epoch=3)
    fetched = fetch(shard, "g", {"payments": [1, 0], "orders": [1]})
    assert list(fetched.items()) == [
        (("payments", 1), NOTHING),
        (("payments", 0), (7, 3, "where")),
        (("orders", 1), (6, 3, "where")),
    ]


def test_a_partition_that_is_asked_for_twice_is_answered_twice() -> None:
    shard = new_shard()
    request = OffsetFetchRequestGroup(
        group_id="g", topics=[OffsetFetchRequestTopics(name="orders", partition_indexes=[0, 0])]
    )
    (topic,) = shard.fetch_offsets(request, START).reply.topics
    assert [partition.partition_index for partition in topic.partitions] == [0, 0]


def test_all_topics() -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5, ("payments", 0): 7})
    commit(shard, "g", {("orders", 1): 6})
    commit(shard, "other", {("orders", 2): 8})
    request = OffsetFetchRequestGroup(group_id="g", topics=None)
    topics = shard.fetch_offsets(request, START).reply.topics
    assert [(topic.name, [partition.partition_index for partition in topic.partitions]) for topic in topics] == [
        ("orders", [0, 1]),
        ("payments", [0]),
    ]
    assert fetch(shard, "g") == {("orders", 0): (5, -1, ""), ("orders", 1): (6, -1, ""), ("payments", 0): (7, -1, "")}


def test_no_topics_are_none() -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5})
    assert fetch(shard, "g", {}) == {}


@pytest.mark.parametrize("state", list(ClassicGroupState)[:4])
def test_anybody_may_ask_in_any_state(state: ClassicGroupState) -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5})
    add_group(shard, "g", state)
    request = OffsetFetchRequestGroup(
        group_id="g",
        member_id="somebody",
        member_epoch=42,
        topics=[OffsetFetchRequestTopics(name="orders", partition_indexes=[0])],
    )
    (topic,) = shard.fetch_offsets(request, START).reply.topics
    assert topic.partitions[0].committed_offset == 5


@pytest.mark.parametrize(
    ("stored", "asked_for", "is_shown"),
    [
        (TOPIC_ID, TOPIC_ID, True),
        (TOPIC_ID, OTHER_ID, False),
        (TOPIC_ID, bytes(16), True),
        (bytes(16), TOPIC_ID, True),
        (bytes(16), bytes(16), True),
    ],
)
def test_offsets_of_a_deleted_topic_are_not_those_of_its_namesake(
    stored: bytes, asked_for: bytes, is_shown: bool
) -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5}, topic_ids={"orders": stored})
    fetched = fetch(shard, "g", {"orders": [0]}, topic_id=asked_for)
    assert fetched == {("orders", 0): (5, -1, "") if is_shown else NOTHING}


def test_topics_are_answered_with_the_ids_they_were_asked_for_with() -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5}, topic_ids={"orders": TOPIC_ID})
    asked = [OffsetFetchRequestTopics(name="orders", topic_id=TOPIC_ID, partition_indexes=[0])]
    (topic,) = shard.fetch_offsets(OffsetFetchRequestGroup(group_id="g", topics=asked), START).reply.topics
    assert (topic.name, topic.topic_id) == ("orders", TOPIC_ID)
    (topic,) = shard.fetch_offsets(OffsetFetchRequestGroup(group_id="g", topics=None), START).reply.topics
    assert (topic.name, topic.topic_id) == ("orders", bytes(16))
