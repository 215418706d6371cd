"""Members that do whatever comes to their mind, a log that refuses, a coordinator that dies: `World` checks each step.

A test's number is its seed.
"""

from __future__ import annotations

from random import Random

import pytest

from broker.core.groups.settings import GroupSettings
from protocol.errors import ErrorCode

from ..support.group_members import GroupMembers

STEPS = 300
LONGEST_SESSION_MS = 30_000
PROTOCOLS: list[dict[str, bytes]] = [
    {"range": b"a"},
    {"range": b"b"},
    {"range": b"a", "sticky": b"a"},
    {"sticky": b"b", "range": b"b"},
    {"sticky": b"a"},
    {},
]


class Walk:
    """One walk; most steps are such as make sense to the group, some are not."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.members = GroupMembers(
            GroupSettings(
                group_size_max=self.random.choice([2, 4, 1_000]),
                initial_rebalance_delay_ms=self.random.choice([0, 170, 3_000]),
            )
        )

    def step(self) -> None:
        actions = [self.join, self.sync, self.heartbeat, self.leave, self.advance, self.refuse, self.restart]
        (action,) = self.random.choices(actions, weights=[30, 25, 10, 8, 15, 2, 1])
        action()
        self.members.world.check()

    def member_id(self) -> str:
        group = self.members.world.shard.groups.live.get("group")
        known = [] if group is None else 3 * list(group.members) + 2 * sorted(group.pending_members)
        return self.random.choice(["", "nobody-1", *known])

    def instance_id(self, member_id: str) -> str | None:
        group = self.members.world.shard.groups.live.get("group")
        if group is not None and member_id in group.members and self.random.random() < 0.9:
            return group.members[member_id].instance_id
        return self.random.choice([None, None, "one", "two", "three"])

    def generation(self) -> int:
        group = self.members.world.shard.groups.live.get("group")
        return (0 if group is None else group.generation) + self.random.choice([0, 0, 0, 0, 0, 0, 0, 0, -1, 1])

    def join(self) -> None:
        member_id = self.member_id()
        (protocols,) = self.random.choices(PROTOCOLS, weights=[10, 3, 5, 5, 2, 1])
        (protocol_type,) = self.random.choices(["consumer", "connect", ""], weights=[20, 1, 1])
        self.members.join(
            self.random.choice("abc"),
            member_id,
            instance_id=self.instance_id(member_id),
            protocols=protocols,
            protocol_type=protocol_type,
            session_timeout_ms=self.random.choice([6_000, 10_000, LONGEST_SESSION_MS]),
            rebalance_timeout_ms=self.random.choice([-1, 0, 1_000, 20_000]),
            version=self.random.choice([0, 3, 4, 5, 8, 9]),
        )

    def sync(self) -> None:
        member_id = self.member_id()
        assignments = {self.member_id(): b"part", member_id: b"another part"}
        instance_id = self.instance_id(member_id)
        self.members.sync(member_id, self.generation(), assignments, instance_id=instance_id, protocol_name=None)

    def heartbeat(self) -> None:
        member_id = self.member_id()
        self.members.heartbeat(member_id, self.generation(), instance_id=self.instance_id(member_id))

    def leave(self) -> None:
        ids = [self.member_id() for _ in range(self.random.choice([1, 1, 1, 20]))]
        self.members.leave(*((member_id, self.instance_id(member_id)) for member_id in ids))

    def advance(self) -> None:
        self.members.world.advance(self.random.choice([1, 50, 170, 1_000, 5_000, 10_000, 60_000]))

    def refuse(self) -> None:
        self.members.world.refusal = self.random.choice([None, None, ErrorCode.NOT_COORDINATOR])

    def restart(self) -> None:
        self.members.world.restart()


@pytest.mark.parametrize("seed", range(60))
def test_walk(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    # Left alone all members go, and nothing is left of them.
    world = walk.members.world
    world.refusal = None
    world.advance(10 * 60_000)
    assert not world.waiting
    assert not world.shard.groups.live
    assert list(world.timers) == [("expiry",)]
