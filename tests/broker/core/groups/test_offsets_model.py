"""Whatever happens to offsets: what a group has is what a dict says, and the log tells the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from broker.core.groups import offset_expiry, offset_sweep, topic_deletion
from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.offset_expiry import EXPIRY_KEY
from broker.core.groups.records import encode_group
from broker.core.groups.shard import GroupShard
from broker.core.groups.topic_deletion import RETRY_MS, TOPIC_DELETION_KEY
from broker.core.result import CoordinatorRecord, Result
from protocol.errors import ErrorCode, KafkaError
from protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from tests.support.offset_requests import (
    START,
    TopicPartition,
    add_group,
    commit_request,
    fetch,
    later,
    new_shard,
    subscription,
)

RETENTION_MS = 1_000
INTERVAL_MS = 77
GROUPS = ("", "ü")
TOPICS = ("orders", "payments")

groups = st.sampled_from(GROUPS)
partitions = st.tuples(st.sampled_from(TOPICS), st.integers(0, 2))
offsets = st.dictionaries(partitions, st.integers(0, 2**63 - 1), min_size=1, max_size=4)
times_ms = st.sampled_from([1, RETENTION_MS - 1, RETENTION_MS, 2 * RETENTION_MS])
subscriptions = st.frozensets(st.sampled_from(TOPICS))


@dataclass
class Offset:
    offset: int
    committed_ms: int
    expires_ms: int | None
    topic_id: bytes


@dataclass
class Group:
    """What should be known of a group."""

    offsets: dict[TopicPartition, Offset] = field(default_factory=dict)
    subscribed: frozenset[str] | None = None
    """While it has a member."""
    empty_since_ms: int | None = None
    """If it had one."""

    def is_expired(self, topic: str, offset: Offset, now_ms: int) -> bool:
        if self.subscribed is not None and topic in self.subscribed:
            return False
        if offset.expires_ms is not None:
            return now_ms >= offset.expires_ms
        since_ms = offset.committed_ms if self.empty_since_ms is None else self.empty_since_ms
        return now_ms >= since_ms + RETENTION_MS


class OffsetsModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.monkeypatch = pytest.MonkeyPatch()
        self.log: list[CoordinatorRecord] = []
        self.now = START
        self.model: dict[str, Group] = {}
        self.topic_ids: dict[str, bytes] = {}
        self.topics_made = 0
        self.deleted_topics: list[tuple[str, bytes]] = []
        for topic in TOPICS:
            self.make_topic(topic)
        self.shard: GroupShard

    def teardown(self) -> None:
        self.monkeypatch.undo()

    @initialize(offsets_per_slice=st.integers(1, 20), group_cost=st.integers(0, 3))
    def choose_slices(self, offsets_per_slice: int, group_cost: int) -> None:
        self.monkeypatch.setattr(offset_expiry, "_OFFSETS_PER_SLICE", offsets_per_slice)
        self.monkeypatch.setattr(topic_deletion, "_OFFSETS_PER_SLICE", offsets_per_slice)
        self.monkeypatch.setattr(offset_sweep, "_GROUP_COST", group_cost)
        self.shard = self.loaded(())

    # --- what stands around it

    def make_topic(self, topic: str) -> None:
        self.topics_made += 1
        self.topic_ids[topic] = self.topics_made.to_bytes(16)

    def loaded(self, log: Iterable[CoordinatorRecord]) -> GroupShard:
        shard = new_shard(offsets_retention_ms=RETENTION_MS, offsets_retention_check_interval_ms=INTERVAL_MS)
        for key, value in log:
            assert shard.replay(key, value)
        for result in shard.on_loaded(self.now):
            assert not result.records
        return shard

    def carry_out(self, result: Result) -> None:
        self.log += result.records
        for key, value in result.records:
            self.shard.replay(key, value)

    # --- commits

    def commit(self, group: str, offsets: Mapping[TopicPartition, int], retention_ms: int | None) -> Result:
        request = commit_request(group, offsets, topic_ids=self.topic_ids)
        if self.has_members(group):
            request.member_id = "m"
            request.generation_id_or_member_epoch = 3
        if retention_ms is not None:
            request.retention_time_ms = retention_ms
        return self.shard.commit_offsets(request, 9 if retention_ms is None else 4, self.now)

    def has_members(self, group: str) -> bool:
        return group in self.model and self.model[group].subscribed is not None

    @rule(group=groups, offsets=offsets, retention_ms=st.none() | times_ms)
    def commit_some(self, group: str, offsets: dict[TopicPartition, int], retention_ms: int | None) -> None:
        self.carry_out(self.commit(group, offsets, retention_ms))
        now_ms = self.now.wall_ms
        for partition, offset in offsets.items():
            known = self.model.setdefault(group, Group()).offsets
            if retention_ms is None:
                known[partition] = Offset(offset, now_ms, None, self.topic_ids[partition[0]])
            else:
                known[partition] = Offset(offset, now_ms, now_ms + retention_ms, bytes(16))

    @rule(group=groups, offsets=offsets)
    def fail_to_write_a_commit(self, group: str, offsets: dict[TopicPartition, int]) -> None:
        self.commit(group, offsets, None)

    @rule(group=groups, offsets=offsets, generation=st.integers(-1, 4), member=st.sampled_from(["", "x", "m"]))
    def commit_as_somebody_else(
        self, group: str, offsets: dict[TopicPartition, int], generation: int, member: str
    ) -> None:
        has_members = self.has_members(group)
        if (generation >= 0 or has_members) and not (has_members and generation == 3 and member == "m"):
            request = commit_request(group, offsets, member=member, generation=generation)
            with pytest.raises(KafkaError):
                self.shard.commit_offsets(request, 9, self.now)

    # --- deletions

    @rule(group=groups, chosen=st.sets(partitions))
    def delete_offsets(self, group: str, chosen: set[TopicPartition]) -> None:
        topics = [
            OffsetDeleteRequestTopic(name=name, partitions=[OffsetDeleteRequestPartition(partition_index=index)])
            for name, index in chosen
        ]
        request = OffsetDeleteRequest(group_id=group, topics=topics)
        if not group or group not in self.model:
            with pytest.raises(KafkaError):
                self.shard.delete_offsets(request)
            return
        self.carry_out(self.shard.delete_offsets(request))
        known = self.model[group]
        for partition in chosen:
            if known.subscribed is None or partition[0] not in known.subscribed:
                known.offsets.pop(partition, None)

    @rule(group=groups)
    def delete_group(self, group: str) -> None:
        if group not in self.model or self.has_members(group):
            with pytest.raises(KafkaError):
                self.shard.delete_group(group)
        else:
            self.carry_out(self.shard.delete_group(group))
            del self.model[group]

    @rule(topic=st.sampled_from(TOPICS))
    def make_topic_anew(self, topic: str) -> None:
        self.deleted_topics.append((topic, self.topic_ids[topic]))
        self.make_topic(topic)

    @precondition(lambda self: self.deleted_topics)
    @rule(failing_slice=st.none() | st.integers(0, 3))
    def hear_of_deleted_topics(self, failing_slice: int | None) -> None:
        result = self.shard.topics_deleted(self.deleted_topics)
        slices = 0
        while True:
            if slices == failing_slice and result.records:
                assert result.on_refused is not None
                result = result.on_refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
                assert result.timers == {TOPIC_DELETION_KEY: RETRY_MS}
            self.carry_out(result)
            if result.timers[TOPIC_DELETION_KEY] is None:
                break
            result = self.shard.on_timer(TOPIC_DELETION_KEY, self.now)
            slices += 1
        for group in self.model.values():
            for partition, offset in list(group.offsets.items()):
                if any(
                    topic == partition[0] and offset.topic_id in (bytes(16), topic_id)
                    for topic, topic_id in self.deleted_topics
                ):
                    del group.offsets[partition]
        self.deleted_topics = []

    # --- time

    @rule(ms=times_ms)
    def wait(self, ms: int) -> None:
        self.now = later(self.now, ms)

    @rule(ms=st.just(0) | times_ms)
    def expire(self, ms: int) -> None:
        self.wait(ms)
        while True:
            result = self.shard.on_timer(EXPIRY_KEY, self.now)
            self.carry_out(result)
            if result.timers[EXPIRY_KEY] == INTERVAL_MS:
                break
        for group_id, group in list(self.model.items()):
            for partition, offset in list(group.offsets.items()):
                if group.is_expired(partition[0], offset, self.now.wall_ms):
                    del group.offsets[partition]
            if group.subscribed is None and not group.offsets:
                del self.model[group_id]

    # --- members

    @rule(group=groups, subscribed=subscriptions)
    def join(self, group: str, subscribed: frozenset[str]) -> None:
        if not self.has_members(group):
            add_group(self.shard, group, metadata=subscription(*subscribed))
            record = encode_group(self.shard.groups.live[group], {})
            self.carry_out(Result(records=[record]))
            self.model.setdefault(group, Group())
            self.model[group].subscribed = subscribed
            self.model[group].empty_since_ms = None

    @rule(group=groups)
    def leave(self, group: str) -> None:
        if self.has_members(group):
            empty = ClassicGroup(group, self.now.wall_ms)
            empty.protocol_type = "consumer"
            self.shard.groups.forget(group)
            self.carry_out(Result(records=[encode_group(empty, {})]))
            self.model[group].subscribed = None
            self.model[group].empty_since_ms = self.now.wall_ms

    # --- restarts

    @precondition(lambda self: self.log)
    @rule(is_compacted=st.booleans())
    def restart(self, is_compacted: bool) -> None:
        if is_compacted:
            last = dict(self.log)
            self.log = [CoordinatorRecord(key, value) for key, value in last.items()]
            # Of a group whose offsets have been deleted one by one, nothing tells any more.
            for group_id, group in list(self.model.items()):
                if not group.offsets and group.subscribed is None and group.empty_since_ms is None:
                    del self.model[group_id]
        self.shard = self.loaded(self.log)

    # --- what always holds

    @invariant()
    def groups_have_what_they_have_committed(self) -> None:
        for group in GROUPS:
            known = self.model[group].offsets if group in self.model else {}
            assert fetch(self.shard, group) == {
                partition: (offset.offset, -1, "") for partition, offset in known.items()
            }
            asked_for = {topic: list(range(3)) for topic in TOPICS}
            for (topic, index), (offset, _, _) in fetch(self.shard, group, asked_for).items():
                assert offset == (known[topic, index].offset if (topic, index) in known else -1)

    @invariant()
    def groups_are_those_there_should_be(self) -> None:
        listed = self.shard.list_groups((), ()).reply
        assert {group.group_id: group.group_state for group in listed} == {
            group_id: "Empty" if group.subscribed is None else "Stable" for group_id, group in self.model.items()
        }

    @invariant()
    def the_log_tells_the_same(self) -> None:
        other = self.loaded(self.log)
        for group in GROUPS:
            assert other.offsets.of_group(group.encode()) == self.shard.offsets.of_group(group.encode())
        assert other.groups.persisted == self.shard.groups.persisted


TestOffsetsModel = OffsetsModel.TestCase
TestOffsetsModel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
