"""From one generation to the next: who is waited for, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.join_group import NEW_MEMBER_JOIN_TIMEOUT_MS
from broker.core.groups.settings import GroupSettings
from protocol.errors import ErrorCode
from tests.support.group_members import DELAY_MS, Answer, GroupMembers


@pytest.fixture
def members() -> GroupMembers:
    return GroupMembers()


def due_in_ms(members: GroupMembers, *key: str) -> int | None:
    """How long until the timer fires; None if there is none."""
    due_ms = members.world.timers.get(key)
    return None if due_ms is None else due_ms - members.world.now.monotonic_ms


class TestInitialDelay:
    def test_is_over_for_a_lone_member_after_one_delay(self, members: GroupMembers) -> None:
        answer = members.join(version=3)
        members.world.advance(DELAY_MS - 1)
        assert answer.response is None
        members.world.advance(1)
        assert answer.response.generation_id == 1

    def test_is_put_off_once_for_all_that_came_in_it(self, members: GroupMembers) -> None:
        answers = [members.join("a", version=3)]
        for client in "bcd":
            members.world.advance(40)
            answers.append(members.join(client, version=3))
        members.world.advance(DELAY_MS - 3 * 40)
        assert [answer.response for answer in answers] == [None] * 4
        assert due_in_ms(members, "join", "group") == DELAY_MS
        members.world.advance(DELAY_MS)
        assert [answer.response.generation_id for answer in answers] == [1] * 4

    def test_is_put_off_as_long_as_members_come(self, members: GroupMembers) -> None:
        for count in range(20):
            members.join(f"client{count}", version=3)
            members.world.advance(DELAY_MS)
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        members.world.advance(DELAY_MS)
        assert len(members.group.members) == 20
        assert members.group.generation == 1

    def test_is_not_longer_than_the_rebalance_timeout_of_the_first(self, members: GroupMembers) -> None:
        members.join("first", version=3, rebalance_timeout_ms=2 * DELAY_MS + 10)
        for count in range(3):
            members.world.advance(DELAY_MS if count < 2 else 10)
            members.join(f"client{count}", version=3)
        assert (members.group.generation, len(members.group.members)) == (1, 4)
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE  # the last one came a moment too late

    def test_of_zero_is_over_at_once(self) -> None:
        members = GroupMembers(GroupSettings(initial_rebalance_delay_ms=0))
        answer = members.join(version=3)
        assert due_in_ms(members, "join", "group") == 0
        members.world.advance(0)
        assert answer.response.generation_id == 1

    def test_is_not_cut_short_by_a_member_that_joins_again(self, members: GroupMembers) -> None:
        member_id = members.join().response.member_id
        members.join("client", member_id)
        again = members.join("client", member_id)
        assert again.response is None
        assert due_in_ms(members, "join", "group") == DELAY_MS

    def test_is_that_of_each_first_generation(self, members: GroupMembers) -> None:
        (member_id,) = members.stable("a")
        members.leave((member_id, None))
        members.join("b", version=3)
        assert due_in_ms(members, "join", "group") == DELAY_MS

    def test_is_not_cut_short_by_an_id_that_is_never_used(self) -> None:
        members = GroupMembers(GroupSettings(initial_rebalance_delay_ms=8_000))
        members.join("never comes back", session_timeout_ms=6_000)
        answer = members.join("a", version=3)
        members.world.advance(7_999)
        assert not members.group.pending_members
        assert answer.response is None
        members.world.advance(1)
        assert answer.response.generation_id == 1

    def test_does_not_let_an_empty_generation_wait_for_more(self, members: GroupMembers) -> None:
        members.join("a", version=3)
        members.leave(("a-1", None))
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        members.world.advance(DELAY_MS)
        assert members.group.state is ClassicGroupState.EMPTY
        assert not members.world.shard.groups.live


class TestJoining:
    def test_is_over_when_all_members_have_joined(self, members: GroupMembers) -> None:
        a, b = members.stable("a", "b")
        waiting = members.join("a", a)
        assert due_in_ms(members, "join", "group") == 60_000
        members.join("b", b)
        assert waiting.response.generation_id == 2
        assert due_in_ms(members, "join", "group") is None

    def test_is_over_when_the_longest_rebalance_timeout_is(self, members: GroupMembers) -> None:
        a, _ = members.stable("a", "b", rebalance_timeout_ms=8_000)
        waiting = members.join("a", a, rebalance_timeout_ms=9_000)
        members.world.advance(8_999)
        assert waiting.response is None
        members.world.advance(1)
        assert waiting.response.generation_id == 2
        assert list(members.group.members) == [a]

    def test_waits_for_ids_that_were_given_out_until_their_sessions_end(self, members: GroupMembers) -> None:
        (a,) = members.stable("a")
        pending = members.join("b", session_timeout_ms=7_000).response.member_id
        waiting = members.join("a", a)
        members.world.advance(6_999)
        assert waiting.response is None
        members.world.advance(1)
        assert waiting.response.generation_id == 2
        assert members.join("b", pending).refusal is ErrorCode.UNKNOWN_MEMBER_ID

    def test_leaves_static_members_in_that_have_not_joined(self, members: GroupMembers) -> None:
        waiting = self.without_static_leader(members)
        members.world.advance(20_000)
        assert waiting.response.leader == "b-2"
        assert set(members.group.members) == {"one-1", "b-2"}
        assert members.group.pending_sync == {"one-1", "b-2"}

    def test_begins_anew_where_only_static_members_are_left_and_none_has_joined(self, members: GroupMembers) -> None:
        waiting = self.without_static_leader(members)
        members.leave(("b-2", None))
        assert waiting.code is ErrorCode.UNKNOWN_MEMBER_ID
        members.world.advance(20_000)
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        assert due_in_ms(members, "join", "group") == 20_000
        answer = members.join("c", instance_id="one")
        assert (answer.response.generation_id, answer.response.leader) == (2, "one-3")

    @staticmethod
    def without_static_leader(members: GroupMembers) -> Answer:
        """A group that rebalances; one-1, its leader, has not joined again, b-2 has."""
        options: dict[str, Any] = {"session_timeout_ms": 60_000, "rebalance_timeout_ms": 20_000}
        members.join("a", instance_id="one", **options)
        members.join("b", members.join("b").response.member_id, **options)
        members.world.advance(2 * DELAY_MS)
        members.sync("one-1", 1)
        members.sync("b-2", 1)
        changed = {"range": b"another subscription"}
        return members.join("b", "b-2", protocols=changed, **options)


class TestSyncing:
    def test_is_waited_for_no_longer_than_the_rebalance_timeout(self, members: GroupMembers) -> None:
        members.enter("a", "b", "c", session_timeout_ms=30_000, rebalance_timeout_ms=9_000)
        waiting = members.sync("b-2", 1)
        members.world.advance(9_000)
        assert waiting.code is ErrorCode.REBALANCE_IN_PROGRESS
        assert list(members.group.members) == ["b-2"]
        assert members.group.leader == "b-2"
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE

    def test_is_waited_for_even_where_the_group_is_stable(self, members: GroupMembers) -> None:
        members.enter("a", "b", session_timeout_ms=30_000, rebalance_timeout_ms=9_000)
        members.sync("a-1", 1)
        members.world.advance(9_000)
        assert list(members.group.members) == ["a-1"]

    def test_by_nobody_leaves_an_empty_group(self, members: GroupMembers) -> None:
        members.enter("a", "b", session_timeout_ms=30_000, rebalance_timeout_ms=9_000)
        members.world.advance(9_000)
        assert members.group.state is ClassicGroupState.EMPTY
        assert members.group.generation == 2
        assert not members.world.shard.groups.live

    def test_by_all_ends_the_waiting(self, members: GroupMembers) -> None:
        members.stable("a", "b")
        assert due_in_ms(members, "sync", "group") is None


class TestSessions:
    def test_end_without_a_sign_of_life(self, members: GroupMembers) -> None:
        a, b = members.stable("a", "b")
        members.world.advance(9_000)
        members.heartbeat(b, 1)
        members.world.advance(1_000)
        assert list(members.group.members) == [b]
        assert members.group.state is ClassicGroupState.PREPARING_REBALANCE
        assert members.heartbeat(a, 1) is ErrorCode.UNKNOWN_MEMBER_ID

    def test_end_in_every_state(self, members: GroupMembers) -> None:
        members.enter("a", "b")
        members.sync("b-2", 1)  # waits for a, and is alive therefore
        members.world.advance(10_000)
        assert list(members.group.members) == ["b-2"]

    def test_do_not_end_while_a_join_waits(self, members: GroupMembers) -> None:
        a, b = members.stable("a", "b", rebalance_timeout_ms=300_000)
        waiting = members.join("a", a, rebalance_timeout_ms=300_000)
        for _ in range(10):
            members.world.advance(9_000)
            members.heartbeat(b, 1)
        assert waiting.response is None
        members.world.advance(10_000)
        assert waiting.response.generation_id == 2

    def test_of_new_members_end_after_five_minutes_of_waiting(self, members: GroupMembers) -> None:
        (a,) = members.stable("a", session_timeout_ms=1_800_000, rebalance_timeout_ms=1_800_000)
        waiting = members.join("b", version=3)
        members.world.advance(NEW_MEMBER_JOIN_TIMEOUT_MS - 1)
        assert waiting.response is None
        members.world.advance(1)
        assert (waiting.code, waiting.response.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "")
        assert list(members.group.members) == [a]

    def test_are_the_usual_ones_once_a_new_member_has_joined(self, members: GroupMembers) -> None:
        members.enter("a")
        assert due_in_ms(members, "session", "group", "a-1") == 10_000 - DELAY_MS

    def test_begin_anew_with_the_coordinator(self, members: GroupMembers) -> None:
        a, b = members.stable("a", "b")
        members.world.advance(9_000)
        members.world.restart()
        assert due_in_ms(members, "session", "group", a) == 10_000
        members.world.advance(9_999)
        members.heartbeat(b, 1)
        members.world.advance(1)
        assert list(members.group.members) == [b]

    def test_all_of_which_end_leave_an_empty_group(self, members: GroupMembers) -> None:
        members.stable("a", "b")
        members.world.advance(10_000)
        assert members.group.state is ClassicGroupState.EMPTY
        assert not members.world.shard.groups.live

    def test_end_even_if_that_cannot_be_written(self, members: GroupMembers) -> None:
        members.stable("a", "b")
        members.world.refusal = ErrorCode.NOT_COORDINATOR
        members.world.advance(10_000)
        assert members.group.state is ClassicGroupState.EMPTY
        members.world.refusal = None
        (c,) = members.stable("c")
        assert list(members.group.members) == [c]
        assert members.group.generation == 3


@pytest.mark.parametrize(
    "key", [("session", "group", "b-7"), ("session", "nobody", "b-7"), ("join", "nobody"), ("sync", "nobody")]
)
def test_a_timer_that_comes_too_late_does_nothing(members: GroupMembers, key: tuple[str, ...]) -> None:
    members.stable("a")
    result = members.world.shard.on_timer(key, members.world.now)
    assert not result.records
    assert not result.timers


def test_two_thousand_rebalances_leave_nothing_behind(members: GroupMembers) -> None:
    (a,) = members.stable("a")
    for count in range(2_000):
        b = members.join("b", version=3)
        members.join("a", a)
        generation = members.group.generation
        members.sync(b.response.member_id, generation)
        members.sync(a, generation)
        members.leave((b.response.member_id, None))
        members.join("a", a)
        members.sync(a, generation + 1)
        assert members.group.generation == 2 * count + 3
    group = members.group
    assert (list(group.members), group.pending_members, group.pending_sync) == ([a], set(), set())
    assert members.world.timers.keys() == {("session", "group", a), ("expiry",)}
    assert not members.world.waiting
    members.leave((a, None))
    assert not members.world.shard.groups.live
    assert members.world.timers.keys() == {("expiry",)}


def test_hundreds_of_members_join_and_one_leaves() -> None:
    members = GroupMembers()
    clients = [f"client{count}" for count in range(300)]
    ids = members.stable(*clients)
    assert members.group.state is ClassicGroupState.STABLE
    assert [member.assignment for member in members.group.members.values()] == [each.encode() for each in ids]
    members.leave((ids[0], None))
    waiting = [members.join(client, member_id) for client, member_id in zip(clients[1:], ids[1:], strict=True)]
    assert {answer.response.generation_id for answer in waiting} == {2}
    assert len(waiting[0].response.members) == 299
