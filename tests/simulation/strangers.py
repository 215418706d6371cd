"""Those who are no honest members: liars, administrators, consumers that assign their partitions themselves."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from .clients import GroupPlan, Surroundings
from .requests import DeleteGroup, DescribeGroup, ListGroups, make_request
from .wire_data import encode_subscription

_KNOWN_IDS_MAX = 30
_GARBAGE_IDS = ("", "nobody", "member-\u00e9")


class Strangers:
    """Whatever anybody on the network may ask, in the names of whoever they have heard of."""

    def __init__(self, world: Surroundings, plans: Sequence[GroupPlan], topics: Sequence[str]) -> None:
        self._world = world
        self._plans = plans
        self._topics = topics
        self._ids: dict[str, deque[tuple[str, int]]] = defaultdict(lambda: deque(maxlen=_KNOWN_IDS_MAX))

    def learn(self, plan: GroupPlan, member_id: str, generation: int) -> None:
        """Somebody has got this id, or this generation."""
        self._ids[plan.group_id].append((member_id, generation))

    def act(self) -> None:
        """Do one thing."""
        random = self._world.random
        actions: list[Callable[[], Any]] = [
            self._lying_join,
            self._lying_join,
            self._lying_sync,
            self._lying_sync,
            self._lying_heartbeat,
            self._lying_commit,
            self._lying_commit,
            self._lying_leave,
            self._outside_commit,
            self._outside_commit,
            self._fetch,
            self._fetch,
            self._fetch,
            self._describe,
            self._delete_offsets,
            self._delete_group,
        ]
        body = random.choice(actions)()
        self._world.send(make_request(body, random.choice((0, 3, 5, 9)), lambda _: None))
        if random.random() < 0.02:
            self._world.send(make_request(ListGroups(), 5, lambda _: None))

    def fetch_all(self) -> None:
        """Ask for the offsets of all groups."""
        for group_id in [plan.group_id for plan in self._plans] + list(self._simple_group_ids()):
            self._world.send(make_request(OffsetFetchRequestGroup(group_id=group_id, topics=None), 9, lambda _: None))

    def _simple_group_ids(self) -> Sequence[str]:
        return [f"simple-{number}" for number in range(4)]

    def _group_id(self) -> str:
        random = self._world.random
        if random.random() < 0.1:
            return random.choice((*self._simple_group_ids(), "unheard-of", "", "gr\u00fc\u00df"))
        return random.choice(self._plans).group_id

    def _identity(self, group_id: str) -> tuple[str, int]:
        """A member id and a generation, of which one or both may be true."""
        random = self._world.random
        known = self._ids.get(group_id)
        member_id, generation = random.choice(known) if known and random.random() < 0.8 else ("nobody", 1)
        if random.random() < 0.1:
            member_id = random.choice(_GARBAGE_IDS)
        if random.random() < 0.5:
            generation += random.choice((-2, -1, 0, 0, 1, 2))
        return member_id, generation

    def _instance_id(self) -> str | None:
        return self._world.random.choice((None, None, None, "static-0", "static-1", "static-99"))

    # Liars

    def _lying_join(self) -> JoinGroupRequest:
        random = self._world.random
        group_id = self._group_id()
        member_id, _ = self._identity(group_id)
        names = random.choice(
            (
                ["range"],
                ["roundrobin", "range"],
                ["cooperative-sticky"],
                ["range", "cooperative-sticky"],
                ["range", "range"],
                ["unheard-of"],
                [],
            )
        )
        metadata = random.choice((b"", b"\0", b"\0\0\x7f\xff\xff\xff", encode_subscription([self._topics[0]], [])))
        return JoinGroupRequest(
            group_id=group_id,
            session_timeout_ms=random.choice((6_000, 6_000, 10_000, 1, -1, 0x7FFFFFFF)),
            rebalance_timeout_ms=random.choice((5_000, 10_000, 0, -1)),
            member_id=member_id if random.random() < 0.5 else "",
            group_instance_id=self._instance_id(),
            protocol_type=random.choice(("consumer", "consumer", "consumer", "connect", "")),
            protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name in names],
        )

    def _lying_sync(self) -> SyncGroupRequest:
        # An assignment with partitions would be honoured if it came in the leader's name: the leader is who says so.
        random = self._world.random
        group_id = self._group_id()
        member_id, generation = self._identity(group_id)
        assignments = [SyncGroupRequestAssignment(member_id=member_id, assignment=b"")] if random.random() < 0.5 else []
        return SyncGroupRequest(
            group_id=group_id,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=self._instance_id(),
            protocol_type=random.choice((None, "consumer", "connect")),
            protocol_name=random.choice((None, "range", "unheard-of")),
            assignments=assignments,
        )

    def _lying_heartbeat(self) -> HeartbeatRequest:
        group_id = self._group_id()
        member_id, generation = self._identity(group_id)
        return HeartbeatRequest(
            group_id=group_id, generation_id=generation, member_id=member_id, group_instance_id=self._instance_id()
        )

    def _lying_leave(self) -> LeaveGroupRequest:
        random = self._world.random
        group_id = self._group_id()
        members = [
            MemberIdentity(member_id=self._identity(group_id)[0], group_instance_id=self._instance_id())
            for _ in range(random.choice((0, 1, 1, 2, 3)))
        ]
        return LeaveGroupRequest(group_id=group_id, members=members)

    def _lying_commit(self) -> OffsetCommitRequest:
        group_id = self._group_id()
        member_id, generation = self._identity(group_id)
        return self._commit(group_id, member_id, generation, self._instance_id())

    # Everybody else

    def _outside_commit(self) -> OffsetCommitRequest:
        random = self._world.random
        group_id = random.choice(self._simple_group_ids()) if random.random() < 0.7 else self._group_id()
        return self._commit(group_id, "", -1, None)

    def _commit(self, group_id: str, member_id: str, generation: int, instance_id: str | None) -> OffsetCommitRequest:
        random = self._world.random
        topics = random.sample(self._topics, random.randint(1, 2))
        return OffsetCommitRequest(
            group_id=group_id,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            group_instance_id=instance_id,
            retention_time_ms=random.choice((-1, -1, -1, 1_000, 3_600_000)),
            topics=[
                OffsetCommitRequestTopic(
                    name=topic,
                    topic_id=random.choice((bytes(16), bytes(16), b"topic id " + bytes(6) + b"1")),
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=index,
                            committed_offset=self._world.next_offset(),
                            committed_metadata=random.choice(("", None, "m", "too long " * 20)),
                        )
                        for index in random.sample(range(6), random.randint(1, 3))
                    ],
                )
                for topic in topics
            ],
        )

    def _fetch(self) -> OffsetFetchRequestGroup:
        random = self._world.random
        names = None
        if random.random() < 0.5:
            names = [
                OffsetFetchRequestTopics(name=topic, partition_indexes=[0, 1, 5])
                for topic in random.sample(self._topics, 2)
            ]
        group_id = random.choice(self._simple_group_ids()) if random.random() < 0.3 else self._group_id()
        return OffsetFetchRequestGroup(group_id=group_id, topics=names)

    def _describe(self) -> DescribeGroup:
        return DescribeGroup(self._group_id())

    def _delete_offsets(self) -> OffsetDeleteRequest:
        random = self._world.random
        topic = random.choice(self._topics)
        partitions = [OffsetDeleteRequestPartition(partition_index=random.randint(0, 5)) for _ in range(2)]
        group_id = random.choice(self._simple_group_ids()) if random.random() < 0.3 else self._group_id()
        return OffsetDeleteRequest(
            group_id=group_id, topics=[OffsetDeleteRequestTopic(name=topic, partitions=partitions)]
        )

    def _delete_group(self) -> DeleteGroup:
        random = self._world.random
        return DeleteGroup(random.choice(self._simple_group_ids()) if random.random() < 0.3 else self._group_id())
