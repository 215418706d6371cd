"""Expiry of offsets: from when the retention time counts, what is kept, and that the work is done in slices."""

from __future__ import annotations

import pytest

from broker.core.groups import offset_expiry, offset_sweep
from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.offset_expiry import EXPIRY_KEY
from broker.core.groups.offset_sweep import PAUSE_MS
from broker.core.groups.records import encode_group, encode_tombstone
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Result
from tests.support.offset_requests import (
    START,
    add_group,
    carry_out,
    commit,
    committed,
    later,
    new_shard,
    subscription,
)

RETENTION_MS = 60_000
INTERVAL_MS = 7_000
P0, P1, Q0 = ("orders", 0), ("orders", 1), ("payments", 0)


@pytest.fixture
def shard() -> GroupShard:
    return new_shard(offsets_retention_ms=RETENTION_MS, offsets_retention_check_interval_ms=INTERVAL_MS)


def expire(shard: GroupShard, now: Moment) -> list[Result]:
    """A whole walk, as its slices."""
    results: list[Result] = []
    while not results or results[-1].timers[EXPIRY_KEY] == PAUSE_MS:
        results.append(shard.on_timer(EXPIRY_KEY, now))
        carry_out(shard, results[-1])
    assert results[-1].timers == {EXPIRY_KEY: INTERVAL_MS}
    return results


def leave_empty(shard: GroupShard, group: str, protocol_type: str = "consumer", state_timestamp_ms: int = -1) -> None:
    """Have a group that members have been in, until this time."""
    empty = ClassicGroup(group, state_timestamp_ms)
    empty.protocol_type = protocol_type
    empty.generation = 5
    shard.replay(*encode_group(empty, {}))


def test_the_first_walk_comes_an_interval_after_loading(shard: GroupShard) -> None:
    timers = [result.timers for result in shard.on_loaded(START)]
    assert {EXPIRY_KEY: INTERVAL_MS} in timers


def test_a_walk_over_nothing(shard: GroupShard) -> None:
    (result,) = expire(shard, START)
    assert not result.records


def test_offsets_of_a_group_without_members_expire_one_by_one(shard: GroupShard) -> None:
    commit(shard, "g", {P0: 5})
    commit(shard, "g", {P1: 6}, later(START, 10))
    expire(shard, later(START, RETENTION_MS - 1))
    assert committed(shard, "g") == {P0: 5, P1: 6}
    expire(shard, later(START, RETENTION_MS))
    assert committed(shard, "g") == {P1: 6}
    assert shard.groups.find("g") is not None
    expire(shard, later(START, RETENTION_MS + 10))
    assert shard.groups.find("g") is None


def test_a_commit_renews_an_offset(shard: GroupShard) -> None:
    commit(shard, "g", {P0: 5})
    commit(shard, "g", {P0: 5}, later(START, 10))
    expire(shard, later(START, RETENTION_MS))
    assert committed(shard, "g") == {P0: 5}


@pytest.mark.parametrize("protocol_type", ["consumer", "connect"])
def test_what_members_have_left_behind_expires_when_they_have_been_gone_for_long(
    shard: GroupShard, protocol_type: str
) -> None:
    commit(shard, "g", {P0: 5, Q0: 6})
    leave_empty(shard, "g", protocol_type, START.wall_ms + 500)
    expire(shard, later(START, RETENTION_MS + 499))
    assert committed(shard, "g") == {P0: 5, Q0: 6}
    (result,) = expire(shard, later(START, RETENTION_MS + 500))
    assert len(result.records) == 3
    assert result.records[-1] == encode_tombstone("g")
    assert shard.groups.find("g") is None


def test_the_time_of_an_old_record_is_that_of_each_commit(shard: GroupShard) -> None:
    commit(shard, "g", {P0: 5})
    commit(shard, "g", {P1: 6}, later(START, 10))
    leave_empty(shard, "g", state_timestamp_ms=-1)
    expire(shard, later(START, RETENTION_MS))
    assert committed(shard, "g") == {P1: 6}
    group = shard.groups.find("g")
    assert group is not None and group.protocol_type == "consumer"


def test_members_keep_the_offsets_of_their_topics(shard: GroupShard) -> None:
    add_group(shard, "g", metadata=subscription("orders"))
    commit(shard, "g", {P0: 5, P1: 6, Q0: 7}, member="m", generation=3)
    expire(shard, later(START, RETENTION_MS - 1))
    assert committed(shard, "g") == {P0: 5, P1: 6, Q0: 7}
    expire(shard, later(START, RETENTION_MS))
    assert committed(shard, "g") == {P0: 5, P1: 6}


def test_a_group_with_members_lives_without_offsets(shard: GroupShard) -> None:
    add_group(shard, "g", metadata=subscription("orders"))
    commit(shard, "g", {Q0: 7}, member="m", generation=3)
    expire(shard, later(START, RETENTION_MS))
    assert committed(shard, "g") == {}
    assert "g" in shard.groups.live


@pytest.mark.parametrize(
    ("state", "protocol_type", "metadata"),
    [
        (ClassicGroupState.PREPARING_REBALANCE, "consumer", subscription("orders")),
        (ClassicGroupState.COMPLETING_REBALANCE, "consumer", subscription("orders")),
        (ClassicGroupState.STABLE, "consumer", b"\x00\x00\xff"),
        (ClassicGroupState.STABLE, "connect", subscription("orders")),
    ],
)
def test_nothing_expires_where_it_is_not_known_what_members_read(
    shard: GroupShard, state: ClassicGroupState, protocol_type: str, metadata: bytes
) -> None:
    commit(shard, "g", {P0: 5, Q0: 7})
    add_group(shard, "g", state, protocol_type, metadata)
    expire(shard, later(START, 10 * RETENTION_MS))
    assert committed(shard, "g") == {P0: 5, Q0: 7}


