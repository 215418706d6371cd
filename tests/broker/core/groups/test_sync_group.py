"""SyncGroup: the leader assigns, everybody is given its part."""

from __future__ import annotations

import pytest

from broker.core.groups.caller import Caller
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.result import Ticket
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.sync_group import SyncGroupRequest
from tests.support.group_members import GroupMembers


@pytest.fixture
def members() -> GroupMembers:
    """A group that waits for the assignment of its leader a-1; b-2 follows."""
    group = GroupMembers()
    group.enter("a", "b")
    return group


class TestRefusal:
    @pytest.mark.parametrize(
        ("member_id", "generation", "options", "code"),
        [
            ("nobody-1", 1, {}, ErrorCode.UNKNOWN_MEMBER_ID),
            ("a-1", 1, {"instance_id": "one"}, ErrorCode.UNKNOWN_MEMBER_ID),
            ("a-1", 0, {}, ErrorCode.ILLEGAL_GENERATION),
            ("a-1", 2, {}, ErrorCode.ILLEGAL_GENERATION),
            ("a-1", 1, {"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
            ("a-1", 1, {"protocol_name": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ],
    )
    def test_changes_nothing(
        self, members: GroupMembers, member_id: str, generation: int, options: dict[str, str], code: ErrorCode
    ) -> None:
        written = len(members.world.log)
        assert members.sync(member_id, generation, {"a-1": b"x"}, **options).refusal is code  # type: ignore[arg-type]
        assert members.group.state is ClassicGroupState.COMPLETING_REBALANCE
        assert members.group.pending_sync == {"a-1", "b-2"}
        assert len(members.world.log) == written

    def test_of_a_fenced_member(self) -> None:
        members = GroupMembers()
        members.join("a", instance_id="one")
        members.world.advance(170)
        assert members.sync("other-1", 1, instance_id="one").refusal is ErrorCode.FENCED_INSTANCE_ID

    def test_of_a_group_that_rebalances(self, members: GroupMembers) -> None:
        members.sync("a-1", 1)
        members.join("c", version=3)
        assert members.sync("a-1", 1).refusal is ErrorCode.REBALANCE_IN_PROGRESS

    def test_where_the_group_has_no_name(self, members: GroupMembers) -> None:
        request = SyncGroupRequest(group_id="", generation_id=1, member_id="a-1")
        with pytest.raises(KafkaError) as raised:
            members.world.shard.sync_group(request, Caller(Ticket(1_000), "a", "/h", 5), members.world.now)
        assert raised.value.code is ErrorCode.INVALID_GROUP_ID

    def test_where_there_is_no_group(self) -> None:
        assert GroupMembers().sync("a-1", 1).refusal is ErrorCode.UNKNOWN_MEMBER_ID

    def test_where_nobody_is_a_member(self, members: GroupMembers) -> None:
        members.leave(("a-1", None), ("b-2", None))
        assert members.sync("a-1", 1).refusal is ErrorCode.UNKNOWN_MEMBER_ID


class TestAssignment:
    def test_reaches_a_follower_that_came_before(self, members: GroupMembers) -> None:
        follower = members.sync("b-2", 1)
        assert follower.response is None
        leader = members.sync("a-1", 1, {"a-1": b"part 1", "b-2": b"part 2"})
        assert (leader.response.assignment, follower.response.assignment) == (b"part 1", b"part 2")
        assert (follower.response.protocol_type, follower.response.protocol_name) == ("consumer", "range")

    def test_reaches_a_follower_that_comes_after(self, members: GroupMembers) -> None:
        members.sync("a-1", 1, {"a-1": b"part 1", "b-2": b"part 2"})
        assert members.group.pending_sync == {"b-2"}
        assert members.sync("b-2", 1).response.assignment == b"part 2"
        assert ("sync", "group") not in members.world.timers

    def test_is_given_again_to_who_asks_again(self, members: GroupMembers) -> None:
        members.sync("a-1", 1, {"a-1": b"part 1"})
        assert members.sync("a-1", 1, {"a-1": b"another"}).response.assignment == b"part 1"

    def test_of_a_follower_is_of_no_effect(self, members: GroupMembers) -> None:
        assert members.sync("b-2", 1, {"a-1": b"x", "b-2": b"y"}).response is None
        assert members.sync("a-1", 1, {"a-1": b"part 1"}).response.assignment == b"part 1"
        assert members.sync("b-2", 1).response.assignment == b""

    def test_of_nobody_is_left_out(self, members: GroupMembers) -> None:
        members.sync("a-1", 1, {"a-1": b"part 1", "nobody-7": b"part 7"})
        assert set(members.group.members) == {"a-1", "b-2"}

    def test_need_not_name_protocols(self, members: GroupMembers) -> None:
        answer = members.sync("a-1", 1, {"a-1": b"part 1"}, protocol_type=None, protocol_name=None)
        assert answer.response.assignment == b"part 1"

    def test_makes_the_group_stable_and_is_written(self, members: GroupMembers) -> None:
        written = len(members.world.log)
        members.sync("a-1", 1, {"a-1": b"part 1", "b-2": b"part 2"})
        assert members.group.state is ClassicGroupState.STABLE
        assert len(members.world.log) == written + 1
        members.world.restart()
        assert members.group.state is ClassicGroupState.STABLE
        assert members.group.members["b-2"].assignment == b"part 2"

    def test_that_cannot_be_written_is_nobodys(self, members: GroupMembers) -> None:
        follower = members.sync("b-2", 1)
        members.world.refusal = ErrorCode.COORDINATOR_NOT_AVAILABLE
        leader = members.sync("a-1", 1, {"a-1": b"part 1", "b-2": b"part 2"})
        assert leader.code is follower.code is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert leader.response.assignment == follower.response.assignment == b""
        assert [member.assignment for member in members.group.members.values()] == [b"", b""]
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        members.world.refusal = None
        rejoined = members.join("b", "b-2")
        members.join("a", "a-1")
        assert rejoined.response.generation_id == 2


def test_one_that_asks_twice_is_answered_twice(members: GroupMembers) -> None:
    first = members.sync("b-2", 1)
    second = members.sync("b-2", 1)
    assert first.code is ErrorCode.REBALANCE_IN_PROGRESS
    members.sync("a-1", 1, {"b-2": b"part 2"})
    assert second.response.assignment == b"part 2"


def test_a_member_whose_sync_waits_may_be_removed(members: GroupMembers) -> None:
    waiting = members.sync("b-2", 1)
    members.leave(("b-2", None))
    assert waiting.code is ErrorCode.UNKNOWN_MEMBER_ID
