"""What the broker's log is told of groups, beside the scenario `notes`: the reasons that clients give (KIP-800)."""

from __future__ import annotations

from broker.core.groups.caller import Caller
from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Ticket
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity

NOW = Moment(1_700_000_000_000, 0)


def joined(shard: GroupShard, ticket: int, client_id: str, reason: str | None) -> list[str]:
    request = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
        reason=reason,
    )
    return shard.join_group(request, Caller(Ticket(ticket), client_id, "/127.0.0.1", 3), NOW).notes


def begin_generation(shard: GroupShard) -> None:
    while shard.groups.live["g"].generation == 0:
        shard.on_timer(("join", "g"), NOW)


def test_reasons_of_clients_are_told() -> None:
    shard = GroupShard(GroupSettings(initial_rebalance_delay_ms=0), lambda: "id")
    assert joined(shard, 1, "a", "rebalance enforced by user") == [
        "[group g generation=0] Rebalancing: a-id joins (rebalance enforced by user)."
    ]
    assert joined(shard, 2, "b", None) == []
    begin_generation(shard)
    leaving = LeaveGroupRequest(
        group_id="g",
        members=[
            MemberIdentity(member_id="a-id", reason="the consumer is being closed"),
            MemberIdentity(member_id="?"),
        ],
    )
    assert shard.leave_group(leaving, NOW).notes == [
        "[group g generation=1] Rebalancing: a-id left (the consumer is being closed)."
    ]


def test_several_that_leave_at_once_are_told_in_one_line() -> None:
    shard = GroupShard(GroupSettings(initial_rebalance_delay_ms=0), lambda: "id")
    joined(shard, 1, "a", None)
    joined(shard, 2, "b", None)
    joined(shard, 3, "c", None)
    begin_generation(shard)
    members = [MemberIdentity(member_id=f"{name}-id") for name in "ab"]
    assert shard.leave_group(LeaveGroupRequest(group_id="g", members=members), NOW).notes == [
        "[group g generation=1] Rebalancing: a-id and 1 more left."
    ]
