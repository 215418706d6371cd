"""The live state of one classic group, and what always holds of it.

Nothing here knows of replies, records or timers: those are made by the requests and by `rebalance`, which change a
group only by its methods, so that what is counted and indexed here stays right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

from protocol.errors import ErrorCode, KafkaError

from ..result import Ticket
from .classic_member import ClassicMember
from .classic_state import LEGAL_TRANSITIONS, ClassicGroupState
from .subscription import topics_of

CONSUMER_PROTOCOL_TYPE: Final = "consumer"


class InitialDelay(NamedTuple):
    """How a first rebalance waits for more members (KIP-134)."""

    delay_ms: int
    """From the last arming of the timer until it fires."""
    remaining_ms: int
    """By how much it may still be put off after that."""


class ClassicGroup:
    """A group whose members share the work as the leader among them says."""

    __slots__ = (
        "_protocol_support",
        "_subscribed_topics",
        "_subscriptions",
        "awaiting_join_count",
        "generation",
        "group_id",
        "initial_delay",
        "is_record_stale",
        "leader",
        "members",
        "new_member_added",
        "pending_members",
        "pending_sync",
        "protocol",
        "protocol_type",
        "state",
        "state_timestamp_ms",
        "static_members",
    )

    def __init__(self, group_id: str, state_timestamp_ms: int = -1) -> None:
        self.group_id = group_id
        self.state = ClassicGroupState.EMPTY
        self.state_timestamp_ms = state_timestamp_ms
        """Wall time of the last change of state; -1 if that is not known, as of records before Kafka 2.1."""
        self.generation = 0
        self.protocol_type: str | None = None
        """`consumer`, `connect` ...; None until somebody has joined: a simple group, only a place for offsets."""
        self.protocol: str | None = None
        """The protocol of this generation, of consumers the assignor's name; None without members."""
        self.leader: str | None = None
        """The member id of the one that assigns; None without members."""
        self.members: dict[str, ClassicMember] = {}
        """By member id, the oldest first."""
        self.static_members: dict[str, str] = {}
        """Member ids by instance id (KIP-345)."""
        self.pending_members: set[str] = set()
        """Ids given out with MEMBER_ID_REQUIRED that have not joined yet (KIP-394)."""
        self.pending_sync: set[str] = set()
        """Members that have yet to sync in this generation."""
        self.awaiting_join_count = 0
        self.initial_delay: InitialDelay | None = None
        """While the group that was empty waits for its first members."""
        self.new_member_added = False
        """Whether one has come since the timer of the initial delay was armed."""
        self.is_record_stale = False
        """Whether the log tells of an older generation with members, though the group is empty by now."""
        self._protocol_support: Counter[str] = Counter()
        self._subscriptions: list[bytes | None] | None = None
        """What the members of this generation said of themselves when it began; None before the first."""
        self._subscribed_topics: frozenset[str] | None = None

    def restore(
        self,
        generation: int,
        protocol_type: str,
        protocol: str | None,
        leader: str | None,
        members: list[ClassicMember],
    ) -> None:
        """Become the generation that a record tells of."""
        self.generation = generation
        self.protocol_type = protocol_type or None
        self.protocol = protocol
        for member in members:
            if member.member_id not in self.members and member.instance_id not in self.static_members:
                self._add(member)
        if self.members:
            self.protocol = protocol or ""
            self.state = ClassicGroupState.STABLE
            self.leader = leader if leader in self.members else next(iter(self.members))
        self._keep_subscriptions()

    def transition(self, state: ClassicGroupState, wall_ms: int) -> None:
        assert state in LEGAL_TRANSITIONS[self.state], f"{self.group_id}: {self.state} → {state}"
        self.state = state
        self.state_timestamp_ms = wall_ms

    # What the group is

    @property
    def is_idle(self) -> bool:
        """Whether nobody is a member or about to become one."""
        return self.state is ClassicGroupState.EMPTY and not self.pending_members

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest that a member asks for."""
        return max(0, max((member.rebalance_timeout_ms for member in self.members.values()), default=0))

    @property
    def has_all_joined(self) -> bool:
        return self.awaiting_join_count == len(self.members) and not self.pending_members

    @property
    def can_rebalance(self) -> bool:
        return ClassicGroupState.PREPARING_REBALANCE in LEGAL_TRANSITIONS[self.state]

    def validate_member(self, member_id: str, instance_id: str | None) -> ClassicMember:
        """The member with this id, which is that of the static member `instance_id` if one is given.

        Raises KafkaError: UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID if another has taken its place.
        """
        if instance_id is not None:
            holder = self.static_members.get(instance_id)
            if holder is None:
                raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
            if holder != member_id:
                raise KafkaError(ErrorCode.FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        return member

    def supports(self, protocol_type: str, protocols: Collection[str]) -> bool:
        """Whether a member with these protocols fits in: all members must support one of them."""
        if self.state is ClassicGroupState.EMPTY:
            return bool(protocol_type and protocols)
        return protocol_type == self.protocol_type and self._supports_one_of(protocols)

    def _supports_one_of(self, protocols: Collection[str]) -> bool:
        size = len(self.members)
        return any(self._protocol_support[protocol] == size for protocol in protocols)

    def subscribed_topics(self) -> frozenset[str] | None:
        """All topics that a member was subscribed to when this generation began; None if that is not known.

        It is known of consumers once there is a generation, if the subscription of each can be read. What members say
        that join during a rebalance counts, as in Kafka, from the next generation on.
        """
        if self.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return None
        if self._subscribed_topics is None and self._subscriptions is not None:
            self._subscribed_topics = topics_of(self._subscriptions)
        return self._subscribed_topics

    def _keep_subscriptions(self) -> None:
        # Few groups are ever asked, so they are kept as they came.
        protocol = self.protocol or ""
        self._subscriptions = [member.protocols.get(protocol) for member in self.members.values()]
        self._subscribed_topics = None

    # Members come and go

    def add(self, member: ClassicMember, protocol_type: str, ticket: Ticket) -> None:
        """Take in a member whose JoinGroup waits under `ticket`."""
        if not self.members:
            self.protocol_type = protocol_type
            self.leader = member.member_id
        assert protocol_type == self.protocol_type and self._supports_one_of(member.protocols)
        self._add(member)
        self.new_member_added = True
        self.pending_members.discard(member.member_id)
        self.await_join(member, ticket)

    def _add(self, member: ClassicMember) -> None:
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        self.members[member.member_id] = member
        self._protocol_support.update(member.protocols.keys())

    def remove(self, member: ClassicMember) -> None:
        """Let a member go that waits for nothing; the oldest one follows it as the leader."""
        assert not member.is_waiting
        del self.members[member.member_id]
        if member.instance_id is not None:
            del self.static_members[member.instance_id]
        self._forget_protocols(member)
        self.pending_sync.discard(member.member_id)
        if self.leader == member.member_id:
            self.leader = next(iter(self.members), None)

    def _forget_protocols(self, member: ClassicMember) -> None:
        for protocol in member.protocols:
            self._protocol_support[protocol] -= 1
            if not self._protocol_support[protocol]:
                del self._protocol_support[protocol]

    def replace(self, old: ClassicMember, new: ClassicMember) -> None:
        """Put a static member in the place of its former self, which waits for nothing."""
        assert not old.is_waiting and old.instance_id == new.instance_id is not None
        members = [new if member is old else member for member in self.members.values()]
        self.members = {member.member_id: member for member in members}
        self.static_members[new.instance_id] = new.member_id
        self._forget_protocols(old)
        self._protocol_support.update(new.protocols.keys())
        if old.member_id in self.pending_sync:
            self.pending_sync.remove(old.member_id)
            self.pending_sync.add(new.member_id)
        if self.leader == old.member_id:
            self.leader = new.member_id

    def update(
        self, member: ClassicMember, protocols: dict[str, bytes], session_timeout_ms: int, rebalance_timeout_ms: int
    ) -> None:
        """Take over what a member says of itself that joins again."""
        self._forget_protocols(member)
        member.protocols = protocols
        self._protocol_support.update(protocols.keys())
        member.session_timeout_ms = session_timeout_ms
        member.rebalance_timeout_ms = rebalance_timeout_ms

    def await_join(self, member: ClassicMember, ticket: Ticket) -> None:
        assert member.awaiting_join is None
        member.awaiting_join = ticket
        self.awaiting_join_count += 1

    def take_join(self, member: ClassicMember) -> Ticket | None:
        """The ticket of the member's JoinGroup, which no longer waits; None if none did."""
        ticket = member.awaiting_join
        if ticket is not None:
            member.awaiting_join = None
            self.awaiting_join_count -= 1
        return ticket

    # Generations

    def elect_joined_leader(self) -> bool:
        """Whether the leader has joined, or another that has could be put in its place."""
        assert self.leader is not None
        if self.members[self.leader].awaiting_join is None:
            joined = (member.member_id for member in self.members.values() if member.awaiting_join is not None)
            leader = next(joined, None)
            if leader is None:
                return False
            self.leader = leader
        return True

    def select_protocol(self) -> str:
        """The protocol that most members like best of those that all support; between equals the oldest member's."""
        size = len(self.members)
        candidates = {protocol for protocol, count in self._protocol_support.items() if count == size}
        votes = Counter(member.vote(candidates) for member in self.members.values())
        return max(votes, key=votes.__getitem__)

    def begin_generation(self, wall_ms: int) -> None:
        """Go on with those that are members now, or become empty."""
        self.generation += 1
        self.initial_delay = None
        self.pending_sync = set(self.members)
        if self.members:
            self.protocol = self.select_protocol()
            self.transition(ClassicGroupState.COMPLETING_REBALANCE, wall_ms)
        else:
            self.protocol = None
            self.transition(ClassicGroupState.EMPTY, wall_ms)
        self._keep_subscriptions()

    def __repr__(self) -> str:
        return f"<ClassicGroup {self.group_id} {self.state.value} generation {self.generation}>"
