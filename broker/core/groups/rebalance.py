"""The way from one generation of a group to the next, which JoinGroup, SyncGroup, LeaveGroup and timers go together.

    prepare ── all have joined, or time is up ──▶ complete_join ── the leader has synced ──▶ Stable
                                                       └── nobody is left ──▶ Empty, which is written down

Each function changes the group and adds what is to be done to the `Result` of the request or timer at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from protocol.errors import ErrorCode
from protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from protocol.messages.sync_group import SyncGroupResponse

from ..result import Moment, Reply, Result, Ticket
from .classic_group import ClassicGroup, InitialDelay
from .classic_member import ClassicMember
from .classic_state import ClassicGroupState
from .groups import Groups
from .notes import note, note_late
from .records import encode_group
from .sessions import end_session, extend_session, is_expired, session_key

GroupKey = tuple[str, str]

REPEATED_JOIN_TIMEOUT_MIN_MS: Final = 1_000
"""Members may have asked for no time at all, which would have the timer fire again and again."""


def join_key(group_id: str) -> GroupKey:
    """The key of the timer that ends the waiting for members to join."""
    return ("join", group_id)


def sync_key(group_id: str) -> GroupKey:
    """The key of the timer that ends the waiting for members to sync."""
    return ("sync", group_id)


# Members


def refuse_join(ticket: Ticket, member_id: str, code: ErrorCode, result: Result) -> None:
    """Answer a JoinGroup that waited with an error."""
    result.replies.append(Reply(ticket, join_error(member_id, code)))


def join_error(member_id: str, code: ErrorCode) -> JoinGroupResponse:
    return JoinGroupResponse(error_code=code, protocol_name=None, leader="", member_id=member_id)


def refuse_sync(member: ClassicMember, code: ErrorCode, result: Result) -> None:
    """Answer the member's SyncGroup with an error if one waits."""
    if member.awaiting_sync is not None:
        result.replies.append(Reply(member.awaiting_sync, SyncGroupResponse(error_code=code, assignment=b"")))
        member.awaiting_sync = None


def dismiss(
    group: ClassicGroup, member: ClassicMember, result: Result, code: ErrorCode = ErrorCode.UNKNOWN_MEMBER_ID
) -> None:
    """Answer what the member waits for with the error that it has lost its place, and end its session."""
    ticket = group.take_join(member)
    if ticket is not None:
        # An unknown member forgets the id it had; a fenced one is told whose place was taken.
        member_id = "" if code is ErrorCode.UNKNOWN_MEMBER_ID else member.member_id
        refuse_join(ticket, member_id, code, result)
    refuse_sync(member, code, result)
    end_session(group, member, result)


def remove_member(group: ClassicGroup, member: ClassicMember, result: Result) -> None:
    """Let a member go; what follows of it for the group is not this function's."""
    dismiss(group, member, result)
    group.remove(member)


def remove_pending_member(group: ClassicGroup, member_id: str, result: Result) -> None:
    """Forget an id that was given out but has not joined."""
    group.pending_members.remove(member_id)
    result.timers[session_key(group.group_id, member_id)] = None


# Preparing


def prepare_or_complete(groups: Groups, group: ClassicGroup, now: Moment, result: Result, reason: str) -> None:
    """Begin a rebalance, or if one is going on already see whether all have joined now."""
    if group.can_rebalance:
        prepare(groups, group, now, result, reason)
    else:
        try_complete_join(group, now, result)


