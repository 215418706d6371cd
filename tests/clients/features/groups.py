"""Members that come, share, go, crash and come back."""

from __future__ import annotations

from tests.clients.live_group import LiveGroup, Seen
from tests.clients.record_flow import RecordFlow
from tests.clients.setting import Setting, feature
from tests.support.groups_over_the_wire import committed, describe_group
from tests.support.records_over_the_wire import produce
from tests.support.wait import wait_until

SESSION_TIMEOUT_MS = 6_000
"""The least that a broker grants, unless it is told to grant less."""


@feature("subscribe as a lone member")
def lone_member(setting: Setting) -> None:
    topic = setting.make_topic(partitions=3)
    _produce_ten(setting, topic, 0, 1, 2)
    with LiveGroup(setting, topics=[topic]) as group:
        member = group.start()
        described = group.await_shared(topic, partitions=3)
        assert (described.protocol_type, described.protocol) == ("consumer", "range")
        read = [(record["partition"], record["offset"]) for record in group.await_read(30)]
        assert sorted(read) == [(partition, offset) for partition in range(3) for offset in range(10)]
        assert member.look().given[-1] == [(topic, 0), (topic, 1), (topic, 2)]
    assert describe_group(setting.wire, group.name).state == "Empty"


def _share(assignor: str, shares: list[list[int]] | None, keeps: bool = False, cooperates: bool = False) -> None:
    """Enter the feature of an assignor.

    Args:
        assignor: its name in the protocol.
        shares: which of six partitions it gives to each of three members, where that is laid down.
        keeps: members that stay keep what they have.
        cooperates: and are not interrupted in it.
    """

    @feature(f"share partitions, {assignor}")
    def share(setting: Setting) -> None:
        topic = setting.make_topic(partitions=6)
        with LiveGroup(setting, topics=[topic], assignor=assignor) as group:
            leaver, *stayers = [group.start() for _ in range(3)]
            described = group.await_shared(topic, partitions=6)
            assert described.protocol == assignor
            given = [[index for _, index in member.assignment] for member in described.members]
            assert [len(each) for each in given] == [2, 2, 2]
            assert shares is None or given == shares
            for partition in range(6):
                produce(setting.wire, topic, b"one each", partition=partition)
            group.await_read(6)
            for member in group.members:
                seen = member.look()
                assert sorted((topic, record["partition"]) for record in seen.read) == seen.assignment

            before = [member.look() for member in stayers]
            group.leave(leaver)
            described = group.await_shared(topic, partitions=6)
            assert [len(member.assignment) for member in described.members] == [3, 3]
            after = [member.look() for member in stayers]
            for old, new in zip(before, after, strict=True):
                assert not keeps or set(old.assignment) < set(new.assignment)
                assert (new.taken == old.taken) is cooperates


_share("range", [[0, 1], [2, 3], [4, 5]])
_share("roundrobin", [[0, 3], [1, 4], [2, 5]])
_share("sticky", None, keeps=True)
_share("cooperative-sticky", None, keeps=True, cooperates=True)


@feature("hand over when leaving")
def leaving(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    _produce_ten(setting, topic, 0, 1)
    with LiveGroup(setting, topics=[topic], auto_commit=True) as group:
        leaver, heir = group.start(), group.start()
        group.await_shared(topic, partitions=2)
        group.await_read(20)
        ((_, left),) = leaver.look().assignment
        group.leave(leaver)
        # It commits when it leaves, so that nothing is read twice.
        assert committed(setting.wire, group.name, topic, 2)[left] == 10
        group.await_shared(topic, partitions=2)
        _produce_ten(setting, topic, left)
        wait_until(lambda: heir.offsets(left)[-1:] == [19], "what was left is read by the other")
        assert heir.offsets(left) == list(range(10, 20))


@feature("hand over after a crash")
def crash(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    _produce_ten(setting, topic, 0, 1)
    with LiveGroup(setting, topics=[topic], auto_commit=True, session_timeout_ms=SESSION_TIMEOUT_MS) as group:
        victim, heir = group.start(setting.spare), group.start()
        group.await_shared(topic, partitions=2)
        wait_until(lambda: committed(setting.wire, group.name, topic, 2) == [10, 10], "both have committed")
        ((_, lost),) = victim.look().assignment
        group.kill(setting.spare)
        _produce_ten(setting, topic, 0, 1)
        group.await_shared(topic, partitions=2)
        wait_until(lambda: heir.offsets(lost)[-1:] == [19], "what was lost is read by the other")
        assert heir.offsets(lost) == list(range(10, 20))
        wait_until(lambda: set(heir.offsets(1 - lost)) == set(range(20)), "what it had is read on")


@feature("static member comes back without a rebalance")
def static_member(setting: Setting) -> None:
    topic = setting.make_topic(partitions=2)
    with LiveGroup(setting, topics=[topic]) as group:
        restarted, other = group.start(instance_id="one"), group.start(instance_id="two")
        before = {member.instance_id: member for member in group.await_shared(topic, partitions=2).members}
        assert set(before) == {"one", "two"}
        seen = other.look()
        group.leave(restarted)
        # It does not leave: for the time of its session the broker waits for it.
        assert len(describe_group(setting.wire, group.name).members) == 2
        produce(setting.wire, topic, b"meanwhile", partition=before["one"].assignment[0][1])
        again = group.start(instance_id="one")
        after = {member.instance_id: member for member in group.await_shared(topic, partitions=2).members}
        assert after["one"].assignment == before["one"].assignment
        assert after["one"].member_id != before["one"].member_id
        assert after["two"] == before["two"]
        assert other.look() == seen, "a rebalance has reached the other member"
        group.await_read(1, [again])


@feature("subscribe to a pattern")
def pattern(setting: Setting) -> None:
    first, second = setting.make_topic(), setting.make_topic(partitions=2)
    prefix = first.rpartition("-")[0]
    with LiveGroup(setting, pattern=f"^{prefix}-.*") as group:
        group.start()
        wait_until(
            lambda: group.members[0].look().assignment == [(first, 0), (second, 0), (second, 1)], "both topics match"
        )
        third = setting.make_topic()
        produce(setting.wire, third, b"found")
        (record,) = group.await_read(1)
        assert record["value"] == "found"


@feature("rolling restart while records flow")
def rolling_restart(setting: Setting) -> None:
    topic = setting.make_topic(partitions=3)
    read: set[tuple[int, int]] = set()
    with (
        LiveGroup(setting, topics=[topic], auto_commit=True) as group,
        RecordFlow(setting.address, topic, 3) as flow,
    ):
        for _ in range(3):
            group.start()
        group.await_shared(topic, partitions=3)
        for leaver in list(group.members):
            flow.await_more(20)
            (seen,) = group.leave(leaver)
            read |= _places(seen)
            group.start()
            group.await_shared(topic, partitions=3)
        flow.await_more(20)
        flow.stop()
        wait_until(lambda: committed(setting.wire, group.name, topic, 3) == flow.ends, "all that was read is committed")
        for seen in group.leave(*group.members):
            read |= _places(seen)
        assert read == {(partition, offset) for partition in range(3) for offset in range(flow.ends[partition])}


def _places(seen: Seen) -> set[tuple[int, int]]:
    return {(record["partition"], record["offset"]) for record in seen.read}


def _produce_ten(setting: Setting, topic: str, *partitions: int) -> None:
    for partition in partitions:
        produce(setting.wire, topic, *[b"value"] * 10, partition=partition)
