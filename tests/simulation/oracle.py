"""What the coordinator may say, judged by what it has said before, what it was asked, and what it has written.

It looks at requests, answers and records alone, and knows nothing of how the state machine keeps its state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from broker.core.groups.settings import GroupSettings
from broker.core.result import Moment, Result
from protocol.codec import decode_versioned
from protocol.consumer_offsets import (
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from protocol.errors import ErrorCode
from protocol.messages.describe_groups import DescribedGroup
from protocol.messages.heartbeat import HeartbeatRequest
from protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from protocol.messages.list_groups import ListedGroup
from protocol.messages.offset_commit import OffsetCommitRequest, OffsetCommitResponse
from protocol.messages.offset_delete import OffsetDeleteRequest
from protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchResponseGroup
from protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from tests.support.consumer_offsets import decode_key

from .coordinator import Cause
from .failure import require
from .requests import DeleteGroup, DeleteTopics, DescribeGroup, ListGroups, Request
from .wire_data import decode_assignment, decode_subscription

NONE = ErrorCode.NONE
STABLE = "Stable"
_ZERO_ID = bytes(16)

Place = tuple[str, int]
Committed = OffsetCommitValue | None


class Session:
    """When a member was last heard of, and how long it may be silent."""

    __slots__ = ("alive_ms", "has_joined", "heard_ms", "silent_ms", "timeout_max_ms", "timeout_min_ms")

    def __init__(self, now_ms: int, timeout_ms: int) -> None:
        self.alive_ms = now_ms
        """The last sign of life that was accepted."""
        self.heard_ms = now_ms
        """The last request that named it, accepted or not, or an answer to it."""
        self.has_joined = False
        """Whether it is or was in a generation, so that it is known to live while a request of it waits."""
        self.silent_ms = 0
        """How long it was silent before its last request."""
        self.timeout_min_ms = self.timeout_max_ms = timeout_ms


class Generation(NamedTuple):
    """A group's record in the log; `members` are their identities, None as the rest in a tombstone."""

    offset: int
    number: int
    members: frozenset[str] | None
    value: GroupMetadataValue | None
    encoded: bytes | None


class GroupFacts:
    """What is known of one group.

    Attributes:
        answered: the generation that JoinGroup last answered in this life of the coordinator.
        acknowledged: the highest generation whose assignments members have seen.
        owners: by generation, who was shown which partition as its own.
        gone: member ids that have lost their place in this life of the coordinator, and why.
        instance_ids: all ids that static members have had, by instance id.
        synced: whose SyncGroup was taken in this generation.
        lineage: the records of the group, oldest first.
        offsets: the values of each place with the offsets of their records, oldest first.
    """

    __slots__ = (
        "acknowledged",
        "answered",
        "gone",
        "instance_ids",
        "lineage",
        "offsets",
        "owners",
        "protocols",
        "sessions",
        "synced",
    )

    def __init__(self) -> None:
        self.answered = 0
        self.acknowledged = 0
        self.owners: dict[int, dict[str, str]] = {}
        self.gone: dict[str, str] = {}
        self.instance_ids: dict[str, list[str]] = defaultdict(list)
        self.protocols: dict[int, str] = {}
        self.sessions: dict[str, Session] = {}
        self.synced: set[str] = set()
        self.lineage: list[Generation] = []
        self.offsets: dict[Place, list[tuple[int, Committed]]] = defaultdict(list)

    @property
    def record(self) -> GroupMetadataValue | None:
        """The last record; None without one."""
        return self.lineage[-1].value if self.lineage else None

    def committed(self, place: Place) -> Committed:
        values = self.offsets.get(place)
        return values[-1][1] if values else None

    @property
    def has_offsets(self) -> bool:
        return any(values and values[-1][1] is not None for values in self.offsets.values())


class GroupView(NamedTuple):
    """How a group is before records of it are replayed: `members` with their instance ids."""

    members: dict[str, str | None]
    is_stable_consumers: bool = False
    is_unwritten: bool = False
    """Whether its last record could not be appended."""
    subscribed: frozenset[str] = frozenset()


