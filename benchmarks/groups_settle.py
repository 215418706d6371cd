"""How soon a new group works: from the first JoinGroup of raw members, and from `subscribe` of stock clients."""

import asyncio
import time
import uuid
from collections.abc import Sequence

from benchmarks.client import Target, fresh_topic
from benchmarks.groups_member import Connections, Group, Member, find_coordinator, leave, run
from benchmarks.groups_stock import CLIENTS, settle_time
from benchmarks.targets import Finding

LONE_LIMIT_MS = 250.0
THREE_LIMIT_MS = 500.0

ARRIVALS_S = (0.0, 0.075, 0.150)
"""When the three members join."""

_PARTITIONS = 3


def settle(target: Target, rounds: int, stock_rounds: int) -> list[Finding]:
    """Let new groups settle: of one member, and of three that come one after the other."""
    start = time.monotonic()
    run(find_coordinator(target, "settle"))
    found_ms = (time.monotonic() - start) * 1e3
    lone = [run(_settle(target, ARRIVALS_S[:1])) * 1e3 for _ in range(rounds)]
    three = [run(_settle(target, ARRIVALS_S)) * 1e3 for _ in range(rounds)]
    findings = [
        Finding("finding a coordinator for the first time, ms", [found_ms]),
        Finding("lone member: JoinGroup to assignment, ms", lone, LONE_LIMIT_MS),
        Finding("three members: first JoinGroup to stable, ms", three, THREE_LIMIT_MS),
    ]
    if stock_rounds:
        with fresh_topic(target, _PARTITIONS) as topic:
            for name in CLIENTS:
                for label, arrivals_s in (("lone", ARRIVALS_S[:1]), ("three", ARRIVALS_S)):
                    values = [
                        settle_time(target, name, topic, _PARTITIONS, arrivals_s) * 1e3 for _ in range(stock_rounds)
                    ]
                    findings.append(Finding(f"{name}, {label}: subscribe to assignment, ms", values))
    return findings


async def _settle(target: Target, arrivals_s: Sequence[float]) -> float:
    """Seconds from the first JoinGroup until all are stable in one generation; connections are there before."""
    group = Group(f"settle-{uuid.uuid4().hex[:12]}", "settle", _PARTITIONS)
    address = await find_coordinator(target, group.group_id)
    with Connections(address) as connections:
        members = [Member(group, await connections.open()) for _ in arrivals_s]
        start = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            pairs = zip(members, arrivals_s, strict=True)
            lives = [tasks.create_task(_arrive(member, delay_s)) for member, delay_s in pairs]
            await group.stable(len(members))
            for life in lives:
                life.cancel()
        await leave(await connections.open(), group, [member.member_id for member in members])
    return group.stable_at - start


async def _arrive(member: Member, delay_s: float) -> None:
    await asyncio.sleep(delay_s)
    await member.live()
