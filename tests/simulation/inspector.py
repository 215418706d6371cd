"""Looks inside the state machine: whether what it keeps fits together, and with the log, timers and who waits."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.shard import GroupShard
from broker.core.result import Ticket
from protocol.messages.join_group import JoinGroupRequest
from protocol.messages.leave_group import LeaveGroupRequest

from .coordinator import Cause, SimulatedCoordinator
from .failure import require
from .oracle import GroupView, Oracle, subscribed_topics
from .requests import Request

_NOBODY = GroupView({})
_CONSUMERS = "consumer"


class _Before(NamedTuple):
    """A group before a request or a timer."""

    members: dict[str, str | None]
    static_members: dict[str, str]
    joined: frozenset[str]
    waiting: frozenset[str]
    pending_sync: frozenset[str]
    pending_members: frozenset[str]
    generation: int
    fingerprint: tuple[object, ...]


_NOTHING = _Before({}, {}, frozenset(), frozenset(), frozenset(), frozenset(), 0, ())


class Inspector:
    """Checks the group that was touched after each step, and now and then all."""

    def __init__(self, coordinator: SimulatedCoordinator, oracle: Oracle, wait_max_ms: int) -> None:
        self._coordinator = coordinator
        self._oracle = oracle
        self._wait_max_ms = wait_max_ms
        self._before = _NOTHING

    @property
    def had_members(self) -> bool:
        """Whether the group that is touched had members before."""
        return bool(self._before.members)

    def was_waiting(self, member_id: str) -> bool:
        """Whether a request of this member was waiting before."""
        return member_id in self._before.waiting

    def view_of(self, group_id: str) -> GroupView:
        """Any group as it is."""
        group = self._live(group_id)
        if group is None:
            return _NOBODY
        if group.protocol_type != _CONSUMERS:
            return GroupView(_members(group), is_unwritten=group.is_record_stale)
        subscriptions = [each.protocols.get(group.protocol or "", b"") for each in group.members.values()]
        is_stable = group.state is ClassicGroupState.STABLE
        return GroupView(_members(group), is_stable, group.is_record_stale, subscribed_topics(subscriptions))

    def before(self, cause: Cause) -> None:
        """Something is about to happen."""
        group = self._live(_touched(cause))
        self._before = _NOTHING if group is None else _snapshot(group)

    def raised(self, request: Request) -> None:
        """A request was refused as a whole: then it must not have changed anything."""
        group = self._live(request.group_id)
        fingerprint = () if group is None else _fingerprint(group)
        require(fingerprint == self._before.fingerprint, "a refused request has changed its group", request.body)

    def after(self, cause: Cause) -> None:
        """It has happened."""
        group_id = _touched(cause)
        if not group_id:
            return
        group = self._live(group_id)
        present = set() if group is None else group.members.keys() | group.pending_members
        for member_id in self._before.members.keys() | self._before.pending_members:
            if member_id not in present:
                self._judge_removal(cause, group_id, member_id)
        has_begun = group is not None and group.state is ClassicGroupState.COMPLETING_REBALANCE
        if group is not None and has_begun and group.generation != self._before.generation:
            require(group.leader in self._oracle.joined_now, "a leader that does not know of it", group, group.leader)
        self.check_group(group_id)

    def _live(self, group_id: str) -> ClassicGroup | None:
        shard = self._coordinator.shard
        return None if shard is None else shard.groups.live.get(group_id)

    # Who goes, goes for a reason

    def _judge_removal(self, cause: Cause, group_id: str, member_id: str) -> None:
        before = self._before
        timers = self._coordinator.timers
        require(("session", group_id, member_id) not in timers, "a session outlives its member", group_id, member_id)
        is_pending = member_id in before.pending_members
        if isinstance(cause, Request):
            require(self._is_asked_for(cause, member_id), "a request removes a member", cause.body, member_id)
            return
        assert cause is not None, "loading removes a member"
        kind = cause[0]
        if kind == "session":
            require(member_id == cause[2], "a session's end removes another member", cause, member_id)
            self._oracle.judge_silence(group_id, member_id, member_id in before.waiting)
        elif kind == "join":
            late = not is_pending and before.members[member_id] is None and member_id not in before.joined
            require(late, "the end of joining removes who has joined, is static or pending", cause, member_id)
        else:
            late = member_id in before.pending_sync and member_id not in self._oracle.groups[group_id].synced
            require(kind == "sync" and late, "a timer removes a member", cause, member_id)

    def _is_asked_for(self, request: Request, member_id: str) -> bool:
        body = request.body
        holders = self._before.static_members
        match body:
            case JoinGroupRequest():
                fenced = holders.get(body.group_instance_id or "") == member_id and not body.member_id
                return fenced or body.member_id == member_id
            case LeaveGroupRequest():
                instances = {each.group_instance_id for each in body.members if each.group_instance_id is not None}
                named = {each.member_id for each in body.members}
                return member_id in named or any(holders.get(instance) == member_id for instance in instances)
            case _:
                # A group that is deleted had no members, but somebody may have been about to join.
                return request.name == "DeleteGroup" and member_id in self._before.pending_members

    # One group

    def check_group(self, group_id: str) -> None:
        """Raise a Violation unless all that is known of the group fits together."""
        shard = self._coordinator.shard
        assert shard is not None
        facts = self._oracle.groups[group_id]
        encoded = facts.lineage[-1].encoded if facts.lineage else None
        require(shard.groups.persisted.get(group_id) == encoded, "the persisted group is not its record", group_id)
        group = shard.groups.live.get(group_id)
        if group is None:
            record = facts.record
            require(record is None or not record.members, "a group with members does not live", group_id)
            return
        _check_fits_together(group)
        self._check_waiting(group)
        self._check_timers(group)
        if group.state is ClassicGroupState.STABLE:
            self._check_record(group)
        elif group.state is ClassicGroupState.EMPTY:
            require(group.pending_members or group.is_record_stale, "a group lives that nobody needs", group)
            if not group.is_record_stale:
                self._check_record(group)

    def _check_waiting(self, group: ClassicGroup) -> None:
        tickets = _tickets(group)
        waiting = self._coordinator.waiting
        require(len(set(tickets)) == len(tickets), "one request waits twice", group)
        for ticket in tickets:
            require(ticket in waiting, "a member waits with a request that is answered", group, ticket)
            require(waiting[ticket].request.group_id == group.group_id, "a request waits in another group", ticket)

    def _check_timers(self, group: ClassicGroup) -> None:
        timers, group_id = self._coordinator.timers, group.group_id
        for member in group.members.values():
            due_ms = timers.get(("session", group_id, member.member_id))
            require(due_ms is not None, "a member without a session", group, member)
            assert due_ms is not None
            on_time = member.is_waiting or due_ms <= member.session_deadline_ms
            require(on_time, "a session's timer is late", group, member)
        for member_id in group.pending_members:
            require(("session", group_id, member_id) in timers, "a pending member without a session", group, member_id)
        is_preparing = group.state is ClassicGroupState.PREPARING_REBALANCE
        require((("join", group_id) in timers) == is_preparing, "the timer of joining", group)
        require((("sync", group_id) in timers) == bool(group.pending_sync), "the timer of syncing", group)

    def _check_record(self, group: ClassicGroup) -> None:
        """A stable or empty group is what is written of it."""
        record = self._oracle.groups[group.group_id].record
        if record is None:
            require(group.generation == 0, "a generation without a record", group)
            return
        require(
            (record.generation, record.protocol_type or None, record.protocol)
            == (group.generation, group.protocol_type, group.protocol),
            "a group is not its record",
            group,
            record,
        )
        require(record.leader == group.leader, "another leader is on record", group, record)
        written = {
            each.member_id: (
                each.group_instance_id,
                each.client_id,
                each.client_host,
                _read_back(each.rebalance_timeout, each.session_timeout),
                each.session_timeout,
                each.subscription,
                each.assignment,
            )
            for each in record.members
        }
        lived = {
            each.member_id: (
                each.instance_id,
                each.client_id,
                each.client_host,
                _read_back(each.rebalance_timeout_ms, each.session_timeout_ms),
                each.session_timeout_ms,
                each.protocols[group.protocol or ""],
                each.assignment,
            )
            for each in group.members.values()
        }
        differing = {key: (written.get(key), lived.get(key)) for key in {**written, **lived}}
        differing = {key: (former, latter) for key, (former, latter) in differing.items() if former != latter}
        require(not differing, "the members are not those on record", group, differing)

    # All groups

    def check_all(self, now_ms: int) -> None:
        """Check every group, every timer, every request that waits."""
        shard = self._coordinator.shard
        if shard is None:
            return
        for group_id in list(self._oracle.groups):
            self.check_group(group_id)
        for group in shard.groups.live.values():
            for member in group.members.values():
                is_late = member.session_deadline_ms < now_ms and not member.is_waiting
                require(not is_late, "a member outlives its session", group, member)
        for key in self._coordinator.timers:
            self._check_timer(shard, key)
        held = [ticket for group in shard.groups.live.values() for ticket in _tickets(group)]
        waiting = self._coordinator.waiting
        require(len(held) == len(waiting) and set(held) == waiting.keys(), "a request is lost", held, waiting)
        for each in waiting.values():
            waited_ms = now_ms - each.since_ms
            require(waited_ms <= self._wait_max_ms, "a request waits too long", each.request.body, waited_ms)

    def _check_timer(self, shard: GroupShard, key: Any) -> None:
        match key:
            case ("session", group_id, member_id):
                group = shard.groups.live.get(group_id)
                known = group is not None and (member_id in group.members or member_id in group.pending_members)
                require(known, "a session of nobody", key)
            case ("join" | "sync", group_id):
                require(group_id in shard.groups.live, "a timer of no group", key)
            case _:
                require(key in (("expiry",), ("topic deletion",)), "a timer of nobody", key)

    def check_replay(self) -> None:
        """What a coordinator would know that began now is what this one has persisted."""
        lived = self._coordinator.shard
        if lived is None:
            return
        fresh = self._coordinator.fresh_shard()
        require(fresh.groups.persisted == lived.groups.persisted, "the groups of the log are others")
        offsets = _offsets(lived)
        require(_offsets(fresh) == offsets, "the offsets of the log are others")
        for group_id, facts in self._oracle.groups.items():
            expected = {place for place in facts.offsets if facts.committed(place) is not None}
            kept = offsets.get(group_id.encode(), {})
            require(len(expected) == len(kept), "other offsets are kept than there are", group_id, expected, kept)


def _touched(cause: Cause) -> str:
    """The group that this is about; empty if it is not about one."""
    if isinstance(cause, Request):
        return cause.group_id
    return str(cause[1]) if cause is not None and len(cause) > 1 else ""


def _members(group: ClassicGroup) -> dict[str, str | None]:
    return {each.member_id: each.instance_id for each in group.members.values()}


def _snapshot(group: ClassicGroup) -> _Before:
    return _Before(
        _members(group),
        dict(group.static_members),
        frozenset(each.member_id for each in group.members.values() if each.awaiting_join is not None),
        frozenset(each.member_id for each in group.members.values() if each.is_waiting),
        frozenset(group.pending_sync),
        frozenset(group.pending_members),
        group.generation,
        _fingerprint(group),
    )


def _fingerprint(group: ClassicGroup) -> tuple[object, ...]:
    return (
        group.state,
        group.generation,
        group.leader,
        group.protocol_type,
        group.protocol,
        tuple(group.members),
        sorted(group.pending_members),
        sorted(group.pending_sync),
        _tickets(group),
    )


def _tickets(group: ClassicGroup) -> list[Ticket]:
    """The tickets that members hold."""
    return [
        ticket
        for member in group.members.values()
        for ticket in (member.awaiting_join, member.awaiting_sync)
        if ticket is not None
    ]


def _read_back(rebalance_timeout_ms: int, session_timeout_ms: int) -> int:
    """A liar may ask for a rebalance timeout of -1: in a record that means that there is none of its own."""
    return session_timeout_ms if rebalance_timeout_ms == -1 else rebalance_timeout_ms


def _offsets(shard: GroupShard) -> dict[bytes, dict[bytes, bytes]]:
    """The offsets of each group that has some."""
    found = {group_id: dict(shard.offsets.of_group(group_id) or {}) for group_id in shard.offsets.group_ids}
    return {group_id: offsets for group_id, offsets in found.items() if offsets}


def _check_fits_together(group: ClassicGroup) -> None:
    members = group.members
    state = group.state
    require(all(key == each.member_id for key, each in members.items()), "a member under another id", group)
    joined = sum(each.awaiting_join is not None for each in members.values())
    require(group.awaiting_join_count == joined, "the count of those who have joined", group, joined)
    by_instance = {each.instance_id: each.member_id for each in members.values() if each.instance_id is not None}
    require(group.static_members == by_instance, "the static members", group, group.static_members, by_instance)
    require(group.pending_sync <= members.keys(), "a member that has gone has to sync", group, group.pending_sync)
    require(not group.pending_members & members.keys(), "a member is pending", group, group.pending_members)
    if members:
        require(group.leader in members, "the leader is no member", group, group.leader)
        supported = Counter(protocol for each in members.values() for protocol in each.protocols)
        require(len(members) in supported.values(), "no protocol is supported by all", group, supported)
        if state in (ClassicGroupState.STABLE, ClassicGroupState.COMPLETING_REBALANCE):
            require(supported[group.protocol or ""] == len(members), "the protocol is not supported by all", group)
    has_members = state in (ClassicGroupState.STABLE, ClassicGroupState.COMPLETING_REBALANCE)
    require(not has_members or members, "a state with members has none", group)
    require(state is not ClassicGroupState.EMPTY or not members, "an empty group has members", group)
    if state is not ClassicGroupState.PREPARING_REBALANCE:
        require(not joined, "somebody waits to join where nobody joins", group)
    if state is not ClassicGroupState.COMPLETING_REBALANCE:
        require(all(each.awaiting_sync is None for each in members.values()), "a sync waits in vain", group)
