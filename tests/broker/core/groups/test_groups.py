"""Groups come to life when somebody joins, and are let go when they are nothing but their record."""

from __future__ import annotations

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.groups import Groups
from broker.core.groups.offset_store import OffsetStore, encode_place, key_prefix
from broker.core.groups.records import encode_new_group
from broker.core.groups.settings import GroupSettings
from protocol.consumer_offsets import OffsetCommitValue, encode_offset_commit_value

NOW_MS = 1_700_000_000_000


def groups_with(*persisted: str, committed: tuple[str, ...] = ()) -> Groups:
    offsets = OffsetStore()
    value = encode_offset_commit_value(OffsetCommitValue(offset=1, metadata="", commit_timestamp=NOW_MS))
    for group_id in committed:
        offsets.replay(key_prefix(group_id.encode()) + encode_place("orders", 0), value)
    groups = Groups(GroupSettings(), offsets)
    for group_id in persisted:
        groups.replay(group_id, encode_new_group(ClassicGroup(group_id, NOW_MS)).value)
    return groups


def test_a_group_is_found_by_its_record_or_by_its_offsets() -> None:
    groups = groups_with("recorded", committed=("simple", "recorded"))
    recorded, simple = groups.find("recorded"), groups.find("simple")
    assert recorded is not None
    assert simple is not None
    assert (recorded.state_timestamp_ms, simple.state_timestamp_ms) == (NOW_MS, -1)
    assert simple.is_idle
    assert simple.protocol_type is None
    assert groups.find("nobody") is None
    assert list(groups.ids()) == ["recorded", "simple"]


def test_asking_for_a_group_does_not_make_it_live() -> None:
    groups = groups_with("recorded", committed=("simple",))
    groups.find("recorded")
    groups.find("simple")
    assert groups.find_or_create("new", NOW_MS)[1]
    assert not groups.live


def test_a_group_without_members_is_let_go_once_its_record_says_so() -> None:
    groups = groups_with()
    group, is_new = groups.find_or_create("group", NOW_MS)
    assert is_new
    group.pending_members.add("a")
    groups.keep(group)
    groups.replay("group", encode_new_group(group).value)
    assert groups.find("group") is group
    group.pending_members.clear()
    groups.release(group)
    assert not groups.live


def test_a_group_whose_last_record_could_not_be_written_stays() -> None:
    groups = groups_with("group")
    group = ClassicGroup("group", NOW_MS)
    group.is_record_stale = True
    groups.keep(group)
    groups.release(group)
    assert groups.find("group") is group
    groups.replay("group", encode_new_group(group).value)
    assert not groups.live


def test_a_tombstone_ends_it() -> None:
    groups = groups_with("group", committed=("group",))
    group = groups.find("group")
    assert group is not None
    group.pending_members.add("a")
    groups.keep(group)
    groups.replay("group", None)
    found = groups.find("group")
    assert found is not None  # its offsets are there still
    assert found is not group
    groups.replay("nobody", None)


def test_a_record_that_cannot_be_read_is_none() -> None:
    groups = groups_with()
    groups.replay("group", b"\x00\x03nonsense")
    assert groups.find("group") is None
