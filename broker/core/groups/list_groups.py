"""ListGroups: all groups, or those of some states (KIP-518) and types (KIP-848)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from protocol.messages.list_groups import ListedGroup

from ..result import Result
from .classic_state import ClassicGroupState
from .groups import Groups

GROUP_TYPE: Final = "classic"

# What is behind the protocol's type in the usual record of a group without members, one of v3: the generation, neither
# protocol nor leader, a timestamp, a count of 0.
_EMPTY_VERSION = b"\x00\x03"
_EMPTY_REST_BYTES = 20
_EMPTY_NULLS = b"\xff\xff\xff\xff"
_EMPTY_COUNT = bytes(4)


def list_groups(groups: Groups, states: Collection[str], types: Collection[str]) -> Result:
    """The groups as a list of ListedGroup. Filters that are empty let all pass; names that mean nothing let none."""
    if types and GROUP_TYPE not in {name.lower() for name in types}:
        return Result([])
    wanted = {state for state in ClassicGroupState if not states or _is_named(state, states)}
    listed = [
        ListedGroup(
            group_id=group.group_id,
            protocol_type=group.protocol_type or "",
            group_state=group.state.value,
            group_type=GROUP_TYPE,
        )
        for group in groups.live.values()
        if group.state in wanted
    ]
    if ClassicGroupState.EMPTY in wanted:
        empty = ClassicGroupState.EMPTY.value
        listed += [
            ListedGroup(group_id=group_id, protocol_type=protocol_type, group_state=empty, group_type=GROUP_TYPE)
            for group_id, protocol_type in _empty_groups(groups)
        ]
    return Result(listed)


def _is_named(state: ClassicGroupState, names: Collection[str]) -> bool:
    return state.value.lower() in {name.strip().lower() for name in names}


def _empty_groups(groups: Groups) -> Iterator[tuple[str, str]]:
    """Id and protocol type of all groups that do not live, so that they have no members."""
    for group_id in groups.ids():
        if group_id in groups.live:
            continue
        value = groups.persisted.get(group_id)
        protocol_type = "" if value is None else _usual_protocol_type(value)
        if protocol_type is None:
            group = groups.find(group_id)
            if group is None:
                continue  # its record cannot be read
            protocol_type = group.protocol_type or ""
        yield group_id, protocol_type


def _usual_protocol_type(value: bytes) -> str | None:
    """The protocol's type in the usual record of a group without members; None if the record is not of that kind."""
    end = 4 + int.from_bytes(value[2:4])
    nulls_start = end + 4
    if (
        len(value) != end + _EMPTY_REST_BYTES
        or value[:2] != _EMPTY_VERSION
        or value[nulls_start : nulls_start + 4] != _EMPTY_NULLS
        or value[-4:] != _EMPTY_COUNT
    ):
        return None
    try:
        return value[4:end].decode()
    except UnicodeDecodeError:
        return None
