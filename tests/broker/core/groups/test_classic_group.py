"""A group's live state: whom it takes, who leads, and what they agree on."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_member import ClassicMember
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.result import Ticket
from protocol.errors import ErrorCode, KafkaError
from tests.support.group_members import consumer_metadata

NOW_MS = 1_700_000_000_000
TICKET = Ticket(1)


def member(member_id: str, *protocols: str, instance_id: str | None = None, timeout_ms: int = 60_000) -> ClassicMember:
    names = protocols or ("range",)
    subscriptions = {name: consumer_metadata(f"topic-of-{member_id}") for name in names}
    return ClassicMember(member_id, instance_id, "client", "/127.0.0.1", 10_000, timeout_ms, subscriptions)


def preparing(*members: ClassicMember) -> ClassicGroup:
    """A group whose members have all joined."""
    group = ClassicGroup("group", NOW_MS)
    for each in members:
        group.add(each, "consumer", TICKET)
        if group.state is ClassicGroupState.EMPTY:
            group.transition(ClassicGroupState.PREPARING_REBALANCE, NOW_MS)
    return group


def completing(*members: ClassicMember) -> ClassicGroup:
    """A group whose members have their new generation."""
    group = preparing(*members)
    for each in members:
        group.take_join(each)
    group.begin_generation(NOW_MS)
    return group


class TestProtocols:
    def test_the_one_with_the_most_votes_is_selected(self) -> None:
        group = preparing(
            member("a", "range", "sticky"), member("b", "sticky", "range"), member("c", "sticky", "range")
        )
        assert group.select_protocol() == "sticky"

    def test_between_equals_the_oldest_member_decides(self) -> None:
        group = preparing(member("a", "range", "sticky"), member("b", "sticky", "range"))
        assert group.select_protocol() == "range"

    def test_nobody_can_be_outvoted_into_what_it_does_not_support(self) -> None:
        a, b = member("a", "range", "sticky"), member("b", "range", "sticky")
        group = preparing(a, b, member("c", "sticky"))
        assert group.select_protocol() == "sticky"

    def test_a_member_needs_one_in_common_with_all_and_the_same_type(self) -> None:
        group = preparing(member("a", "range", "sticky"), member("b", "range"))
        assert group.supports("consumer", ["other", "range"])
        assert not group.supports("consumer", ["sticky"])
        assert not group.supports("connect", ["range"])

    def test_an_empty_group_takes_any_but_none(self) -> None:
        group = ClassicGroup("group")
        assert group.supports("connect", ["anything"])
        assert not group.supports("", ["anything"])
        assert not group.supports("connect", [])

    def test_support_follows_members_that_change_and_go(self) -> None:
        a, b = member("a", "range", "sticky"), member("b", "range")
        group = preparing(a, b)
        group.take_join(b)
        group.update(b, {"sticky": b""}, 10_000, 60_000)
        assert group.supports("consumer", ["sticky"])
        assert not group.supports("consumer", ["range"])
        group.remove(b)
        assert group.supports("consumer", ["range"])


class TestMembers:
    def test_the_first_one_leads_and_the_oldest_follows_it(self) -> None:
        a, b, c = member("a"), member("b"), member("c")
        group = completing(a, b, c)
        assert group.leader == "a"
        group.remove(a)
        assert group.leader == "b"
        group.remove(b)
        group.remove(c)
        assert group.leader is None

    def test_a_leader_that_has_not_joined_gives_way_to_the_oldest_that_has(self) -> None:
        a, b, c = member("a"), member("b"), member("c")
        group = preparing(a, b, c)
        group.take_join(a)
        group.take_join(b)
        assert group.elect_joined_leader()
        assert group.leader == "c"

    def test_a_leader_that_has_joined_stays(self) -> None:
        a, b = member("a"), member("b")
        group = preparing(a, b)
        assert group.elect_joined_leader()
        assert group.leader == "a"

    def test_there_is_no_leader_where_nobody_has_joined(self) -> None:
        a, b = member("a"), member("b")
        group = preparing(a, b)
        group.take_join(a)
        group.take_join(b)
        assert not group.elect_joined_leader()

    def test_a_static_member_is_replaced_in_all_its_roles(self) -> None:
        old = member("old", "range", instance_id="one")
        group = completing(old, member("b", "range", "sticky"))
        new = member("new", "sticky", "range", instance_id="one")
        group.replace(old, new)
        assert group.leader == "new"
        assert group.static_members == {"one": "new"}
        assert set(group.members) == {"b", "new"}
        assert group.pending_sync == {"b", "new"}
        assert group.supports("consumer", ["sticky"])

    def test_all_have_joined_when_nobody_is_missing_or_pending(self) -> None:
        a, b = member("a"), member("b")
        group = preparing(a, b)
        assert group.has_all_joined
        group.pending_members.add("c")
        assert not group.has_all_joined
        group.pending_members.clear()
        group.take_join(b)
        assert not group.has_all_joined

    def test_the_longest_rebalance_timeout_counts(self) -> None:
        assert preparing(member("a", timeout_ms=20), member("b", timeout_ms=30)).rebalance_timeout_ms == 30
        assert preparing(member("a", timeout_ms=-5)).rebalance_timeout_ms == 0
        assert ClassicGroup("group").rebalance_timeout_ms == 0

    @pytest.mark.parametrize(
        ("member_id", "instance_id", "code"),
        [
            ("b", None, ErrorCode.UNKNOWN_MEMBER_ID),
            ("b", "one", ErrorCode.FENCED_INSTANCE_ID),
            ("a", "two", ErrorCode.UNKNOWN_MEMBER_ID),
            ("", None, ErrorCode.UNKNOWN_MEMBER_ID),
        ],
    )
    def test_who_is_not_a_member(self, member_id: str, instance_id: str | None, code: ErrorCode) -> None:
        group = completing(member("a", instance_id="one"))
        with pytest.raises(KafkaError) as raised:
            group.validate_member(member_id, instance_id)
        assert raised.value.code is code

    def test_who_is(self) -> None:
        a = member("a", instance_id="one")
        group = completing(a)
        assert group.validate_member("a", "one") is a
        assert group.validate_member("a", None) is a


class TestGenerations:
    def test_each_begins_with_all_members_having_to_sync(self) -> None:
        group = completing(member("a"), member("b"))
        assert group.state is ClassicGroupState.COMPLETING_REBALANCE
        assert (group.generation, group.protocol) == (1, "range")
        assert group.pending_sync == {"a", "b"}

    def test_one_without_members_is_empty(self) -> None:
        a = member("a")
        group = preparing(a)
        group.take_join(a)
        group.remove(a)
        group.begin_generation(NOW_MS)
        assert group.state is ClassicGroupState.EMPTY
        assert (group.generation, group.protocol, group.leader) == (1, None, None)
        assert group.protocol_type == "consumer"


class TestSubscribedTopics:
    def test_are_those_of_all_members(self) -> None:
        assert completing(member("a"), member("b")).subscribed_topics() == {"topic-of-a", "topic-of-b"}

    def test_are_none_where_nobody_is_a_member_any_more(self) -> None:
        a = member("a")
        group = completing(a)
        group.remove(a)
        group.transition(ClassicGroupState.PREPARING_REBALANCE, NOW_MS)
        group.begin_generation(NOW_MS)
        assert group.subscribed_topics() == frozenset()

    def test_are_not_known_of_others_than_consumers(self) -> None:
        group = completing(member("a"))
        group.protocol_type = "connect"
        assert group.subscribed_topics() is None
        assert ClassicGroup("group").subscribed_topics() is None

    def test_are_not_known_before_members_have_agreed(self) -> None:
        assert preparing(member("a")).subscribed_topics() is None

    def test_are_not_known_where_one_cannot_be_read(self) -> None:
        a, b = member("a"), member("b")
        b.protocols = {"range": b"\xff"}
        assert completing(a, b).subscribed_topics() is None

    def test_are_read_once_in_a_generation(self) -> None:
        group = completing(member("a"))
        assert group.subscribed_topics() is group.subscribed_topics()

    def test_are_those_of_the_generation_whoever_joins_the_next_one(self) -> None:
        a, c = member("a", instance_id="one"), member("c")
        group = completing(a)
        group.replace(a, member("b", instance_id="one"))
        group.transition(ClassicGroupState.PREPARING_REBALANCE, NOW_MS)
        group.add(c, "consumer", TICKET)
        assert group.subscribed_topics() == {"topic-of-a"}
        group.take_join(c)
        group.begin_generation(NOW_MS)
        assert group.subscribed_topics() == {"topic-of-b", "topic-of-c"}

    def test_are_known_after_a_restart(self) -> None:
        group = ClassicGroup("group", NOW_MS)
        group.restore(7, "consumer", "range", "a", [member("a"), member("b")])
        assert group.subscribed_topics() == {"topic-of-a", "topic-of-b"}


class TestRestore:
    def test_members_make_it_stable(self) -> None:
        group = ClassicGroup("group", NOW_MS)
        group.restore(7, "consumer", "range", "b", [member("a"), member("b", instance_id="two")])
        assert group.state is ClassicGroupState.STABLE
        assert (group.generation, group.leader, group.static_members) == (7, "b", {"two": "b"})

    def test_what_makes_no_sense_is_made_the_best_of(self) -> None:
        group = ClassicGroup("group", NOW_MS)
        twice = [member("a", instance_id="one"), member("a"), member("b", instance_id="one"), member("c")]
        group.restore(7, "", None, "nobody", twice)
        assert list(group.members) == ["a", "c"]
        assert group.leader == "a"
        assert group.select_protocol() == "range"
