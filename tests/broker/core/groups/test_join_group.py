"""JoinGroup: who is taken in, who has to wait, and what each is told; whole stories are in tests/scenarios."""

from __future__ import annotations

import pytest

from broker.core.groups.caller import Caller
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.settings import GroupSettings
from broker.core.result import Ticket
from protocol.errors import ErrorCode
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from tests.support.group_members import DELAY_MS, GroupMembers, consumer_metadata

RANGE = {"range": consumer_metadata("orders")}
CHANGED = {"range": consumer_metadata("orders", "payments")}


@pytest.fixture
def members() -> GroupMembers:
    return GroupMembers()


class TestRefusal:
    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
            ({"session_timeout_ms": 5_999}, ErrorCode.INVALID_SESSION_TIMEOUT),
            ({"session_timeout_ms": 1_800_001}, ErrorCode.INVALID_SESSION_TIMEOUT),
            ({"protocols": {}}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
            ({"protocol_type": ""}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
            ({"member_id": "nobody-1"}, ErrorCode.UNKNOWN_MEMBER_ID),
            ({"member_id": "nobody-1", "instance_id": "one"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ],
    )
    @pytest.mark.parametrize("version", [0, 3, 4, 9])
    def test_of_the_first_leaves_no_group(
        self, members: GroupMembers, options: dict[str, object], code: ErrorCode, version: int
    ) -> None:
        answer = members.join(version=version, **options)  # type: ignore[arg-type]
        assert answer.refusal is code
        assert not members.world.log
        assert not members.world.shard.groups.live

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"protocols": {"sticky": b""}}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
            ({"protocols": {}}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
            ({"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
            ({"member_id": "nobody-1"}, ErrorCode.UNKNOWN_MEMBER_ID),
            ({"member_id": "nobody-1", "instance_id": "one"}, ErrorCode.FENCED_INSTANCE_ID),
            ({"member_id": "one-1", "instance_id": "two"}, ErrorCode.UNKNOWN_MEMBER_ID),
            (
                {"member_id": "one-1", "instance_id": "one", "protocols": {"x": b""}},
                ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
            ),
        ],
    )
    def test_of_another_leaves_the_group_as_it_is(
        self, members: GroupMembers, options: dict[str, object], code: ErrorCode
    ) -> None:
        members.join(instance_id="one")
        members.world.advance(DELAY_MS)
        members.sync("one-1", 1, {"one-1": b"part"})
        written = len(members.world.log)
        assert members.join(**options).refusal is code  # type: ignore[arg-type]
        assert members.group.state is ClassicGroupState.STABLE
        assert len(members.world.log) == written

    def test_names_no_generation_and_no_protocol(self, members: GroupMembers) -> None:
        response = members.join().response
        assert response.error_code == ErrorCode.MEMBER_ID_REQUIRED
        assert (response.generation_id, response.leader, response.members) == (-1, "", [])
        assert (response.protocol_type, response.protocol_name) == (None, None)


class TestNewMember:
    def test_is_given_an_id_to_come_back_with(self, members: GroupMembers) -> None:
        answer = members.join("client")
        assert answer.code is ErrorCode.MEMBER_ID_REQUIRED
        assert answer.response.member_id == "client-1"
        assert members.group.pending_members == {"client-1"}
        assert not members.group.members

    @pytest.mark.parametrize("version", [0, 1, 2, 3])
    def test_of_an_old_client_joins_at_once(self, members: GroupMembers, version: int) -> None:
        assert members.join(version=version).response is None
        assert list(members.group.members) == ["client-1"]

    def test_that_is_static_joins_at_once_under_its_instance_id(self, members: GroupMembers) -> None:
        assert members.join("client", instance_id="one").response is None
        assert members.group.static_members == {"one": "one-1"}

    def test_without_a_client_id_has_an_id_all_the_same(self, members: GroupMembers) -> None:
        assert members.join("").response.member_id == "-1"

    def test_with_a_huge_name_has_an_id_that_fits_into_a_string(self, members: GroupMembers) -> None:
        member_id = members.join("ü" * 32_000).response.member_id
        assert len(member_id.encode()) < 0x7FFF

    def test_learns_the_generation_as_its_leader(self, members: GroupMembers) -> None:
        (answer,) = members.enter("client")
        response = answer.response
        assert (response.error_code, response.generation_id) == (ErrorCode.NONE, 1)
        assert (response.protocol_type, response.protocol_name) == ("consumer", "range")
        assert response.leader == response.member_id == "client-1"
        (member,) = response.members
        assert (member.member_id, member.group_instance_id, member.metadata) == ("client-1", None, RANGE["range"])

    def test_learns_it_as_a_follower(self, members: GroupMembers) -> None:
        leader, follower = members.enter("a", "b")
        assert follower.response.leader == leader.response.member_id == "a-1"
        assert (follower.response.member_id, follower.response.members) == ("b-2", [])

    def test_is_known_by_what_it_said(self, members: GroupMembers) -> None:
        members.join("client", instance_id="one", session_timeout_ms=7_000, rebalance_timeout_ms=8_000)
        member = members.group.members["one-1"]
        assert (member.client_id, member.client_host) == ("client", "/127.0.0.1")
        assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (7_000, 8_000)
        assert member.protocols == RANGE

    def test_of_v0_has_one_timeout_for_both(self, members: GroupMembers) -> None:
        members.join(version=0, session_timeout_ms=7_000, rebalance_timeout_ms=-1)
        assert members.group.members["client-1"].rebalance_timeout_ms == 7_000

    def test_with_a_pending_id_must_not_be_static(self, members: GroupMembers) -> None:
        member_id = members.join().response.member_id
        assert members.join("client", member_id, instance_id="one").code is ErrorCode.UNKNOWN_MEMBER_ID

    def test_makes_a_stable_group_rebalance(self, members: GroupMembers) -> None:
        (member_id,) = members.stable("a")
        assert members.join("b", version=3).response is None
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        answer = members.join("a", member_id)
        assert answer.response.generation_id == 2


class TestKnownMember:
    def test_that_follows_with_nothing_new_learns_the_generation(self, members: GroupMembers) -> None:
        _, follower = members.stable("a", "b")
        response = members.join("b", follower).response
        assert (response.error_code, response.generation_id, response.leader) == (ErrorCode.NONE, 1, "a-1")
        assert members.group.state is ClassicGroupState.STABLE

    def test_that_is_answered_at_once_has_shown_that_it_lives(self, members: GroupMembers) -> None:
        leader, follower = members.stable("a", "b")
        members.world.advance(9_000)
        members.heartbeat(leader, 1)
        members.join("b", follower)
        members.world.advance(9_000)
        assert list(members.group.members) == [leader, follower]

    @pytest.mark.parametrize("changed", [CHANGED, {**RANGE, "sticky": b""}])
    def test_that_follows_with_something_new_makes_it_rebalance(
        self, members: GroupMembers, changed: dict[str, bytes]
    ) -> None:
        _, follower = members.stable("a", "b")
        assert members.join("b", follower, protocols=changed).response is None
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        assert members.group.members[follower].protocols == changed

    def test_that_leads_makes_it_rebalance_with_nothing_new(self, members: GroupMembers) -> None:
        leader, _ = members.stable("a", "b")
        assert members.join("a", leader).response is None
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE

    def test_that_has_not_received_its_generation_is_told_again(self, members: GroupMembers) -> None:
        first = members.enter("a", "b")
        again = [members.join("a", "a-1"), members.join("b", "b-2")]
        assert [answer.response for answer in again] == [answer.response for answer in first]
        assert members.group.state is ClassicGroupState.COMPLETING_REBALANCE

    def test_may_change_its_mind_before_the_assignment_comes(self, members: GroupMembers) -> None:
        members.enter("a", "b")
        sync = members.sync("b-2", 1)
        assert members.join("a", "a-1", protocols=CHANGED).response is None
        assert sync.code is ErrorCode.REBALANCE_IN_PROGRESS
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE

    def test_changes_its_timeouts(self, members: GroupMembers) -> None:
        (leader,) = members.stable("a")
        members.join("a", leader, session_timeout_ms=7_000, rebalance_timeout_ms=9_000)
        member = members.group.members[leader]
        assert (member.session_timeout_ms, member.rebalance_timeout_ms) == (7_000, 9_000)
        assert members.world.timers[("session", "group", leader)] == members.world.now.monotonic_ms + 7_000

    def test_that_asks_twice_is_answered_twice(self, members: GroupMembers) -> None:
        leader, follower = members.stable("a", "b")
        first = members.join("a", leader)
        second = members.join("a", leader)
        assert first.code is ErrorCode.REBALANCE_IN_PROGRESS
        assert second.response is None
        members.join("b", follower)
        assert second.response.generation_id == 2

    def test_of_an_empty_group_is_none(self, members: GroupMembers) -> None:
        (member_id,) = members.stable("a")
        members.leave((member_id, None))
        assert members.join("a", member_id).refusal is ErrorCode.UNKNOWN_MEMBER_ID


class TestStaticMember:
    @pytest.fixture
    def stable(self, members: GroupMembers) -> GroupMembers:
        """A group of the static members one-1, its leader, and two-2."""
        members.join("a", instance_id="one")
        members.join("b", instance_id="two")
        members.world.advance(2 * DELAY_MS)
        members.sync("two-2", 1)
        members.sync("one-1", 1, {"one-1": b"part 1", "two-2": b"part 2"})
        return members

    def test_that_follows_is_replaced_without_a_rebalance(self, stable: GroupMembers) -> None:
        response = stable.join("c", instance_id="two").response
        assert (response.member_id, response.generation_id, response.leader) == ("two-3", 1, "one-1")
        assert (response.skip_assignment, response.members) == (False, [])
        assert stable.group.state is ClassicGroupState.STABLE
        assert stable.sync("two-3", 1, instance_id="two").response.assignment == b"part 2"
        assert stable.heartbeat("two-2", 1, instance_id="two") is ErrorCode.FENCED_INSTANCE_ID
        assert stable.heartbeat("two-2", 1) is ErrorCode.UNKNOWN_MEMBER_ID

    def test_that_leads_is_told_to_leave_the_assignment_as_it_is(self, stable: GroupMembers) -> None:
        response = stable.join("c", instance_id="one", version=9).response
        assert response.leader == response.member_id == "one-3"
        assert response.skip_assignment
        assert {member.member_id for member in response.members} == {"one-3", "two-2"}

    @pytest.mark.parametrize("version", [5, 8])
    def test_that_leads_is_not_told_so_where_it_could_not_leave_it(self, stable: GroupMembers, version: int) -> None:
        response = stable.join("c", instance_id="one", version=version).response
        assert (response.leader, response.member_id, response.members) == ("one-1", "one-3", [])
        assert not response.skip_assignment
        assert stable.group.leader == "one-3"

    def test_keeps_where_it_was_first_seen_and_takes_over_what_it_says_now(self, stable: GroupMembers) -> None:
        stable.join("c", instance_id="two", protocols=CHANGED, session_timeout_ms=7_000, rebalance_timeout_ms=8_000)
        member = stable.group.members["two-3"]
        assert (member.client_id, member.assignment) == ("b", b"part 2")
        assert (member.protocols, member.session_timeout_ms, member.rebalance_timeout_ms) == (CHANGED, 7_000, 8_000)

    def test_makes_it_rebalance_where_the_protocol_changes(self, members: GroupMembers) -> None:
        both = {"range": b"", "sticky": b""}
        members.join("a", instance_id="one", protocols=both)
        members.join("b", instance_id="two", protocols=both)
        members.world.advance(2 * DELAY_MS)
        members.sync("one-1", 1)
        waiting = members.join("b", instance_id="two", protocols={"sticky": b""})
        assert waiting.response is None
        members.join("a", "one-1", instance_id="one", protocols=both)
        assert waiting.response.protocol_name == "sticky"

    def test_makes_it_rebalance_while_others_wait_for_their_assignment(self, members: GroupMembers) -> None:
        members.join("a", instance_id="one")
        members.join("b", instance_id="two")
        members.world.advance(2 * DELAY_MS)
        sync = members.sync("two-2", 1)
        assert members.join("c", instance_id="two").response is None
        assert sync.code is ErrorCode.FENCED_INSTANCE_ID
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE

    def test_takes_the_place_of_one_that_waits(self, stable: GroupMembers) -> None:
        former = stable.join("b", "two-2", instance_id="two", protocols=CHANGED)
        latter = stable.join("c", instance_id="two")
        assert (former.code, former.response.member_id) == (ErrorCode.FENCED_INSTANCE_ID, "two-2")
        stable.join("a", "one-1", instance_id="one")
        assert (latter.response.generation_id, latter.response.member_id) == (2, "two-3")

    def test_has_another_id_each_time(self, stable: GroupMembers) -> None:
        ids = [stable.join("c", instance_id="two").response.member_id for _ in range(3)]
        assert ids == ["two-3", "two-4", "two-5"]
        assert len(stable.group.members) == 2

    def test_keeps_its_former_id_where_the_new_one_cannot_be_written(self, stable: GroupMembers) -> None:
        stable.world.refusal = ErrorCode.NOT_COORDINATOR
        answer = stable.join("c", instance_id="one", protocols=CHANGED, session_timeout_ms=7_000)
        assert (answer.code, answer.response.member_id) == (ErrorCode.NOT_COORDINATOR, "")
        member = stable.group.members["one-1"]
        assert (member.protocols, member.session_timeout_ms, member.assignment) == (RANGE, 10_000, b"part 1")
        assert stable.group.leader == "one-1"
        assert stable.heartbeat("one-1", 1, instance_id="one") is ErrorCode.NONE


class TestNewGroup:
    def test_is_written_at_once(self, members: GroupMembers) -> None:
        members.join()
        assert len(members.world.log) == 1
        members.world.restart()
        assert members.group.is_idle
        assert members.group.protocol_type is None

    @pytest.mark.parametrize("version", [3, 9])
    def test_that_cannot_be_written_does_not_exist(self, members: GroupMembers, version: int) -> None:
        members.world.refusal = ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert members.join(version=version).code is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert members.world.shard.groups.find("group") is None
        assert [key for key in members.world.timers if key != ("expiry",)] == []


class TestSize:
    def test_counts_those_that_have_joined_while_the_group_rebalances(self) -> None:
        members = GroupMembers(GroupSettings(group_size_max=2))
        ids = [members.join(client).response.member_id for client in "abc"]
        answers = [members.join(member_id[0], member_id) for member_id in ids]
        assert answers[2].code is ErrorCode.GROUP_MAX_SIZE_REACHED
        assert answers[2].response.member_id == ""
        assert members.join("a", ids[0]).response is None  # it waits already, and asks again
        members.world.advance(2 * DELAY_MS)
        assert set(members.group.members) == set(ids[:2])

    def test_counts_members_of_a_stable_group_and_not_ids_that_were_given_out(self) -> None:
        members = GroupMembers(GroupSettings(group_size_max=2))
        (a,) = members.stable("a")
        pending = [members.join(client).response.member_id for client in "bc"]
        assert members.join("b", pending[0]).response is None
        assert members.join("c", pending[1]).response is None  # a has not joined again
        assert members.join("a", a).code is ErrorCode.GROUP_MAX_SIZE_REACHED
        assert set(members.group.members) == set(pending)

    @pytest.mark.parametrize("instance_id", [None, "three"])
    def test_refuses_new_members_of_a_full_group(self, instance_id: str | None) -> None:
        members = GroupMembers(GroupSettings(group_size_max=2))
        members.stable("a", "b")
        assert members.join("c", instance_id=instance_id).code is ErrorCode.GROUP_MAX_SIZE_REACHED
        assert members.group.state is ClassicGroupState.STABLE

    def test_that_was_lowered_makes_the_last_that_join_leave(self) -> None:
        members = GroupMembers()
        ids = members.stable("a", "b", "c")
        members.world.settings = GroupSettings(group_size_max=2)
        members.world.restart()
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        waiting = [members.join(member_id[0], member_id) for member_id in ids[:2]]
        assert members.join("c", ids[2]).code is ErrorCode.GROUP_MAX_SIZE_REACHED
        assert [answer.response.generation_id for answer in waiting] == [2, 2]


def test_a_protocol_that_is_named_twice_counts_once(members: GroupMembers) -> None:
    twice = [JoinGroupRequestProtocol(name="range", metadata=metadata) for metadata in (b"first", b"second")]
    request = JoinGroupRequest(
        group_id="group", session_timeout_ms=10_000, member_id="", protocol_type="consumer", protocols=twice
    )
    caller = Caller(Ticket(1_000), "a", "/127.0.0.1", 3)
    members.world.shard.join_group(request, caller, members.world.now)
    assert members.group.members["a-1"].protocols == {"range": b"first"}
    assert members.group.supports("consumer", ["range"])


def test_a_subscription_of_ten_thousand_topics_is_taken(members: GroupMembers) -> None:
    topics = [f"a-topic-with-a-long-name-{number}" for number in range(10_000)]
    (answer,) = members.enter("a", protocols={"range": consumer_metadata(*topics)})
    assert answer.response.members[0].metadata == consumer_metadata(*topics)
    assert members.group.subscribed_topics() == set(topics)
