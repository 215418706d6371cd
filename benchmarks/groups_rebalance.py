"""A large group joins at once, then members leave it; meanwhile somebody else produces to a schedule.

How soon the others of a group know of a change is not the broker's to say: it tells them at their next heartbeat. With
the clients' default of 3 s that alone takes up to 3 s. So a leave is measured twice: with members that heartbeat every
250 ms, which the target is for and which counts from the LeaveGroup to the last assignment; and with those of the
default interval, where the part from the last member's hearing of it to the last assignment is shown beside the whole.
"""

import asyncio
import os
import time
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.client import Target, fresh_topic
from benchmarks.groups_member import HEARTBEAT_S, Connection, Connections, Group, Member, find_coordinator, leave, run
from benchmarks.measurement import percentile
from benchmarks.open_loop import OpenLoopProducer, Phases
from benchmarks.targets import Finding

JOIN_LIMIT_S = 3.0
LEAVE_LIMIT_S = 1.0
PRODUCE_LIMIT_MS = 20.0

_CONNECT_AT_ONCE = 50


class Plan(NamedTuple):
    """What is run: a group of so many joins, one leaves at slow heartbeats, then `leaves` one by one at quick ones."""

    members: int
    partitions: int
    leaves: int
    requests_per_s: float
    message_bytes: int = 1024
    slow_heartbeat_s: float = HEARTBEAT_S
    quick_heartbeat_s: float = 0.25
    quiet_s: float = 2.0
    """How long the producer is alone before all begins."""
    niceness: int = 0
    """By how much this process, which stands for the members' machines, lowers its own priority for good."""


class _Rebalances(NamedTuple):
    """Seconds; `heard_s` is how long after the LeaveGroup the last member heard of it."""

    join_s: float
    slow_leave_s: float
    slow_heard_s: float
    leave_s: list[float]


def rebalance(target: Target, plan: Plan) -> list[Finding]:
    """Run the plan once."""
    with fresh_topic(target, 1) as other_topic, fresh_topic(target, plan.partitions) as topic:
        host, _, port = target.bootstrap.rpartition(":")
        phases = Phases()
        address = (host.strip("[]"), int(port))
        rate, size = plan.requests_per_s, plan.message_bytes
        with OpenLoopProducer(address, other_topic, requests_per_s=rate, message_bytes=size) as producer:
            os.nice(plan.niceness)
            taken = run(_rebalances(target, plan, topic, phases))
    latencies_ms = phases.latencies_ms(producer.samples, "joining", "leaving")
    findings = [
        Finding(f"{plan.members:,} join: stable, s", [taken.join_s], JOIN_LIMIT_S, 2),
        Finding(
            f"one leaves, heartbeats each {plan.quick_heartbeat_s:g} s: stable, s", taken.leave_s, LEAVE_LIMIT_S, 2
        ),
        Finding(f"one leaves, heartbeats each {plan.slow_heartbeat_s:g} s: stable, s", [taken.slow_leave_s], digits=2),
        Finding("  of that after the last has heard, s", [taken.slow_leave_s - taken.slow_heard_s], digits=2),
        Finding("produce p99 meanwhile, ms", [percentile(latencies_ms, 0.99)], PRODUCE_LIMIT_MS, 1),
    ]
    for name in ("quiet", "joining", "heartbeats", "leaving"):
        latencies_ms = phases.latencies_ms(producer.samples, name)
        for share in (0.5, 0.99, 1.0):
            title = "max" if share == 1.0 else f"p{share * 100:g}"
            findings.append(Finding(f"  {name}: produce {title}, ms", [percentile(latencies_ms, share)], digits=1))
    return findings


async def _rebalances(target: Target, plan: Plan, topic: str, phases: Phases) -> _Rebalances:
    group = Group(f"rebalance-{uuid.uuid4().hex[:12]}", topic, plan.partitions, plan.slow_heartbeat_s)
    with Connections(await find_coordinator(target, group.group_id)) as connections:
        members = await _connected(group, connections, plan.members)
        leaver = await connections.open()
        with phases.span("quiet"):
            await asyncio.sleep(plan.quiet_s)
        return await _changes(plan, group, members, leaver, phases)


async def _changes(
    plan: Plan, group: Group, members: Sequence[Member], leaver: Connection, phases: Phases
) -> _Rebalances:
    async with asyncio.TaskGroup() as tasks:
        with phases.span("joining"):
            start = time.monotonic()
            lives = {member: tasks.create_task(member.live()) for member in members}
            await group.stable(len(lives))
            join_s = group.stable_at - start

        async def one_leaves(phase: str) -> float:
            """Returns the seconds until the others are stable."""
            member, life = lives.popitem()
            life.cancel()
            with phases.span(phase):
                start = time.monotonic()
                await leave(leaver, group, [member.member_id])
                await group.stable(len(lives))
            return group.stable_at - start

        with phases.span("heartbeats"):
            await asyncio.sleep(plan.slow_heartbeat_s)
        start = time.monotonic()
        slow_leave_s = await one_leaves("leaving slowly")
        slow_heard_s = group.heard_at - start
        group.heartbeat_s = plan.quick_heartbeat_s
        leave_s = []
        for _ in range(plan.leaves):
            await asyncio.sleep(plan.slow_heartbeat_s)  # those who still wait for the slow interval to pass among them
            leave_s.append(await one_leaves("leaving"))
        for life in lives.values():
            life.cancel()
    await leave(leaver, group, [member.member_id for member in lives])
    return _Rebalances(join_s, slow_leave_s, slow_heard_s, leave_s)


async def _connected(group: Group, connections: Connections, count: int) -> list[Member]:
    """Members with their connections, which take no part in what is timed."""
    members: list[Member] = []
    while len(members) < count:
        opening = [connections.open() for _ in range(min(_CONNECT_AT_ONCE, count - len(members)))]
        members += [Member(group, connection) for connection in await asyncio.gather(*opening)]
    return members
