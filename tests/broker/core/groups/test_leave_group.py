"""LeaveGroup: members leave, one or many, themselves or removed by others."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_state import ClassicGroupState
from broker.core.result import Moment
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.leave_group import LeaveGroupRequest
from tests.support.group_members import DELAY_MS, Answer, GroupMembers


def outcomes(answer: Answer) -> list[tuple[str, str | None, ErrorCode]]:
    assert answer.code is ErrorCode.NONE
    return [
        (member.member_id, member.group_instance_id, ErrorCode(member.error_code)) for member in answer.response.members
    ]


@pytest.fixture
def members() -> GroupMembers:
    """A stable group of a-1, which leads, b-2, and the static members one-3 and two-4."""
    group = GroupMembers()
    for client in "ab":
        group.join(client, group.join(client).response.member_id)
    group.join("c", instance_id="one")
    group.join("d", instance_id="two")
    group.world.advance(2 * DELAY_MS)
    group.sync("a-1", 1)
    for member_id in ("b-2", "one-3", "two-4"):
        group.sync(member_id, 1)
    return group


def test_a_member_that_leaves_makes_the_group_rebalance(members: GroupMembers) -> None:
    assert outcomes(members.leave(("b-2", None))) == [("b-2", None, ErrorCode.NONE)]
    assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
    assert ("session", "group", "b-2") not in members.world.timers
    assert members.heartbeat("b-2", 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_last_one_leaves_an_empty_generation_that_is_written(members: GroupMembers) -> None:
    members.leave(("a-1", None), ("b-2", None), ("one-3", "one"), ("", "two"))
    assert members.group.state is ClassicGroupState.EMPTY
    assert members.group.generation == 2
    assert not members.world.shard.groups.live
    assert [key for key in members.world.timers if key != ("expiry",)] == []
    members.world.restart()
    assert (members.group.generation, members.group.protocol_type) == (2, "consumer")


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        (("nobody-1", None), ErrorCode.UNKNOWN_MEMBER_ID),
        (("", None), ErrorCode.UNKNOWN_MEMBER_ID),
        (("", "three"), ErrorCode.UNKNOWN_MEMBER_ID),
        (("one-3", "three"), ErrorCode.UNKNOWN_MEMBER_ID),
        (("two-4", "one"), ErrorCode.FENCED_INSTANCE_ID),
        (("a-1", "one"), ErrorCode.FENCED_INSTANCE_ID),
        (("a-1", "three"), ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_who_cannot_leave(members: GroupMembers, identity: tuple[str, str | None], code: ErrorCode) -> None:
    assert outcomes(members.leave(identity)) == [(*identity, code)]
    assert members.group.state is ClassicGroupState.STABLE


def test_static_members_leave_by_id_by_instance_or_by_both(members: GroupMembers) -> None:
    assert outcomes(members.leave(("one-3", None), ("", "two"))) == [
        ("one-3", None, ErrorCode.NONE),
        ("", "two", ErrorCode.NONE),
    ]
    assert set(members.group.members) == {"a-1", "b-2"}
    assert not members.group.static_members


def test_each_of_a_batch_has_its_own_answer(members: GroupMembers) -> None:
    pending = members.join("e").response.member_id
    answer = members.leave(("a-1", None), ("a-1", None), (pending, None), ("", "nobody"), ("one-3", "two"))
    assert [code for *_, code in outcomes(answer)] == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.FENCED_INSTANCE_ID,
    ]
    assert not members.group.pending_members


def test_where_there_is_no_group_each_is_unknown() -> None:
    answer = GroupMembers().leave(("a-1", None), ("", "one"))
    assert [code for *_, code in outcomes(answer)] == [ErrorCode.UNKNOWN_MEMBER_ID] * 2


def test_a_group_needs_a_name() -> None:
    with pytest.raises(KafkaError) as raised:
        GroupMembers().world.shard.leave_group(LeaveGroupRequest(group_id=""), Moment(0, 0))
    assert raised.value.code is ErrorCode.INVALID_GROUP_ID


def test_nobody_else_need_wait_for_who_leaves_a_rebalance(members: GroupMembers) -> None:
    waiting = [members.join("a", "a-1"), members.join("b", "b-2")]
    members.join("c", "one-3", instance_id="one")
    assert waiting[0].response is None
    members.leave(("two-4", "two"))
    assert [answer.response.generation_id for answer in waiting] == [2, 2]


def test_nor_for_an_id_that_is_given_back(members: GroupMembers) -> None:
    pending = members.join("e").response.member_id
    members.leave(("b-2", None), ("", "one"), ("", "two"))
    waiting = members.join("a", "a-1")
    assert waiting.response is None
    members.leave((pending, None))
    assert waiting.response.generation_id == 2


def test_who_leaves_while_it_joins_is_told_that_it_is_unknown(members: GroupMembers) -> None:
    waiting = members.join("a", "a-1")
    members.leave(("a-1", None))
    assert (waiting.code, waiting.response.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "")


def test_an_id_that_nobody_uses_leaves_nothing_behind() -> None:
    members = GroupMembers()
    pending = members.join("a").response.member_id
    assert outcomes(members.leave((pending, None))) == [(pending, None, ErrorCode.NONE)]
    assert not members.world.shard.groups.live
    assert [key for key in members.world.timers if key != ("expiry",)] == []


def test_leaving_holds_even_if_it_cannot_be_written(members: GroupMembers) -> None:
    waiting = members.join("a", "a-1")
    members.world.refusal = ErrorCode.NOT_COORDINATOR
    answer = members.leave(("a-1", None), ("b-2", None), ("", "one"), ("", "two"))
    assert answer.code is ErrorCode.NOT_COORDINATOR
    assert waiting.code is ErrorCode.UNKNOWN_MEMBER_ID
    assert members.group.state is ClassicGroupState.EMPTY
    assert [key for key in members.world.timers if key != ("expiry",)] == []
