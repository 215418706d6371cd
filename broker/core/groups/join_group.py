"""JoinGroup: a member comes, or comes back, to take part in the next generation.

A new member gets an id first (KIP-394), unless it is static or its client older than v4. A static member takes the
place of its former self, and a stable group goes on as it is if its protocol stays (KIP-345). The leader may ask for a
rebalance at any time, a follower only by changed metadata; otherwise it learns the generation that there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.join_group import JoinGroupRequest

from ..result import Moment, Result
from . import rebalance
from .caller import Caller
from .classic_group import ClassicGroup
from .classic_member import ClassicMember
from .classic_state import ClassicGroupState
from .groups import Groups
from .records import encode_group, encode_new_group
from .sessions import extend_session, session_key

NEW_MEMBER_JOIN_TIMEOUT_MS: Final = 300_000
"""How long the JoinGroup of a new member may wait, which cannot show that it lives by heartbeats."""
MEMBER_ID_REQUIRED_SINCE: Final = 4
SKIP_ASSIGNMENT_SINCE: Final = 9
ID_PREFIX_CHARACTERS_MAX: Final = 8_000
"""Of a client's name in its member id, which others must be able to read in a string."""


def join_group(
    groups: Groups, request: JoinGroupRequest, caller: Caller, now: Moment, new_uuid: Callable[[], str]
) -> Result:
    """Join; the reply comes when the generation begins, or at once if none has to.

    Raises KafkaError if the request as a whole is refused: INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT,
    INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
    """
    settings = groups.settings
    if not request.group_id:
        raise KafkaError(ErrorCode.INVALID_GROUP_ID)
    if not settings.session_timeout_min_ms <= request.session_timeout_ms <= settings.session_timeout_max_ms:
        raise KafkaError(ErrorCode.INVALID_SESSION_TIMEOUT)
    group, is_new_group = groups.find_or_create(request.group_id, now.wall_ms)
    if is_new_group and request.member_id:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
    if not _is_room_for(group, request.member_id, settings.group_size_max):
        return _refuse_for_size(group, request.member_id, now)
    joining = _Joining(groups, group, request, caller, now)
    if not group.supports(request.protocol_type, joining.protocols):
        raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if request.member_id:
        joining.known_member()
    else:
        prefix = caller.client_id if request.group_instance_id is None else request.group_instance_id
        joining.new_member(f"{prefix[:ID_PREFIX_CHARACTERS_MAX]}-{new_uuid()}")
    if is_new_group:
        joining.write_new_group()
    return joining.result


def _is_room_for(group: ClassicGroup, member_id: str, size_max: int) -> bool:
    match group.state:
        case ClassicGroupState.PREPARING_REBALANCE:
            # The group may have become larger than the limit, which was lowered: those that join last have to go.
            member = group.members.get(member_id)
            is_waiting = member is not None and member.awaiting_join is not None
            return is_waiting or group.awaiting_join_count < size_max
        case ClassicGroupState.COMPLETING_REBALANCE | ClassicGroupState.STABLE:
            return member_id in group.members or len(group.members) < size_max
        case _:
            return True


def _refuse_for_size(group: ClassicGroup, member_id: str, now: Moment) -> Result:
    result = Result(rebalance.join_error("", ErrorCode.GROUP_MAX_SIZE_REACHED))
    if member_id in group.pending_members:
        rebalance.remove_pending_member(group, member_id, result)
    elif member_id in group.members:
        rebalance.remove_member(group, group.members[member_id], result)
    rebalance.try_complete_join(group, now, result)
    return result


