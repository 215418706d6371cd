"""The record of a group, and whatever else may stand in its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_member import ClassicMember
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.records import decode_group, encode_group, encode_new_group, encode_tombstone, read_group_id
from protocol.codec import encode_versioned
from protocol.consumer_offsets import GroupMetadataValue, MemberMetadata

NOW_MS = 1_700_000_000_000


def stable_group() -> ClassicGroup:
    group = ClassicGroup("group", NOW_MS)
    members = [
        ClassicMember("a-1", None, "a", "/127.0.0.1", 10_000, 60_000, {"range": b"sub-a"}, b"part-a"),
        ClassicMember("one-2", "one", "b", "/::1", 20_000, 30_000, {"range": b"sub-b"}, b""),
    ]
    group.restore(3, "consumer", "range", "one-2", members)
    return group


def test_a_group_comes_back_as_it_was() -> None:
    group = stable_group()
    record = encode_group(group, {"a-1": b"part-a"})
    assert record.value is not None
    restored = decode_group("group", record.value)
    assert restored is not None
    for name in ("state", "state_timestamp_ms", "generation", "protocol_type", "protocol", "leader", "static_members"):
        assert getattr(restored, name) == getattr(group, name)
    for member_id, member in group.members.items():
        for name in ("instance_id", "client_id", "client_host", "session_timeout_ms", "rebalance_timeout_ms"):
            assert getattr(restored.members[member_id], name) == getattr(member, name)
        assert restored.members[member_id].protocols == member.protocols
        assert restored.members[member_id].assignment == member.assignment


def test_a_new_group_is_written_without_what_its_members_have_not_agreed_on() -> None:
    record = encode_new_group(stable_group())
    assert record.value is not None
    restored = decode_group("group", record.value)
    assert restored is not None
    assert restored.is_idle
    assert restored.protocol_type is None
    assert (restored.generation, restored.state_timestamp_ms) == (0, NOW_MS)
    assert restored.state is ClassicGroupState.EMPTY


def test_the_key_names_the_group() -> None:
    assert read_group_id(encode_tombstone("größe").key) == "größe"
    assert read_group_id(b"\x00\x02\x00\x09group") is None
    assert read_group_id(b"\x00\x02\x00\x01\xff") is None


def test_before_v1_the_session_timeout_is_that_of_rebalances_too() -> None:
    member = MemberMetadata(
        member_id="a-1", client_id="a", client_host="/h", session_timeout=7, subscription=b"", assignment=b""
    )
    value = GroupMetadataValue(protocol_type="consumer", generation=1, protocol="range", leader="a-1", members=[member])
    restored = decode_group("group", encode_versioned(value, 0))
    assert restored is not None
    assert restored.members["a-1"].rebalance_timeout_ms == 7
    assert restored.state_timestamp_ms == -1


@given(st.binary(max_size=80) | st.builds(lambda version, rest: version + rest, st.just(b"\x00\x03"), st.binary()))
def test_any_bytes_are_taken(value: bytes) -> None:
    group = decode_group("group", value)
    assert group is None or group.group_id == "group"
