"""The shard as a coordinator: it takes any log, and goes on from it in steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.records import encode_new_group, encode_tombstone
from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment
from tests.support.group_members import GroupMembers

NOW = Moment(1_700_000_000_000, 5_000)

kinds = st.sampled_from([b"", b"\x00", b"\x00\x00", b"\x00\x01", b"\x00\x02", b"\x00\x03", b"\xff\xff"])
keys = st.builds(bytes.__add__, kinds, st.binary(max_size=24))
values = st.none() | st.builds(bytes.__add__, kinds, st.binary(max_size=60))


def new_shard() -> GroupShard:
    return GroupShard(GroupSettings(), iter(map(str, range(1_000_000))).__next__)


@given(st.lists(st.tuples(keys, values), max_size=8))
def test_any_records_are_taken(records: list[tuple[bytes, bytes | None]]) -> None:
    shard = new_shard()
    for key, value in records:
        shard.replay(key, value)
    timers = [key for result in shard.on_loaded(NOW) for key in result.timers]
    for key in timers:
        shard.on_timer(key, NOW)


def test_a_log_that_was_cut_anywhere_is_taken() -> None:
    members = GroupMembers()
    members.stable("a", "b")
    key, value = members.world.log[-1]
    assert value is not None
    for end in range(len(value)):
        shard = new_shard()
        shard.replay(key, value[:end])
        for _ in shard.on_loaded(NOW):
            pass
        assert not shard.groups.live


def test_only_groups_with_members_come_to_life() -> None:
    members = GroupMembers()
    members.stable("a", "b")
    shard = new_shard()
    shard.replay(*members.world.log[-1])
    for number in range(100):
        shard.replay(*encode_new_group(ClassicGroup(f"empty-{number}", NOW.wall_ms)))
    steps = list(shard.on_loaded(NOW))
    assert len(steps) > 100
    assert list(shard.groups.live) == ["group"]
    timers = {key: delay_ms for result in steps for key, delay_ms in result.timers.items()}
    assert timers.pop(("expiry",)) == GroupSettings().offsets_retention_check_interval_ms
    assert timers == {("session", "group", "a-1"): 10_000, ("session", "group", "b-2"): 10_000}


def test_records_of_other_kinds_are_left_alone() -> None:
    shard = new_shard()
    assert shard.replay(b"\x00\x03\x00\x05group", b"\x00\x00")
    assert shard.replay(b"", None)
    assert shard.groups.find("group") is None


@pytest.mark.parametrize("key", [b"\x00\x02\x00\x05grou", b"\x00\x01\x00\x05grou"])
def test_malformed_keys_are_told(key: bytes) -> None:
    assert not new_shard().replay(key, b"\x00\x00")


def test_a_tombstone_is_the_end_of_a_group() -> None:
    members = GroupMembers()
    members.stable("a")
    shard = new_shard()
    shard.replay(*members.world.log[-1])
    shard.replay(*encode_tombstone("group"))
    assert shard.groups.find("group") is None
    assert not list(shard.groups.ids())
