"""DeleteGroups: forget groups that have no members, and their offsets (KIP-229)."""

from __future__ import annotations

from protocol.errors import ErrorCode, KafkaError
from protocol.messages.delete_groups import DeletableGroupResult

from ..result import CoordinatorRecord, Result
from .classic_state import ClassicGroupState
from .groups import Groups
from .offset_store import OffsetStore, key_prefix
from .records import encode_tombstone
from .sessions import session_key


def delete_group(groups: Groups, offsets: OffsetStore, group_id: str) -> Result:
    """Delete one group with its offsets, all or nothing.

    Raises KafkaError: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
    """
    group = groups.find(group_id)
    if group is None:
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND)
    if group.state is not ClassicGroupState.EMPTY:
        raise KafkaError(ErrorCode.NON_EMPTY_GROUP)
    encoded_id = group_id.encode()
    prefix = key_prefix(encoded_id)
    records = [CoordinatorRecord(prefix + place, None) for place in offsets.of_group(encoded_id) or ()]
    records.append(encode_tombstone(group_id))
    result = Result(DeletableGroupResult(group_id=group_id, error_code=ErrorCode.NONE), records)
    for member_id in group.pending_members:
        result.timers[session_key(group_id, member_id)] = None
    return result