@pytest.mark.parametrize("retention_time_ms", [10, 10 * RETENTION_MS])
def test_a_time_that_the_commit_gave_counts_instead(shard: GroupShard, retention_time_ms: int) -> None:
    commit(shard, "g", {P0: 5}, api_version=4, retention_time_ms=retention_time_ms)
    commit(shard, "h", {P0: 5}, api_version=4, retention_time_ms=retention_time_ms)
    leave_empty(shard, "h", state_timestamp_ms=START.wall_ms + 5)
    expire(shard, later(START, retention_time_ms - 1))
    assert committed(shard, "g") == committed(shard, "h") == {P0: 5}
    expire(shard, later(START, retention_time_ms))
    assert shard.groups.find("g") is None
    assert shard.groups.find("h") is None


def test_a_group_without_offsets_and_members_goes_at_once(shard: GroupShard) -> None:
    leave_empty(shard, "g", state_timestamp_ms=START.wall_ms)
    (result,) = expire(shard, START)
    assert result.records == [encode_tombstone("g")]
    assert shard.groups.find("g") is None


def test_a_group_whose_offsets_have_been_deleted_goes(shard: GroupShard) -> None:
    commit(shard, "g", {P0: 5})
    for key, _ in shard.delete_group("g").records[:1]:
        shard.replay(key, None)
    assert shard.groups.find("g") is not None
    expire(shard, START)
    assert shard.groups.find("g") is None


def test_a_group_that_somebody_is_about_to_join_stays(shard: GroupShard) -> None:
    group = ClassicGroup("g", START.wall_ms)
    group.pending_members.add("m")
    shard.groups.keep(group)
    commit(shard, "g", {P0: 5})
    expire(shard, later(START, RETENTION_MS))
    assert committed(shard, "g") == {}
    assert "g" in shard.groups.live


# --- slices


def sliced(monkeypatch: pytest.MonkeyPatch, offsets_per_slice: int) -> GroupShard:
    monkeypatch.setattr(offset_expiry, "_OFFSETS_PER_SLICE", offsets_per_slice)
    monkeypatch.setattr(offset_sweep, "_GROUP_COST", 0)
    return new_shard(offsets_retention_ms=RETENTION_MS, offsets_retention_check_interval_ms=INTERVAL_MS)


def commit_many(shard: GroupShard, group: str, count: int, now: Moment = START) -> None:
    commit(shard, group, {("orders", index): index for index in range(count)}, now)


def test_a_slice_looks_at_a_few_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    for group in ("a", "b", "c"):
        commit_many(shard, group, 3)
    results = expire(shard, later(START, RETENTION_MS))
    assert [len(result.records) for result in results] == [8, 4]  # tombstones of groups included
    assert not list(shard.groups.ids())


def test_a_group_of_many_offsets_takes_several_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    commit_many(shard, "g", 10)
    results = expire(shard, later(START, RETENTION_MS))
    assert [len(result.records) for result in results] == [4, 4, 3]
    assert shard.groups.find("g") is None


def test_many_offsets_that_do_not_expire_take_slices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    commit_many(shard, "g", 10)
    results = expire(shard, START)
    assert [result.records for result in results] == [[], [], []]
    assert len(committed(shard, "g")) == 10


def test_what_changes_during_a_walk_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    commit_many(shard, "g", 12)
    now = later(START, RETENTION_MS)
    carry_out(shard, shard.on_timer(EXPIRY_KEY, now))
    commit(shard, "g", {("orders", 0): 42, ("orders", 11): 43}, now)
    expire(shard, now)
    assert committed(shard, "g") == {("orders", 0): 42, ("orders", 11): 43}


def test_a_group_that_is_deleted_during_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    commit_many(shard, "g", 12)
    now = later(START, RETENTION_MS)
    carry_out(shard, shard.on_timer(EXPIRY_KEY, now))
    carry_out(shard, shard.delete_group("g"))
    assert not any(result.records for result in expire(shard, now))


def test_members_that_come_during_a_walk_keep_their_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    commit_many(shard, "g", 12)
    now = later(START, RETENTION_MS)
    carry_out(shard, shard.on_timer(EXPIRY_KEY, now))
    add_group(shard, "g", metadata=subscription("orders"))
    expire(shard, now)
    assert committed(shard, "g") == {("orders", index): index for index in range(4, 12)}


def test_what_could_not_be_written_is_left_to_the_next_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sliced(monkeypatch, 4)
    commit_many(shard, "g", 10)
    now = later(START, RETENTION_MS)
    shard.on_timer(EXPIRY_KEY, now)  # and its records are lost
    expire(shard, now)
    assert committed(shard, "g") == {("orders", index): index for index in range(4)}
    assert shard.groups.find("g") is not None
    expire(shard, now)
    assert shard.groups.find("g") is None


def test_records_of_a_slice_fit_into_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offset_sweep, "RECORDS_BYTES_MAX", 3_000)
    shard = sliced(monkeypatch, 1_000)
    for name in ("g" * 900, "h" * 5_000, "short"):
        commit_many(shard, name, 20)
    results = expire(shard, later(START, RETENTION_MS))
    assert len(results) > 20
    for result in results:
        sizes = [len(key) for key, _ in result.records]
        assert sum(sizes) - sizes[-1] < 6_000 if sizes else result is results[-1]
    assert not list(shard.groups.ids())
