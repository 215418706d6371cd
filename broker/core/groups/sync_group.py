"""SyncGroup: the leader hands in the assignment of the generation, and every member asks for its part of it."""

from __future__ import annotations

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.sync_group import SyncGroupRequest

from ..result import Moment, Result
from . import rebalance
from .caller import Caller
from .classic_group import ClassicGroup
from .classic_state import ClassicGroupState
from .groups import Groups
from .sessions import extend_session


def sync_group(groups: Groups, request: SyncGroupRequest, caller: Caller, now: Moment) -> Result:
    """Sync; the reply comes once the leader's assignment is written.

    Raises KafkaError: INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
    INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS.
    """
    group, member = groups.find_member(request)
    # Before v5 they are not named (KIP-559).
    if _differs(request.protocol_type, group.protocol_type) or _differs(request.protocol_name, group.protocol):
        raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)
    result = Result()
    _note_sync(group, member.member_id, result)
    if group.state is ClassicGroupState.STABLE:
        extend_session(group, member, now, result)
        result.reply = rebalance.synced(group, member)
        return result
    # Its client may ask again while the first request still waits.
    rebalance.refuse_sync(member, ErrorCode.REBALANCE_IN_PROGRESS, result)
    member.awaiting_sync = caller.ticket
    if group.leader == member.member_id:
        assignments = {each.member_id: each.assignment for each in request.assignments}
        rebalance.stabilize(groups, group, assignments, now, result)
    return result


def _differs(asked: str | None, agreed: str | None) -> bool:
    return asked is not None and agreed is not None and asked != agreed


def _note_sync(group: ClassicGroup, member_id: str, result: Result) -> None:
    if member_id in group.pending_sync:
        group.pending_sync.remove(member_id)
        if not group.pending_sync:
            result.timers[rebalance.sync_key(group.group_id)] = None