def prepare(groups: Groups, group: ClassicGroup, now: Moment, result: Result, reason: str) -> None:
    """Begin a rebalance."""
    note(group, f"Rebalancing: {reason}.", result)
    if group.state is ClassicGroupState.COMPLETING_REBALANCE:
        reset_assignments(group, ErrorCode.REBALANCE_IN_PROGRESS, now, result)
    group.pending_sync.clear()
    result.timers[sync_key(group.group_id)] = None
    was_empty = group.state is ClassicGroupState.EMPTY
    group.transition(ClassicGroupState.PREPARING_REBALANCE, now.wall_ms)
    if was_empty:
        delay_ms = groups.settings.initial_rebalance_delay_ms
        group.new_member_added = False
        group.initial_delay = InitialDelay(delay_ms, max(0, group.rebalance_timeout_ms - delay_ms))
        result.timers[join_key(group.group_id)] = delay_ms
    elif group.has_all_joined:
        complete_join(group, now, result)
    else:
        result.timers[join_key(group.group_id)] = group.rebalance_timeout_ms


def reset_assignments(group: ClassicGroup, code: ErrorCode, now: Moment, result: Result) -> None:
    """Take back the assignments of a generation that comes to nothing."""
    for member in group.members.values():
        member.assignment = b""
        if member.awaiting_sync is not None:
            refuse_sync(member, code, result)
            extend_session(group, member, now, result)


def try_complete_join(group: ClassicGroup, now: Moment, result: Result) -> None:
    """Begin the next generation if all have joined; a group's first one is always left the time of its delay."""
    is_preparing = group.state is ClassicGroupState.PREPARING_REBALANCE
    if is_preparing and group.initial_delay is None and group.has_all_joined:
        complete_join(group, now, result)


def on_join_timer(groups: Groups, group_id: str, now: Moment) -> Result:
    """The time to join is up, unless a first rebalance is put off because more members have come (KIP-134)."""
    result = Result()
    group = groups.live.get(group_id)
    if group is None or group.state is not ClassicGroupState.PREPARING_REBALANCE:
        return result
    delay = group.initial_delay
    if delay is not None and group.new_member_added and delay.remaining_ms > 0:
        group.new_member_added = False
        next_delay_ms = min(groups.settings.initial_rebalance_delay_ms, delay.remaining_ms)
        group.initial_delay = InitialDelay(next_delay_ms, max(0, delay.remaining_ms - delay.delay_ms))
        result.timers[join_key(group_id)] = next_delay_ms
    else:
        complete_join(group, now, result)
    return result


# The next generation


def complete_join(group: ClassicGroup, now: Moment, result: Result) -> None:
    """Begin the next generation with those that have joined, and with static members whether they have or not."""
    result.timers[join_key(group.group_id)] = None
    late = [member for member in group.members.values() if member.awaiting_join is None and not member.is_static]
    note_late(group, late, "joined again", result)
    for member in late:
        remove_member(group, member, result)
    if group.members and not group.elect_joined_leader():
        # Only static members are left and none has come back: they have until their sessions end.
        result.timers[join_key(group.group_id)] = max(group.rebalance_timeout_ms, REPEATED_JOIN_TIMEOUT_MIN_MS)
        return
    group.begin_generation(now.wall_ms)
    if group.state is ClassicGroupState.EMPTY:
        note(group, "The group is empty.", result)
        _write_empty_generation(group, result)
        return
    members = "1 member" if len(group.members) == 1 else f"{len(group.members)} members"
    note(group, f"The generation begins with {members}, led by {group.leader}, protocol {group.protocol}.", result)
    for member in group.members.values():
        ticket = group.take_join(member)
        if ticket is not None:
            result.replies.append(Reply(ticket, joined(group, member)))
        member.is_new = False
        extend_session(group, member, now, result)
    result.timers[sync_key(group.group_id)] = group.rebalance_timeout_ms


def joined(group: ClassicGroup, member: ClassicMember) -> JoinGroupResponse:
    """The generation, as a member learns it that has joined."""
    assert group.leader is not None
    return JoinGroupResponse(
        error_code=ErrorCode.NONE,
        generation_id=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        leader=group.leader,
        member_id=member.member_id,
        members=all_members(group) if group.leader == member.member_id else [],
    )


