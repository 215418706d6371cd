"""Offsets expire, and with its last offset a group that has no members.

An offset is kept for the retention time from when its group has become empty; or from its last commit, if its group
has never had members, or has some but none that is subscribed to the topic (KIP-211). While a group rebalances, or it
is not known what its members read, nothing expires. A commit of v2-v4 may have said itself until when it is kept.
"""

from __future__ import annotations

from functools import partial
from itertools import takewhile
from typing import Final, NamedTuple

from ..result import CoordinatorRecord, Moment, Result
from .classic_group import ClassicGroup
from .classic_state import ClassicGroupState
from .groups import Groups
from .offset_store import NO_EXPIRY, OffsetStore, decode_place, decode_value, key_prefix
from .offset_sweep import PAUSE_MS, OffsetSweep, Stretch
from .records import encode_tombstone

EXPIRY_KEY: Final = ("expiry",)

_OFFSETS_PER_SLICE: Final = 1_000
_NO_TIMESTAMP: Final = -1


class ExpiryRule(NamedTuple):
    """How the offsets of a group expire."""

    since_ms: int | None
    """When the retention time began, in wall time; None if that was with the offset's last commit."""
    subscribed_topics: frozenset[str]
    """Their offsets are kept."""


class OffsetExpiry:
    """Walks through all offsets every `offsets_retention_check_interval_ms`."""

    __slots__ = ("_groups", "_offsets", "_sweep")

    def __init__(self, groups: Groups, offsets: OffsetStore) -> None:
        self._groups = groups
        self._offsets = offsets
        self._sweep = OffsetSweep(groups, offsets, _OFFSETS_PER_SLICE)

    def start(self) -> Result:
        """Arm the timer of the first walk."""
        result = Result()
        result.timers[EXPIRY_KEY] = self._groups.settings.offsets_retention_check_interval_ms
        return result

    def on_timer(self, now: Moment) -> Result:
        """Go through the next slice, or the first one of a walk. What cannot be written is left to the next walk."""
        records, has_ended = self._sweep.next_slice(partial(self._expire, now.wall_ms))
        result = Result(records=records)
        interval_ms = self._groups.settings.offsets_retention_check_interval_ms
        result.timers[EXPIRY_KEY] = interval_ms if has_ended else PAUSE_MS
        return result

    def _expire(self, wall_ms: int, stretch: Stretch, records: list[CoordinatorRecord]) -> None:
        group = self._groups.find(stretch.group_id)
        if group is None:
            return
        group_id = stretch.group_id.encode()
        prefix = key_prefix(group_id)
        committed = self._offsets.of_group(group_id) or {}
        rule = expiry_rule(group)
        if rule is not None:
            retention_ms = self._groups.settings.offsets_retention_ms
            for place in stretch.places:
                value = committed.get(place)
                if value is not None and _is_expired(place, value, rule, retention_ms, wall_ms):
                    records.append(CoordinatorRecord(prefix + place, None))
        # A group that somebody is about to join stays.
        if stretch.is_last and group.is_idle and _count_last(records, prefix) == len(committed):
            records.append(encode_tombstone(stretch.group_id))


def expiry_rule(group: ClassicGroup) -> ExpiryRule | None:
    """The rule for the group in its present state; None if nothing expires."""
    if group.protocol_type is None:
        return ExpiryRule(None, frozenset())
    if group.state is ClassicGroupState.EMPTY:
        # Records of before Kafka 2.1 do not tell when.
        since_ms = None if group.state_timestamp_ms == _NO_TIMESTAMP else group.state_timestamp_ms
        return ExpiryRule(since_ms, frozenset())
    topics = group.subscribed_topics() if group.state is ClassicGroupState.STABLE else None
    return None if topics is None else ExpiryRule(None, topics)


def _count_last(records: list[CoordinatorRecord], prefix: bytes) -> int:
    """How many records at the end have keys with this prefix."""
    return sum(1 for _ in takewhile(lambda record: record.key.startswith(prefix), reversed(records)))


def _is_expired(place: bytes, value: bytes, rule: ExpiryRule, retention_ms: int, wall_ms: int) -> bool:
    if rule.subscribed_topics and decode_place(place)[0] in rule.subscribed_topics:
        return False
    committed = decode_value(value)
    if committed.expire_timestamp != NO_EXPIRY:
        return wall_ms >= committed.expire_timestamp
    since_ms = committed.commit_timestamp if rule.since_ms is None else rule.since_ms
    return wall_ms - since_ms >= retention_ms
