"""Heartbeat: who lives on, and what it is told."""

from __future__ import annotations

import pytest

from broker.core.result import Moment
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.heartbeat import HeartbeatRequest
from tests.support.group_members import DELAY_MS, GroupMembers


@pytest.fixture
def members() -> GroupMembers:
    return GroupMembers()


class TestRefusal:
    def test_where_there_is_no_group(self, members: GroupMembers) -> None:
        assert members.heartbeat("a-1", 1) is ErrorCode.UNKNOWN_MEMBER_ID

    def test_where_the_group_has_no_name(self, members: GroupMembers) -> None:
        with pytest.raises(KafkaError) as raised:
            members.world.shard.heartbeat(HeartbeatRequest(group_id="", generation_id=1, member_id="a"), Moment(0, 0))
        assert raised.value.code is ErrorCode.INVALID_GROUP_ID

    def test_where_nobody_is_a_member(self, members: GroupMembers) -> None:
        (a,) = members.stable("a")
        members.leave((a, None))
        assert members.heartbeat(a, 2) is ErrorCode.UNKNOWN_MEMBER_ID

    def test_of_an_id_that_was_only_given_out(self, members: GroupMembers) -> None:
        assert members.heartbeat(members.join().response.member_id, -1) is ErrorCode.UNKNOWN_MEMBER_ID

    @pytest.mark.parametrize(
        ("member_id", "generation", "instance_id", "code"),
        [
            ("nobody-1", 1, None, ErrorCode.UNKNOWN_MEMBER_ID),
            ("one-1", 0, None, ErrorCode.ILLEGAL_GENERATION),
            ("one-1", 2, "one", ErrorCode.ILLEGAL_GENERATION),
            ("nobody-1", 1, "one", ErrorCode.FENCED_INSTANCE_ID),
            ("one-1", 1, "two", ErrorCode.UNKNOWN_MEMBER_ID),
        ],
    )
    def test_of_whom_it_is_not(
        self, members: GroupMembers, member_id: str, generation: int, instance_id: str | None, code: ErrorCode
    ) -> None:
        members.join(instance_id="one")
        members.world.advance(DELAY_MS)
        assert members.heartbeat(member_id, generation, instance_id=instance_id) is code


class TestStates:
    def test_while_the_group_waits_for_its_assignment(self, members: GroupMembers) -> None:
        members.enter("a")
        assert members.heartbeat("a-1", 1) is ErrorCode.NONE

    def test_while_it_is_stable(self, members: GroupMembers) -> None:
        members.stable("a")
        assert members.heartbeat("a-1", 1) is ErrorCode.NONE

    def test_while_it_rebalances(self, members: GroupMembers) -> None:
        members.stable("a")
        members.join("b", version=3)
        assert members.heartbeat("a-1", 1) is ErrorCode.REBALANCE_IN_PROGRESS


class TestSession:
    def test_lasts_as_long_as_heartbeats_come(self, members: GroupMembers) -> None:
        (a,) = members.stable("a")
        for _ in range(10):
            members.world.advance(9_999)
            assert members.heartbeat(a, 1) is ErrorCode.NONE
        members.world.advance(10_000)
        assert members.heartbeat(a, 1) is ErrorCode.UNKNOWN_MEMBER_ID

    def test_lasts_while_the_group_rebalances_too(self, members: GroupMembers) -> None:
        (a,) = members.stable("a")
        members.join("b", version=3)
        for _ in range(5):
            members.world.advance(9_999)
            assert members.heartbeat(a, 1) is ErrorCode.REBALANCE_IN_PROGRESS

    def test_needs_no_new_timer(self, members: GroupMembers) -> None:
        (a,) = members.stable("a")
        due_ms = members.world.timers[("session", "group", a)]
        members.world.advance(5_000)
        members.heartbeat(a, 1)
        heard_of_ms = members.world.now.monotonic_ms
        assert members.world.timers[("session", "group", a)] == due_ms
        members.world.advance(5_000)
        assert members.world.timers[("session", "group", a)] == heard_of_ms + 10_000