class _Joining:
    """One JoinGroup that a group takes in."""

    __slots__ = ("caller", "group", "groups", "now", "protocols", "rebalance_timeout_ms", "request", "result")

    def __init__(
        self, groups: Groups, group: ClassicGroup, request: JoinGroupRequest, caller: Caller, now: Moment
    ) -> None:
        self.groups = groups
        self.group = group
        self.request = request
        self.caller = caller
        self.now = now
        self.result = Result()
        self.protocols: dict[str, bytes] = {}
        for protocol in request.protocols:  # if one is named twice, as by no honest client, the first counts
            self.protocols.setdefault(protocol.name, protocol.metadata)
        # Who names none, as none can before v1, has one timeout for both (KIP-62).
        names_timeout = request.rebalance_timeout_ms >= 0
        self.rebalance_timeout_ms = request.rebalance_timeout_ms if names_timeout else request.session_timeout_ms

    def new_member(self, member_id: str) -> None:
        group, request = self.group, self.request
        if request.group_instance_id is not None:
            former_id = group.static_members.get(request.group_instance_id)
            if former_id is None:
                self._add(member_id)
            else:
                self._take_place_of(group.members[former_id], member_id)
        elif self.caller.api_version >= MEMBER_ID_REQUIRED_SINCE:
            group.pending_members.add(member_id)
            self.groups.keep(group)
            self.result.timers[session_key(group.group_id, member_id)] = request.session_timeout_ms
            self.result.reply = rebalance.join_error(member_id, ErrorCode.MEMBER_ID_REQUIRED)
        else:
            self._add(member_id)

    def known_member(self) -> None:
        group, request = self.group, self.request
        if request.member_id in group.pending_members and request.group_instance_id is None:
            self._add(request.member_id)
            return
        member = group.validate_member(request.member_id, request.group_instance_id)
        match group.state:
            case ClassicGroupState.PREPARING_REBALANCE:
                must_wait = True
            case ClassicGroupState.COMPLETING_REBALANCE:
                # With the same metadata it has probably not received the response to its last JoinGroup.
                must_wait = not member.matches(self.protocols)
            case _:
                # The leader may have seen new partitions, which do not show in its metadata.
                must_wait = group.leader == member.member_id or not member.matches(self.protocols)
        if must_wait:
            group.update(member, self.protocols, request.session_timeout_ms, self.rebalance_timeout_ms)
            self._await(member)
            self._rebalance(f"{member.member_id} joins again")
        else:
            extend_session(group, member, self.now, self.result)
            self.result.reply = rebalance.joined(group, member)

    def _rebalance(self, reason: str) -> None:
        if self.request.reason:  # the client's own (KIP-800)
            reason = f"{reason} ({self.request.reason})"
        rebalance.prepare_or_complete(self.groups, self.group, self.now, self.result, reason)

    def _await(self, member: ClassicMember) -> None:
        former = self.group.take_join(member)
        if former is not None:
            # Its client asks again; nobody shall wait for the former answer without end.
            rebalance.refuse_join(former, member.member_id, ErrorCode.REBALANCE_IN_PROGRESS, self.result)
        self.group.await_join(member, self.caller.ticket)

    def _add(self, member_id: str) -> None:
        group, request, caller = self.group, self.request, self.caller
        member = ClassicMember(
            member_id,
            request.group_instance_id,
            caller.client_id,
            caller.client_host,
            request.session_timeout_ms,
            self.rebalance_timeout_ms,
            self.protocols,
        )
        member.is_new = True
        group.add(member, request.protocol_type, caller.ticket)
        self.groups.keep(group)
        extend_session(group, member, self.now, self.result, NEW_MEMBER_JOIN_TIMEOUT_MS)
        self._rebalance(f"{member_id} joins")

    def _take_place_of(self, former: ClassicMember, member_id: str) -> None:
        group, now, result = self.group, self.now, self.result
        rebalance.dismiss(group, former, result, ErrorCode.FENCED_INSTANCE_ID)
        member = ClassicMember(
            member_id,
            former.instance_id,
            former.client_id,
            former.client_host,
            self.request.session_timeout_ms,
            self.rebalance_timeout_ms,
            self.protocols,
            former.assignment,
        )
        former_leader = group.leader
        group.replace(former, member)
        extend_session(group, member, now, result)
        if group.state is ClassicGroupState.STABLE and group.select_protocol() == group.protocol:
            self._go_on_as(member, former, former_leader or "")
            return
        group.await_join(member, self.caller.ticket)
        # A leader that has been given its members already would assign to the former id, so that in
        # CompletingRebalance too everybody has to join again.
        self._rebalance(f"static member {former.instance_id} comes back as {member_id}")

    def _go_on_as(self, member: ClassicMember, former: ClassicMember, former_leader: str) -> None:
        """Let a stable group be as it is, with a new id for its static member."""
        group, result = self.group, self.result
        assignments = {each.member_id: each.assignment for each in group.members.values()}
        result.records.append(encode_group(group, assignments))
        reply = rebalance.joined(group, member)
        if self.caller.api_version >= SKIP_ASSIGNMENT_SINCE:
            reply.skip_assignment = group.leader == member.member_id
        else:
            # A client that cannot skip the assignment must not take itself for the leader.
            reply.leader = former_leader
            reply.members = []
        result.reply = reply

        def on_refused(code: ErrorCode) -> Result:
            group.replace(member, former)
            instead = Result(rebalance.join_error("", code))
            extend_session(group, former, self.now, instead)
            return instead

        result.on_refused = on_refused

    def write_new_group(self) -> None:
        """Let the log know a group that has no record yet."""
        groups, group, ticket = self.groups, self.group, self.caller.ticket
        is_waiting = self.result.reply is None
        self.result.records.append(encode_new_group(group))

        def on_refused(code: ErrorCode) -> Result:
            groups.forget(group.group_id)
            instead = Result()
            if is_waiting:
                rebalance.refuse_join(ticket, "", code, instead)
            else:
                instead.reply = rebalance.join_error("", code)
            return instead

        self.result.on_refused = on_refused
