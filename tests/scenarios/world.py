"""A coordinator's world without a broker: a clock that is driven, a log that is a list, and nobody else.

It does with each `Result` what the runtime does: append, replay, arm timers, hand out replies. After each it checks
what must always hold.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import Any, NamedTuple

from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.records import decode_group, encode_group
from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import CoordinatorRecord, Moment, Reply, Result, Ticket
from protocol.errors import ErrorCode, KafkaError

START_WALL_MS = 1_700_000_000_000
TIMER_RETRY_MS = 500
"""When the runtime tries a timer again whose records were refused."""


class Request(NamedTuple):
    """A request on its way: who is answered, and with what if there is no reply."""

    title: str
    on_reply: Callable[[Any], None]
    on_error: Callable[[ErrorCode], Any]


class World:
    """One shard, its log, its timers, and the requests that wait.

    `report` is told all that happens, as lines.
    """

    def __init__(
        self,
        settings: GroupSettings,
        report: Callable[[str], None],
        describe_response: Callable[[Any], str],
        describe_record: Callable[[CoordinatorRecord], str],
    ) -> None:
        self.settings = settings
        self.log: list[CoordinatorRecord] = []
        self.refusal: ErrorCode | None = None
        """What appends are refused with; None while they are not."""
        self.timers: dict[Hashable, int] = {}
        """Monotonic moments in ms by key."""
        self.now = Moment(START_WALL_MS, 0)
        self.waiting: dict[Ticket, Request] = {}
        self.notes: list[str] = []
        """What the broker's log has been told."""
        self._report = report
        self._describe_response = describe_response
        self._describe_record = describe_record
        self._tickets = count(1)
        self._member_ids = count(1)
        self.shard = self._new_shard()
        self._follower = self._new_shard()
        """Knows what the log says, and nothing else."""
        self._begin()

    def _new_shard(self) -> GroupShard:
        return GroupShard(self.settings, lambda: str(next(self._member_ids)))

    # What happens

    def call(self, request: Request, operation: Callable[[GroupShard, Moment, Ticket], Result]) -> None:
        """Carry out a request."""
        ticket = Ticket(next(self._tickets))
        self.waiting[ticket] = request
        try:
            result = operation(self.shard, self.now, ticket)
        except KafkaError as error:
            self._answer(ticket, request.on_error(error.code))
        else:
            self._perform(result, ticket)
        if ticket in self.waiting:
            self._report(f"{request.title} waits")

    def advance(self, duration_ms: int) -> None:
        """Let time go on, timers fire when they are due."""
        end_ms = self.now.monotonic_ms + duration_ms
        while self.timers:
            key = min(self.timers, key=self.timers.__getitem__)
            if self.timers[key] > end_ms:
                break
            self._move_to(self.timers.pop(key))
            self._perform(self.shard.on_timer(key, self.now), timer_key=key)
        self._move_to(end_ms)

    def _move_to(self, monotonic_ms: int) -> None:
        self.now = Moment(self.now.wall_ms + monotonic_ms - self.now.monotonic_ms, monotonic_ms)

    def restart(self) -> None:
        """Let the coordinator die and another take over its log."""
        for ticket, request in list(self.waiting.items()):
            self._answer(ticket, request.on_error(ErrorCode.NOT_COORDINATOR))
        self.timers.clear()
        self.shard = self._new_shard()
        for key, value in self.log:
            self.shard.replay(key, value)
        self._begin()

    def _begin(self) -> None:
        for result in self.shard.on_loaded(self.now):
            self._perform(result)

    def _perform(self, result: Result, ticket: Ticket | None = None, timer_key: Hashable = None) -> None:
        if result.records and self.refusal is not None:
            self._report(f"log refuses: {'; '.join(map(self._describe_record, result.records))}")
            if result.on_refused is None:
                if ticket is not None:
                    self._answer(ticket, self.waiting[ticket].on_error(self.refusal))
                else:
                    self.timers[timer_key] = self.now.monotonic_ms + TIMER_RETRY_MS
                return
            result = result.on_refused(self.refusal)
            assert not result.records
        self.notes += result.notes
        for record in result.records:
            self._report(f"log: {self._describe_record(record)}")
            self.log.append(record)
            self.shard.replay(*record)
            self._follower.replay(*record)
        for key, delay_ms in result.timers.items():
            if delay_ms is None:
                self.timers.pop(key, None)
            else:
                assert delay_ms >= 0
                self.timers[key] = self.now.monotonic_ms + delay_ms
        self._answer_all(result.replies)
        if result.reply is not None:
            assert ticket is not None
            self._answer(ticket, result.reply)
        self.check()

    def _answer_all(self, replies: Iterable[Reply]) -> None:
        for ticket, response in replies:
            self._answer(ticket, response)

    def _answer(self, ticket: Ticket, response: Any) -> None:
        request = self.waiting.pop(ticket)
        self._report(f"{request.title}: {self._describe_response(response)}")
        request.on_reply(response)

    # What must always hold

    def check(self) -> None:
        """Check the invariants of the shard."""
        self._check_replay()
        tickets = set()
        session_keys = set()
        for group in self.shard.groups.live.values():
            assert not group.is_idle or group.is_record_stale, f"{group} should have been let go"
            assert group.awaiting_join_count == sum(m.awaiting_join is not None for m in group.members.values())
            assert group.static_members == {
                m.instance_id: m.member_id for m in group.members.values() if m.instance_id is not None
            }
            assert group.pending_sync <= group.members.keys()
            assert not group.pending_members & group.members.keys()
            assert (group.leader in group.members) if group.members else group.leader is None
            has_members = group.state is not ClassicGroupState.EMPTY
            assert has_members or not group.members
            is_preparing = group.state is ClassicGroupState.PREPARING_REBALANCE
            assert (("join", group.group_id) in self.timers) == is_preparing
            assert (("sync", group.group_id) in self.timers) == bool(group.pending_sync)
            for member_id in (*group.members, *group.pending_members):
                session_keys.add(("session", group.group_id, member_id))
            for member in group.members.values():
                key = ("session", group.group_id, member.member_id)
                assert member.session_timer_due_ms == self.timers[key]
                tickets |= {member.awaiting_join, member.awaiting_sync} - {None}
            if group.state is ClassicGroupState.STABLE or (group.is_idle and not group.is_record_stale):
                self._check_record(group.group_id)
        assert {key for key in self.timers if isinstance(key, tuple) and key[0] == "session"} == session_keys
        assert tickets == self.waiting.keys()

    def _check_replay(self) -> None:
        replayed, lived = self._follower, self.shard
        assert replayed.groups.persisted == lived.groups.persisted
        assert replayed.offsets.group_ids == lived.offsets.group_ids
        for group_id in replayed.offsets.group_ids:
            assert replayed.offsets.of_group(group_id) == lived.offsets.of_group(group_id)

    def _check_record(self, group_id: str) -> None:
        live = self.shard.groups.live[group_id]
        persisted = decode_group(group_id, self.shard.groups.persisted[group_id])
        assert persisted is not None
        assignments = {member.member_id: member.assignment for member in live.members.values()}
        expected = {member.member_id: member.assignment for member in persisted.members.values()}
        assert expected == assignments
        assert persisted.state is live.state
        persisted.state_timestamp_ms = live.state_timestamp_ms
        assert encode_group(persisted, assignments) == encode_group(live, assignments)
