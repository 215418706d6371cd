"""Simulated consumers: they join, share partitions, commit, and go in every way that consumers go."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple, Protocol

from protocol.errors import ErrorCode
from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from .failure import require
from .requests import make_request
from .schedule import Schedule
from .wire_data import (
    Assignment,
    assign_cooperatively,
    assign_eagerly,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)

RETRY_MS = 700
REQUEST_TIMEOUT_MS = 3_000
_PARTITIONS_PER_TOPIC = 4


class GroupPlan(NamedTuple):
    """What the members of a group have in common."""

    group_id: str
    topics: tuple[str, ...]
    cooperative: bool
    session_ms: int
    rebalance_ms: int
    heartbeat_ms: int

    @property
    def partitions(self) -> list[str]:
        """Those of all topics, as `orders:3`."""
        return [f"{topic}:{index}" for topic in self.topics for index in range(_PARTITIONS_PER_TOPIC)]

    @property
    def protocols(self) -> tuple[str, ...]:
        return ("cooperative-sticky",) if self.cooperative else ("range", "roundrobin")


class Surroundings(Protocol):
    """What consumers need of the world."""

    schedule: Schedule
    random: Random

    @property
    def is_calm(self) -> bool:
        """Whether everybody behaves, and nothing fails."""

    def send(self, request: Any) -> None:
        """Send a request over a network that delays and loses."""

    def next_offset(self) -> int:
        """An offset that nobody has committed yet."""

    def has_learnt(self, plan: GroupPlan, member_id: str, generation: int) -> None:
        """A consumer has got an id or a generation, for others to abuse."""

    def has_ended(self, consumer: Consumer) -> None:
        """A consumer is no more."""


class Consumer:
    """One consumer; with an instance id it is a static member.

    Attributes:
        generation: that of its assignment; -1 while it has none.
        assigned: the partitions that it reads.
    """

    def __init__(self, world: Surroundings, plan: GroupPlan, instance_id: str | None) -> None:
        random = world.random
        self.plan = plan
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = -1
        self.assigned: tuple[str, ...] = ()
        self.alive = True
        self._world = world
        self._api_version = random.choice((9, 9, 5)) if instance_id else random.choice((9, 9, 5, 3, 0))
        self._slow_share = random.choice((0, 0, 0, 0.1, 0.5))
        self._deaf_share = random.choice((0, 0, 0, 0, 0.3))
        self._frozen_until_ms = 0
        self._joined_generation = -1
        self._turn = 0

    # Its life

    def start(self) -> None:
        """Join for the first time."""
        self._join()

    def crash(self) -> None:
        """Be gone without a word."""
        self.alive = False
        self._turn += 1
        self._world.has_ended(self)

    def freeze(self, for_ms: int) -> None:
        """Stand still, and then go on as if nothing had been."""
        self._frozen_until_ms = self._world.schedule.monotonic_ms + for_ms

    def leave(self) -> None:
        """Say good-bye, which may be lost, and be gone."""
        if self.instance_id is not None and self._world.random.random() < 0.5:
            identity = MemberIdentity(member_id="", group_instance_id=self.instance_id)
        else:
            identity = MemberIdentity(member_id=self.member_id, group_instance_id=self.instance_id)
        body = LeaveGroupRequest(group_id=self.plan.group_id, members=[identity])
        self._world.send(make_request(body, 5, lambda _: None))
        self.crash()

    # Requests, one at a time

    def _ask(self, body: Any, then: Callable[[Any], None], timeout_ms: int = REQUEST_TIMEOUT_MS) -> None:
        """Send a request of this turn; what belongs to an earlier turn is not listened to any more."""
        self._turn += 1
        turn = self._turn

        def respond(response: Any) -> None:
            if response is not None:
                self._when_awake(turn, lambda: then(response))
            else:  # lost: the client asks again when its patience ends
                self._world.schedule.after(timeout_ms, lambda: self._when_awake(turn, self._join))

        self._world.send(make_request(body, self._api_version, respond))

    def _later(self, delay_ms: int, action: Callable[[], None]) -> None:
        turn = self._turn
        self._world.schedule.after(delay_ms, lambda: self._when_awake(turn, action))

    def _when_awake(self, turn: int, action: Callable[[], None]) -> None:
        if turn != self._turn or not self.alive:
            return
        schedule = self._world.schedule
        frozen_ms = self._frozen_until_ms - schedule.monotonic_ms
        if frozen_ms > 0:
            schedule.after(frozen_ms, lambda: self._when_awake(turn, action))
        else:
            action()

    def _join(self) -> None:
        plan = self.plan
        metadata = encode_subscription(plan.topics, self.assigned if plan.cooperative else ())
        body = JoinGroupRequest(
            group_id=plan.group_id,
            session_timeout_ms=plan.session_ms,
            rebalance_timeout_ms=plan.rebalance_ms if self._api_version else -1,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name in plan.protocols],
        )
        self._ask(body, self._on_joined, plan.rebalance_ms + REQUEST_TIMEOUT_MS)

    def _on_joined(self, response: JoinGroupResponse) -> None:
        random, plan = self._world.random, self.plan
        match response.error_code:
            case ErrorCode.NONE:
                self.member_id = response.member_id
                self._joined_generation = response.generation_id
                self._world.has_learnt(plan, self.member_id, self._joined_generation)
                if random.random() < self._deaf_share and not self._world.is_calm:
                    self._later(random.randint(1, 3 * plan.rebalance_ms), self._join)  # it never syncs
                elif random.random() < self._slow_share and not self._world.is_calm:
                    self._later(random.randint(1, plan.rebalance_ms * 3 // 2), lambda: self._sync(response))
                else:
                    self._sync(response)
            case ErrorCode.MEMBER_ID_REQUIRED:
                self.member_id = response.member_id
                self._world.has_learnt(plan, self.member_id, -1)
                if random.random() < 0.03 and not self._world.is_calm:
                    self.crash()
                else:
                    self._join()
            case ErrorCode.FENCED_INSTANCE_ID | ErrorCode.GROUP_MAX_SIZE_REACHED:
                self.crash()
            case ErrorCode.UNKNOWN_MEMBER_ID:
                self._lose_everything()
                self._join()
            case _:
                self._later(RETRY_MS, self._join)

    def _sync(self, joined: JoinGroupResponse) -> None:
        body = SyncGroupRequest(
            group_id=self.plan.group_id,
            generation_id=joined.generation_id,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            protocol_type=joined.protocol_type,
            protocol_name=joined.protocol_name,
            assignments=self._assign(joined) if joined.members and not joined.skip_assignment else [],
        )
        self._ask(body, self._on_synced, self.plan.rebalance_ms + REQUEST_TIMEOUT_MS)

    def _assign(self, joined: JoinGroupResponse) -> list[SyncGroupRequestAssignment]:
        partitions = self.plan.partitions
        member_ids = [each.member_id for each in joined.members]
        if self.plan.cooperative:
            owned = {}
            for each in joined.members:
                subscription = decode_subscription(each.metadata)
                owned[each.member_id] = () if subscription is None else subscription.owned
            assigned = assign_cooperatively(partitions, owned)
        else:
            assigned = assign_eagerly(partitions, member_ids)
        identities = {each.member_id: each.group_instance_id or each.member_id for each in joined.members}
        return [
            SyncGroupRequestAssignment(
                member_id=member_id,
                assignment=encode_assignment(Assignment(joined.generation_id, identities[member_id], tuple(mine))),
            )
            for member_id, mine in assigned.items()
        ]

    def _on_synced(self, response: SyncGroupResponse) -> None:
        if response.error_code != ErrorCode.NONE:
            self._on_member_error(response.error_code)
            return
        self.generation = self._joined_generation
        former = self.assigned
        self.assigned = ()
        if response.assignment:
            assignment = decode_assignment(response.assignment)
            require(
                assignment.generation == self.generation,
                "a consumer is given an assignment of another generation",
                self.plan.group_id,
                self.member_id,
                assignment,
            )
            self.assigned = assignment.partitions
        if self.plan.cooperative and set(former) - set(self.assigned):
            self._join()  # what it has given up is free now
        else:
            self._work()

    def _work(self) -> None:
        """Read for a while, then commit or heartbeat."""
        jitter = self._world.random.random() * 0.2
        self._later(int(self.plan.heartbeat_ms * (0.9 + jitter)), self._commit_or_heartbeat)

    def _commit_or_heartbeat(self) -> None:
        if self.assigned and self._world.random.random() < 0.3:
            self._commit(self._on_work_answered)
        else:
            self._heartbeat()

    def _heartbeat(self) -> None:
        body = HeartbeatRequest(
            group_id=self.plan.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
        )
        self._ask(body, lambda response: self._on_work_answered(response.error_code))

    def _on_work_answered(self, code: int) -> None:
        random = self._world.random
        if code == ErrorCode.NONE:
            self._work()
        elif code == ErrorCode.REBALANCE_IN_PROGRESS and self.assigned and random.random() < 0.5:
            self._commit(lambda _: self._join())  # what it has read so far
        else:
            self._on_member_error(code)

    def _commit(self, then: Callable[[int], None]) -> None:
        random = self._world.random
        by_topic: dict[str, list[OffsetCommitRequestPartition]] = {}
        for partition in random.sample(self.assigned, random.randint(1, len(self.assigned))):
            topic, _, index = partition.partition(":")
            by_topic.setdefault(topic, []).append(
                OffsetCommitRequestPartition(
                    partition_index=int(index),
                    committed_offset=self._world.next_offset(),
                    committed_leader_epoch=random.choice((-1, 3)),
                    committed_metadata=random.choice((None, "", "note")),
                )
            )
        body = OffsetCommitRequest(
            group_id=self.plan.group_id,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            group_instance_id=self.instance_id,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=each) for topic, each in by_topic.items()],
        )
        self._ask(body, lambda response: then(response.topics[0].partitions[0].error_code))

    def _on_member_error(self, code: int) -> None:
        match code:
            case ErrorCode.FENCED_INSTANCE_ID:
                self.crash()
            case ErrorCode.UNKNOWN_MEMBER_ID:
                self._lose_everything()
                self._join()
            case ErrorCode.ILLEGAL_GENERATION | ErrorCode.REBALANCE_IN_PROGRESS:
                self._join()
            case _:
                self._later(RETRY_MS, self._join)

    def _lose_everything(self) -> None:
        self.member_id = ""
        self.generation = -1
        self.assigned = ()