class Oracle:
    """Judges every answer and every record; raises Violation."""

    def __init__(self, now: Callable[[], Moment], settings: Callable[[], GroupSettings]) -> None:
        self.groups: dict[str, GroupFacts] = defaultdict(GroupFacts)
        self.topics_deleted: dict[str, set[bytes]] = defaultdict(set)
        self._now = now
        self._settings = settings
        self.joined_now: set[str] = set()
        """Whose JoinGroups the last request or timer has answered with a generation."""
        self._journal: list[tuple[int, list[Any]]] = []
        """By log offset, the lists whose last entry goes if the record is lost."""

    # Records

    def appended(self, cause: Cause, result: Result, base_offset: int, views: Callable[[str], GroupView]) -> None:
        """Records are in the log, and not replayed yet; `views` shows how a group is before that."""
        expected_commits = _commits(cause)
        for number, (key, value) in enumerate(result.records):
            decoded = decode_key(key)
            offset = base_offset + number
            if isinstance(decoded, GroupMetadataKey):
                self._group_record(cause, decoded.group, value, offset, views)
                continue
            assert isinstance(decoded, OffsetCommitKey), key
            place = (decoded.topic, decoded.partition)
            facts = self.groups[decoded.group]
            committed = None
            if value is None:
                self._judge_deletion(cause, decoded.group, place, views)
            else:
                committed = decode_versioned(OffsetCommitValue, value)
                found = (committed.offset, committed.metadata)
                require(
                    expected_commits.pop((decoded.group, *place), None) == found,
                    "a commit that nobody has asked for",
                    decoded,
                    committed,
                    cause,
                )
            self._push(facts.offsets[place], offset, (offset, committed))

    def _push(self, entries: list[Any], offset: int, entry: Any) -> None:
        entries.append(entry)
        self._journal.append((offset, entries))

    def _group_record(
        self, cause: Cause, group_id: str, value: bytes | None, offset: int, views: Callable[[str], GroupView]
    ) -> None:
        facts = self.groups[group_id]
        if value is None:
            require(not views(group_id).members, "a group with members is deleted", group_id, cause)
            require(not facts.has_offsets, "a group with offsets is deleted without them", group_id, cause)
            is_asked = isinstance(cause, Request) and isinstance(cause.body, DeleteGroup)
            require(is_asked or (isinstance(cause, tuple) and cause[0] == "expiry"), "a group is deleted", cause)
            self._push(facts.lineage, offset, Generation(offset, 0, None, None, None))
            # What comes now under this id is another group.
            facts.answered = facts.acknowledged = 0
            facts.owners.clear()
            facts.protocols.clear()
            return
        decoded = decode_versioned(GroupMetadataValue, value)
        members = frozenset(each.group_instance_id or each.member_id for each in decoded.members)
        require(len(members) == len(decoded.members), "a record names a member twice", group_id, decoded)
        last = facts.lineage[-1] if facts.lineage else None
        if last is not None and last.members is not None:
            require(decoded.generation >= last.number, "a generation goes back", group_id, decoded.generation, last)
            if decoded.generation == last.number:
                require(members == last.members, "a generation changes its members", group_id, decoded, last)
        self._push(facts.lineage, offset, Generation(offset, decoded.generation, members, decoded, value))

    def _judge_deletion(self, cause: Cause, group_id: str, place: Place, views: Callable[[str], GroupView]) -> None:
        body = cause.body if isinstance(cause, Request) else None
        if isinstance(body, OffsetDeleteRequest):
            require(place[0] not in views(group_id).subscribed, "the offset of a subscribed topic is deleted", body)
            asked = {(topic.name, each.partition_index) for topic in body.topics for each in topic.partitions}
            require(place in asked, "an offset is deleted that nobody has named", place)
            return
        committed = self.groups[group_id].committed(place)
        require(committed is not None, "an offset is deleted that there is not", group_id, place, cause)
        assert committed is not None
        if isinstance(body, DeleteTopics) or cause == ("topic deletion",):
            self._judge_topic_deletion(place[0], committed)
        elif cause == ("expiry",):
            self._judge_expiry(group_id, place, committed, views(group_id))
        else:
            require(isinstance(body, DeleteGroup), "an offset is deleted", group_id, place, cause)

    def _judge_topic_deletion(self, topic: str, committed: OffsetCommitValue) -> None:
        ids = self.topics_deleted[topic]
        require(committed.topic_id in ids or (ids and committed.topic_id == _ZERO_ID), "a topic's offset goes", topic)

    def _judge_expiry(self, group_id: str, place: Place, committed: OffsetCommitValue, view: GroupView) -> None:
        since_ms = committed.commit_timestamp
        if view.members:
            require(view.is_stable_consumers, "an offset of a rebalancing group expires", group_id)
            require(place[0] not in view.subscribed, "an offset in use expires", group_id, place)
        else:
            record = self.groups[group_id].record
            if view.is_unwritten:
                return  # that it has become empty could not be written, so when it has is not known here
            if record is not None and record.protocol_type and record.current_state_timestamp >= 0:
                since_ms = record.current_state_timestamp
        due_ms = committed.expire_timestamp
        if due_ms == -1:
            due_ms = since_ms + self._settings().offsets_retention_ms
        require(self._now().wall_ms >= due_ms, "an offset expires too early", group_id, place, due_ms)

    def committed(self, high_watermark: int) -> None:
        """What is before this offset cannot be lost any more."""
        if self._journal and self._journal[-1][0] < high_watermark:
            self._journal.clear()

    def died(self, end_offset: int) -> None:
        """The log goes on from here."""
        while self._journal and self._journal[-1][0] >= end_offset:
            self._journal.pop()[1].pop()
        self._journal.clear()

    def loaded(self) -> None:
        """Another life: what was not written has not happened, and sessions begin anew."""
        now_ms = self._now().monotonic_ms
        for facts in self.groups.values():
            record = facts.record
            members = [] if record is None else record.members
            facts.answered = 0 if record is None else record.generation
            facts.gone = {}
            facts.protocols = {}
            facts.synced = set()
            facts.sessions = {each.member_id: Session(now_ms, each.session_timeout) for each in members}
            for session in facts.sessions.values():
                session.has_joined = True

    # Answers

    def asked(self, request: Request, was_waiting: bool) -> None:
        """A request has come in; its member is known to live if an earlier request of it was waiting."""
        session = self._session(request)
        if session is not None:
            now_ms = self._now().monotonic_ms
            session.silent_ms = 0 if was_waiting else now_ms - session.heard_ms
            session.heard_ms = now_ms
        body = request.body
        if isinstance(body, SyncGroupRequest) and body.generation_id == self.groups[body.group_id].answered:
            self.groups[body.group_id].synced.add(body.member_id)

    def refused(self, request: Request) -> None:
        """The request was refused as a whole."""
        if isinstance(request.body, SyncGroupRequest):
            self.groups[request.group_id].synced.discard(request.body.member_id)

    def answered(self, request: Request, response: Any, had_members: bool) -> None:
        """The state machine has an answer."""
        match request.body:
            case JoinGroupRequest():
                self._joined(request, request.body, response)
            case SyncGroupRequest() if response.error_code == NONE:
                self._accepted(request, request.body.generation_id)
                self._synced(request.body, response)
            case HeartbeatRequest() if response.error_code == NONE:
                self._accepted(request, request.body.generation_id)
            case OffsetCommitRequest():
                self._commit_answered(request, request.body, response, had_members)
            case LeaveGroupRequest() if response.error_code == NONE:
                self._left(request.body, response)
            case OffsetFetchRequestGroup() if response.error_code == NONE:
                self._fetched(request.body, response)
            case DescribeGroup() if response.group_state == STABLE:
                self._described(response)
            case ListGroups():
                self._listed(response)
        session = self._session(request)
        if session is not None:
            session.heard_ms = self._now().monotonic_ms

    def released(self, request: Request, response: Any) -> None:
        """Members see this answer."""
        body = request.body
        if not isinstance(body, SyncGroupRequest) or response.error_code != NONE or not response.assignment:
            return
        facts = self.groups[request.group_id]
        facts.acknowledged = max(facts.acknowledged, body.generation_id)
        assignment = decode_assignment(response.assignment)
        owners = facts.owners.setdefault(body.generation_id, {})
        for partition in assignment.partitions:
            owner = owners.setdefault(partition, assignment.identity)
            require(
                owner == assignment.identity,
                "a partition has two owners in a generation",
                request.group_id,
                body.generation_id,
                partition,
                owner,
                assignment.identity,
            )
        facts.owners = {number: facts.owners[number] for number in sorted(facts.owners)[-3:]}

    def judge_silence(self, group_id: str, member_id: str, was_waiting: bool) -> None:
        """A session's timer has removed this member, or a pending one."""
        session = self.groups[group_id].sessions.get(member_id)
        if session is not None:
            require(not (was_waiting and session.has_joined), "a member is removed that waits", group_id, member_id)
            silent_ms = self._now().monotonic_ms - session.alive_ms
            require(silent_ms >= session.timeout_min_ms, "a session ends too early", group_id, member_id, silent_ms)

    def _session(self, request: Request) -> Session | None:
        member_id = getattr(request.body, "member_id", None)
        return self.groups[request.group_id].sessions.get(member_id) if member_id else None

    def _joined(self, request: Request, body: JoinGroupRequest, response: JoinGroupResponse) -> None:
        facts = self.groups[request.group_id]
        now_ms = self._now().monotonic_ms
        if response.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            require(response.member_id not in facts.sessions, "a member id is given out twice", response.member_id)
            facts.sessions[response.member_id] = Session(now_ms, body.session_timeout_ms)
            return
        if response.error_code != NONE:
            return
        member_id, generation = response.member_id, response.generation_id
        require(member_id and response.leader, "a member joins without an id or a leader", response)
        require(generation >= facts.answered, "a generation goes back", request.group_id, generation, facts.answered)
        require(generation >= facts.acknowledged, "a seen generation is used again", request.group_id, generation)
        protocol = facts.protocols.setdefault(generation, response.protocol_name or "")
        require(protocol == response.protocol_name, "a generation has two protocols", request.group_id, response)
        mine = [each.name for each in body.protocols]
        require(protocol in mine, "a protocol that a member does not support", protocol, mine)
        if generation > facts.answered:
            facts.protocols = {generation: protocol}
            facts.synced.clear()
            for each in facts.sessions.values():
                each.heard_ms = now_ms  # a static member that is not back yet has its time anew, as in Kafka
        facts.answered = generation
        if response.members:
            require(response.leader == member_id, "a follower is given the members", response)
            ids = [each.member_id for each in response.members]
            require(member_id in ids and len(set(ids)) == len(ids), "the leader's members", ids)
        if body.member_id:
            require(member_id == body.member_id, "a member is given another id", body.member_id, member_id)
        if body.group_instance_id is not None:
            ids = facts.instance_ids[body.group_instance_id]
            if member_id not in ids:
                ids.append(member_id)
            for former_id in ids[: ids.index(member_id)]:
                facts.gone[former_id] = "fenced"
        require(member_id not in facts.gone, "a member that is gone has joined", member_id, facts.gone.get(member_id))
        session = facts.sessions.setdefault(member_id, Session(now_ms, body.session_timeout_ms))
        self.joined_now.add(member_id)
        session.has_joined = True
        session.timeout_min_ms = min(session.timeout_min_ms, body.session_timeout_ms)
        session.timeout_max_ms = max(session.timeout_max_ms, body.session_timeout_ms)
        session.alive_ms = now_ms

    def _accepted(self, request: Request, generation: int) -> None:
        """A member was told that it is one, of the present generation."""
        facts = self.groups[request.group_id]
        member_id = request.body.member_id
        require(member_id not in facts.gone, "a member that is gone is accepted", member_id, facts.gone.get(member_id))
        require(generation == facts.answered, "an old generation is accepted", request.body, facts.answered)
        session = facts.sessions.get(member_id)
        require(session is not None, "an unknown member is accepted", request.body)
        assert session is not None
        in_time = session.silent_ms <= session.timeout_max_ms
        require(in_time, "a silent member is still there", request.body, session.silent_ms)
        session.alive_ms = self._now().monotonic_ms

    def _synced(self, body: SyncGroupRequest, response: SyncGroupResponse) -> None:
        if not response.assignment:
            return
        assignment = decode_assignment(response.assignment)
        mine = self._identity(body.group_id, body.member_id)
        require(
            assignment.generation == body.generation_id and assignment.identity == mine,
            "an assignment of another member or generation",
            body,
            mine,
            assignment,
        )

    def _identity(self, group_id: str, member_id: str) -> str:
        instance_ids = self.groups[group_id].instance_ids
        return next((instance for instance, ids in instance_ids.items() if member_id in ids), member_id)

    def _left(self, body: LeaveGroupRequest, response: LeaveGroupResponse) -> None:
        facts = self.groups[body.group_id]
        for identity, answer in zip(body.members, response.members, strict=True):
            if answer.error_code == NONE and identity.member_id:
                facts.gone[identity.member_id] = "left"

    def _described(self, response: DescribedGroup) -> None:
        record = self.groups[response.group_id].record
        written = {} if record is None else {each.member_id: each.assignment for each in record.members}
        shown = {each.member_id: each.member_assignment for each in response.members}
        require(shown == written, "a stable group is described as another than is written", response, record)

    def _listed(self, response: list[ListedGroup]) -> None:
        ids = [each.group_id for each in response]
        require(len(set(ids)) == len(ids), "a group is listed twice", ids)
        written = {each for each, facts in self.groups.items() if facts.record is not None or facts.has_offsets}
        require(written <= set(ids), "a group is not listed", written - set(ids))

    # Offsets

    def _commit_answered(
        self, request: Request, body: OffsetCommitRequest, response: OffsetCommitResponse, had_members: bool
    ) -> None:
        codes = [each.error_code for topic in response.topics for each in topic.partitions]
        if NONE not in codes:
            return
        generation = body.generation_id_or_member_epoch
        if generation >= 0:
            self._accepted(request, generation)
        else:
            require(not had_members, "a commit from outside of a group with members", body)
        facts = self.groups[request.group_id]
        for topic, topic_answer in zip(body.topics, response.topics, strict=True):
            for partition, answer in zip(topic.partitions, topic_answer.partitions, strict=True):
                if answer.error_code != NONE:
                    continue
                committed = facts.committed((topic.name, partition.partition_index))
                require(
                    committed is not None and committed.offset == partition.committed_offset,
                    "an acknowledged commit is not in the log",
                    body,
                    committed,
                )

    def _fetched(self, body: OffsetFetchRequestGroup, response: OffsetFetchResponseGroup) -> None:
        facts = self.groups[body.group_id]
        shown: dict[Place, Any] = {}
        for topic in response.topics:
            for partition in topic.partitions:
                require(partition.error_code == NONE, "an offset cannot be fetched", partition)
                shown[topic.name, partition.partition_index] = partition
        if body.topics is None:
            expected = {place for place in facts.offsets if facts.committed(place) is not None}
            require(set(shown) == expected, "other offsets are fetched than there are", shown, expected)
        for place, partition in shown.items():
            committed = facts.committed(place)
            found = (partition.committed_offset, partition.metadata)
            due = (-1, "") if committed is None else (committed.offset, committed.metadata)
            require(found == due, "an acknowledged commit is not what is fetched", body.group_id, place, found, due)


def _commits(cause: Cause) -> dict[tuple[str, str, int], tuple[int, str]]:
    """The commits that a request asks for, the last one of a place."""
    if not isinstance(cause, Request) or not isinstance(cause.body, OffsetCommitRequest):
        return {}
    body = cause.body
    return {
        (body.group_id, topic.name, each.partition_index): (each.committed_offset, each.committed_metadata or "")
        for topic in body.topics
        for each in topic.partitions
    }


def subscribed_topics(subscriptions: list[bytes]) -> frozenset[str]:
    """All topics in these."""
    topics: set[str] = set()
    for subscription in subscriptions:
        decoded = decode_subscription(subscription)
        if decoded is not None:
            topics.update(decoded.topics)
    return frozenset(topics)