def all_members(group: ClassicGroup) -> list[JoinGroupResponseMember]:
    """The members with their metadata, for the leader."""
    assert group.protocol is not None
    protocol = group.protocol
    return [
        JoinGroupResponseMember(
            member_id=member.member_id, group_instance_id=member.instance_id, metadata=member.protocols[protocol]
        )
        for member in group.members.values()
    ]


def _write_empty_generation(group: ClassicGroup, result: Result) -> None:
    result.records.append(encode_group(group, {}))
    group.is_record_stale = True  # until it has been replayed

    def on_refused(code: ErrorCode) -> Result:
        # The group is empty all the same. After a restart its last generation comes back until its sessions end.
        instead = Result()
        instead.replies = result.replies
        instead.timers = result.timers
        instead.notes = result.notes
        return instead

    result.on_refused = on_refused


# Syncing


def stabilize(
    groups: Groups, group: ClassicGroup, assignments: Mapping[str, bytes], now: Moment, result: Result
) -> None:
    """Write down the assignments that the leader has made and give each waiting member its own.

    If they cannot be written the members are told so and have to join again.
    """
    result.records.append(encode_group(group, assignments))
    waiting = []
    for member in group.members.values():
        member.assignment = assignments.get(member.member_id, b"")
        if member.awaiting_sync is not None:
            waiting.append(member.awaiting_sync)
            result.replies.append(Reply(member.awaiting_sync, synced(group, member)))
            member.awaiting_sync = None
            extend_session(group, member, now, result)
    group.transition(ClassicGroupState.STABLE, now.wall_ms)

    def on_refused(code: ErrorCode) -> Result:
        instead = Result()
        instead.timers = result.timers
        instead.replies = [Reply(ticket, SyncGroupResponse(error_code=code, assignment=b"")) for ticket in waiting]
        for member in group.members.values():
            member.assignment = b""
        prepare(groups, group, now, instead, "the assignments could not be written")
        return instead

    result.on_refused = on_refused


def synced(group: ClassicGroup, member: ClassicMember) -> SyncGroupResponse:
    """The member's assignment, as it learns it."""
    return SyncGroupResponse(
        error_code=ErrorCode.NONE,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        assignment=member.assignment,
    )


def on_sync_timer(groups: Groups, group_id: str, now: Moment) -> Result:
    """The time to sync is up: members that have joined but never ask for their assignment are no use to the group."""
    result = Result()
    group = groups.live.get(group_id)
    if group is None or not group.pending_sync:
        return result
    late = [group.members[member_id] for member_id in group.pending_sync]
    note_late(group, late, "asked for its assignment", result)
    for member in late:
        remove_member(group, member, result)
    prepare(groups, group, now, result, "members are gone")
    return result


# Sessions and the beginning


def on_loaded(groups: Groups, now: Moment) -> Iterator[Result]:
    """Let the groups live that have members, who have one session timeout to show that they live; group by group."""
    for group_id in list(groups.persisted):
        result = Result()
        group = groups.find(group_id)
        if group is not None and group.members:
            groups.keep(group)
            for member in group.members.values():
                extend_session(group, member, now, result)
            if len(group.members) > groups.settings.group_size_max:
                # The limit was lowered: those that join last have to go.
                prepare(groups, group, now, result, "the group is larger than group.max.size")
        yield result


def on_session_timer(groups: Groups, group_id: str, member_id: str, now: Moment) -> Result:
    """A session may have ended."""
    result = Result()
    group = groups.live.get(group_id)
    if group is None:
        return result
    if member_id in group.pending_members:
        remove_pending_member(group, member_id, result)
    else:
        member = group.members.get(member_id)
        if member is None or not is_expired(group, member, now, result):
            return result
        note(
            group,
            f"Removing {member.member_id} of {member.client_host}, which has given no sign of life for "
            f"{member.session_timeout_ms} ms.",
            result,
        )
        remove_member(group, member, result)
        if group.state is not ClassicGroupState.PREPARING_REBALANCE:
            prepare(groups, group, now, result, f"{member_id} is gone")
    try_complete_join(group, now, result)
    groups.release(group)
    return result
