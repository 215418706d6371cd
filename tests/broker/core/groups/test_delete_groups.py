"""DeleteGroups: a group and its offsets go together."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.records import encode_group
from broker.core.groups.shard import GroupShard
from protocol.errors import ErrorCode, KafkaError
from tests.support.offset_requests import START, add_group, carry_out, commit, committed, new_shard


def refusal(shard: GroupShard, group: str) -> ErrorCode:
    with pytest.raises(KafkaError) as error:
        shard.delete_group(group)
    return error.value.code


@pytest.mark.parametrize("group", ["g", ""])
def test_a_group_of_offsets_alone_goes_with_them(group: str) -> None:
    shard = new_shard()
    commit(shard, group, {("orders", 0): 5, ("orders", 1): 6})
    commit(shard, "other", {("orders", 0): 7})
    result = shard.delete_group(group)
    assert [value for _, value in result.records] == [None, None, None]
    answer = carry_out(shard, result)
    assert (answer.group_id, answer.error_code) == (group, ErrorCode.NONE)
    assert shard.groups.find(group) is None
    assert shard.offsets.of_group(group.encode()) is None
    assert committed(shard, "other") == {("orders", 0): 7}


def test_a_group_that_had_members_goes_with_its_record() -> None:
    shard = new_shard()
    key, value = encode_group(ClassicGroup("g", START.wall_ms), {})
    shard.replay(key, value)
    result = shard.delete_group("g")
    assert result.records == [(key, None)]
    carry_out(shard, result)
    assert shard.groups.find("g") is None
    assert refusal(shard, "g") is ErrorCode.GROUP_ID_NOT_FOUND


def test_a_group_that_is_about_to_have_a_member_goes() -> None:
    shard = new_shard()
    group = ClassicGroup("g", START.wall_ms)
    group.pending_members.add("m")
    shard.groups.keep(group)
    carry_out(shard, shard.delete_group("g"))
    assert shard.groups.find("g") is None


def test_an_unknown_group_is_not_found() -> None:
    assert refusal(new_shard(), "g") is ErrorCode.GROUP_ID_NOT_FOUND


@pytest.mark.parametrize(
    "state",
    [ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.COMPLETING_REBALANCE, ClassicGroupState.STABLE],
)
def test_a_group_with_members_stays(state: ClassicGroupState) -> None:
    shard = new_shard()
    commit(shard, "g", {("orders", 0): 5})
    add_group(shard, "g", state)
    assert refusal(shard, "g") is ErrorCode.NON_EMPTY_GROUP
    assert committed(shard, "g") == {("orders", 0): 5}
