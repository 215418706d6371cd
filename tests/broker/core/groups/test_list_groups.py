"""ListGroups: which groups there are, by state and type."""

from __future__ import annotations

import pytest

from broker.core.groups import groups as groups_module
from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.records import encode_group
from broker.core.groups.shard import GroupShard
from protocol.codec import encode_versioned
from protocol.consumer_offsets import GroupMetadataValue
from protocol.messages.list_groups import ListedGroup
from tests.support.offset_requests import START, add_group, commit, new_shard

ALL = {
    "empty": ("consumer", "Empty"),
    "offsets": ("", "Empty"),
    "joining": ("", "Empty"),
    "preparing": ("consumer", "PreparingRebalance"),
    "completing": ("connect", "CompletingRebalance"),
    "stable": ("consumer", "Stable"),
}


def listed(shard: GroupShard, states: tuple[str, ...] = (), types: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    result = shard.list_groups(states, types)
    assert not result.records
    found = {}
    for group in result.reply:
        assert isinstance(group, ListedGroup)
        assert group.group_type == "classic"
        assert group.group_id not in found
        found[group.group_id] = (group.protocol_type, group.group_state)
    return found


@pytest.fixture
def shard() -> GroupShard:
    """One group of each kind; the one that lives has a record and offsets, too."""
    shard = new_shard()
    empty = ClassicGroup("empty", START.wall_ms)
    empty.protocol_type = "consumer"
    empty.generation = 7
    shard.replay(*encode_group(empty, {}))
    commit(shard, "empty", {("orders", 0): 5})
    commit(shard, "offsets", {("orders", 0): 5})
    joining = ClassicGroup("joining", START.wall_ms)
    joining.pending_members.add("m")
    shard.groups.keep(joining)
    add_group(shard, "preparing", ClassicGroupState.PREPARING_REBALANCE)
    add_group(shard, "completing", ClassicGroupState.COMPLETING_REBALANCE, protocol_type="connect")
    add_group(shard, "stable")
    shard.replay(*encode_group(shard.groups.live["stable"], {}))
    commit(shard, "stable", {("orders", 0): 5}, member="m", generation=3)
    return shard


def test_all_groups(shard: GroupShard) -> None:
    assert listed(shard) == ALL
    assert listed(new_shard()) == {}


@pytest.mark.parametrize(
    ("states", "groups"),
    [
        (("Stable",), ["stable"]),
        (("Empty",), ["empty", "offsets", "joining"]),
        (("PreparingRebalance", "CompletingRebalance"), ["preparing", "completing"]),
        ((" sTABLE ", "nonsense"), ["stable"]),
        (("Dead",), []),
        (("nonsense",), []),
        (("",), []),
        (("Assigning", "Reconciling"), []),
    ],
)
def test_groups_by_state(shard: GroupShard, states: tuple[str, ...], groups: list[str]) -> None:
    assert listed(shard, states) == {group: ALL[group] for group in groups}


@pytest.mark.parametrize(
    ("types", "is_listed"),
    [
        (("classic",), True),
        (("Classic", "consumer"), True),
        (("consumer",), False),
        (("share", "streams"), False),
        (("nonsense",), False),
        (("classic ",), False),
    ],
)
def test_groups_by_type(shard: GroupShard, types: tuple[str, ...], is_listed: bool) -> None:
    assert listed(shard, types=types) == (ALL if is_listed else {})
    assert listed(shard, ("stable",), types) == ({"stable": ALL["stable"]} if is_listed else {})


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize("protocol", [None, "range"])
def test_records_of_all_versions_are_read(version: int, protocol: str | None) -> None:
    shard = new_shard()
    value = GroupMetadataValue(protocol_type="consumer", generation=1, protocol=protocol, leader=None, members=[])
    shard.groups.replay("g", encode_versioned(value, version))
    assert listed(shard) == {"g": ("consumer", "Empty")}


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x03", b"\x00\x03\x00\x01\xff" + bytes(20), b"\x00\x09" * 20])
def test_a_record_that_cannot_be_read_is_no_group(value: bytes) -> None:
    shard = new_shard()
    shard.groups.replay("g", value)
    assert listed(shard) == {}
    commit(shard, "g", {("orders", 0): 5})
    assert listed(shard) == {"g": ("", "Empty")}


def test_a_record_that_ends_too_early_is_no_group() -> None:
    empty = ClassicGroup("g", START.wall_ms)
    empty.protocol_type = "consumer"
    _, value = encode_group(empty, {})
    assert value is not None
    for size in range(len(value)):
        shard = new_shard()
        shard.groups.replay("g", value[:size])
        assert listed(shard) == {}, size


def test_the_usual_records_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = new_shard()
    empty = ClassicGroup("g", START.wall_ms)
    empty.protocol_type = "consumer"
    shard.replay(*encode_group(empty, {}))

    def refuse(group_id: str, value: bytes) -> None:
        raise AssertionError(f"{group_id} was decoded")

    monkeypatch.setattr(groups_module, "decode_group", refuse)
    assert listed(shard) == {"g": ("consumer", "Empty")}
    assert listed(shard, ("stable",)) == {}
