"""DescribeGroups: what is shown of a group in each of its states."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.records import encode_group
from broker.core.groups.shard import GroupShard
from protocol.errors import ErrorCode
from protocol.messages.describe_groups import DescribedGroup, DescribedGroupMember
from tests.support.offset_requests import START, add_group, commit, new_shard


def describe(shard: GroupShard, group: str, api_version: int = 6) -> DescribedGroup:
    result = shard.describe_group(group, api_version)
    assert not result.records
    described = result.reply
    assert isinstance(described, DescribedGroup)
    return described


def test_a_stable_group_shows_its_protocol_and_what_its_members_said() -> None:
    shard = new_shard()
    add_group(shard, "g", metadata=b"topics", instance_id="i")
    assert describe(shard, "g") == DescribedGroup(
        error_code=0,
        group_id="g",
        group_state="Stable",
        protocol_type="consumer",
        protocol_data="range",
        members=[
            DescribedGroupMember(
                member_id="m",
                group_instance_id="i",
                client_id="client",
                client_host="/127.0.0.1",
                member_metadata=b"topics",
                member_assignment=b"assigned",
            )
        ],
    )


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (ClassicGroupState.PREPARING_REBALANCE, "PreparingRebalance"),
        (ClassicGroupState.COMPLETING_REBALANCE, "CompletingRebalance"),
    ],
)
def test_a_group_that_rebalances_shows_neither(state: ClassicGroupState, name: str) -> None:
    shard = new_shard()
    add_group(shard, "g", state, metadata=b"topics")
    described = describe(shard, "g")
    assert (described.group_state, described.protocol_type, described.protocol_data) == (name, "consumer", "")
    (member,) = described.members
    assert (member.member_metadata, member.member_assignment) == (b"", b"assigned")


def test_a_group_that_its_members_have_left_is_empty() -> None:
    shard = new_shard()
    group = ClassicGroup("g", START.wall_ms)
    group.protocol_type = "consumer"
    shard.replay(*encode_group(group, {}))
    assert describe(shard, "g") == DescribedGroup(
        error_code=0, group_id="g", group_state="Empty", protocol_type="consumer", protocol_data=""
    )


@pytest.mark.parametrize("group", ["g", ""])
def test_a_group_of_offsets_alone_is_empty_and_of_no_type(group: str) -> None:
    shard = new_shard()
    commit(shard, group, {("orders", 0): 5})
    assert describe(shard, group) == DescribedGroup(
        error_code=0, group_id=group, group_state="Empty", protocol_type="", protocol_data=""
    )


def test_a_group_that_does_not_exist_is_dead() -> None:
    described = describe(new_shard(), "g", api_version=5)
    assert described == DescribedGroup(
        error_code=0, group_id="g", group_state="Dead", protocol_type="", protocol_data=""
    )


def test_a_group_that_does_not_exist_is_not_found_since_version_6() -> None:
    assert describe(new_shard(), "g", api_version=6) == DescribedGroup(
        error_code=ErrorCode.GROUP_ID_NOT_FOUND,
        error_message="Group g not found.",
        group_id="g",
        group_state="Dead",
        protocol_type="",
        protocol_data="",
    )
