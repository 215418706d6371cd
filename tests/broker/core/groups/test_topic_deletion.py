"""Deleted topics: their offsets go from all groups, those of a namesake stay."""

from __future__ import annotations

import pytest

from broker.core.groups import offset_sweep, topic_deletion
from broker.core.groups.offset_sweep import PAUSE_MS
from broker.core.groups.shard import GroupShard
from broker.core.groups.topic_deletion import RETRY_MS, TOPIC_DELETION_KEY
from broker.core.result import Result
from protocol.errors import ErrorCode
from tests.support.offset_requests import START, add_group, carry_out, commit, committed, new_shard, subscription

TOPIC_ID = bytes(range(16))
OTHER_ID = bytes(range(1, 17))
P0, P1, Q0 = ("orders", 0), ("orders", 1), ("payments", 0)


def finish(shard: GroupShard, result: Result) -> int:
    """Carry out the result and all slices that follow it; return how many records there were."""
    count = len(result.records)
    carry_out(shard, result)
    while result.timers == {TOPIC_DELETION_KEY: PAUSE_MS}:
        result = shard.on_timer(TOPIC_DELETION_KEY, START)
        count += len(result.records)
        carry_out(shard, result)
    assert result.timers == {TOPIC_DELETION_KEY: None}
    return count


def sliced(monkeypatch: pytest.MonkeyPatch, offsets_per_slice: int) -> GroupShard:
    monkeypatch.setattr(topic_deletion, "_OFFSETS_PER_SLICE", offsets_per_slice)
    monkeypatch.setattr(offset_sweep, "_GROUP_COST", 0)
    return new_shard()


def test_offsets_of_deleted_topics_go_from_all_groups() -> None:
    shard = new_shard()
    for group in ("a", "b", "c"):
        commit(shard, group, {P0: 5, P1: 6, Q0: 7, ("order", 0): 8, ("orders2", 0): 9})
    assert finish(shard, shard.topics_deleted([("orders", TOPIC_ID), ("payments", OTHER_ID)])) == 9
    for group in ("a", "b", "c"):
        assert committed(shard, group) == {("order", 0): 8, ("orders2", 0): 9}


def test_a_group_lives_on_without_offsets() -> None:
    shard = new_shard()
    commit(shard, "g", {P0: 5})
    finish(shard, shard.topics_deleted([("orders", TOPIC_ID)]))
    assert committed(shard, "g") == {}
    assert shard.groups.find("g") is not None


def test_members_that_are_subscribed_do_not_hold_them_back() -> None:
    shard = new_shard()
    add_group(shard, "g", metadata=subscription("orders"))
    commit(shard, "g", {P0: 5}, member="m", generation=3)
    finish(shard, shard.topics_deleted([("orders", TOPIC_ID)]))
    assert committed(shard, "g") == {}


@pytest.mark.parametrize(("stored", "goes"), [(TOPIC_ID, True), (OTHER_ID, False), (bytes(16), True)])
def test_offsets_of_a_namesake_stay(stored: bytes, goes: bool) -> None:
    shard = new_shard()
    commit(shard, "g", {P0: 5}, topic_ids={"orders": stored})
    finish(shard, shard.topics_deleted([("orders", TOPIC_ID)]))
    assert committed(shard, "g") == ({} if goes else {P0: 5})


def test_a_topic_that_was_deleted_twice() -> None:
    shard = new_shard()
    commit(shard, "g", {P0: 5}, topic_ids={"orders": TOPIC_ID})
    commit(shard, "g", {P1: 6}, topic_ids={"orders": OTHER_ID})
    finish(shard, shard.topics_deleted([("orders", TOPIC_ID), ("orders", OTHER_ID)]))
    assert committed(shard, "g") == {}


def test_nothing_to_delete() -> None:
    shard = new_shard()
    commit(shard, "g", {P0: 5})
    result = shard.topics_deleted([("other", TOPIC_ID)])
    assert (result.records, result.timers) == ([], {TOPIC_DELETION_KEY: None})


def test_a_slice_looks_at_a_few_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    commit(shard, "a", {("orders", index): index for index in range(10)})
    commit(shard, "b", {("orders", index): index for index in range(3)})
    result = shard.topics_deleted([("orders", TOPIC_ID)])
    assert len(result.records) == 4
    assert result.timers == {TOPIC_DELETION_KEY: PAUSE_MS}
    assert finish(shard, result) == 13
    assert committed(shard, "a") == committed(shard, "b") == {}


def test_topics_that_are_deleted_during_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 2)
    commit(shard, "g", {Q0: 6, ("payments", 1): 8, P0: 5, P1: 7, ("other", 0): 9})
    carry_out(shard, shard.topics_deleted([("orders", TOPIC_ID)]))  # has passed payments when that is deleted, too
    finish(shard, shard.topics_deleted([("payments", TOPIC_ID)]))
    assert committed(shard, "g") == {("other", 0): 9}


def test_what_could_not_be_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 2)
    commit(shard, "g", {P0: 5, P1: 6, ("orders", 2): 7})
    carry_out(shard, shard.topics_deleted([("orders", TOPIC_ID)]))
    last = shard.on_timer(TOPIC_DELETION_KEY, START)
    assert (len(last.records), last.timers) == (1, {TOPIC_DELETION_KEY: None})
    assert last.on_refused is not None
    refused = last.on_refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    assert (refused.records, refused.timers) == ([], {TOPIC_DELETION_KEY: RETRY_MS})
    finish(shard, shard.on_timer(TOPIC_DELETION_KEY, START))
    assert committed(shard, "g") == {}


def test_a_topic_is_forgotten_after_the_walk() -> None:
    shard = new_shard()
    finish(shard, shard.topics_deleted([("orders", TOPIC_ID)]))
    commit(shard, "g", {P0: 5})
    finish(shard, shard.topics_deleted([("payments", TOPIC_ID)]))
    assert committed(shard, "g") == {P0: 5}
