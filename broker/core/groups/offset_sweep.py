"""A walk over the offsets of all groups, in slices that leave time for the requests in between.

What changes between two slices is seen as it is by then. A group that comes up during the walk may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ..result import CoordinatorRecord
from .groups import Groups
from .offset_store import OffsetStore

PAUSE_MS: Final = 1
"""Between two slices."""
RECORDS_MAX: Final = 500
"""To write them takes longer than to look at their offsets. A slice makes no more than twice as many records."""
RECORDS_BYTES_MAX: Final = 262_144
"""Nor twice as many bytes of keys, so that they fit into a batch."""

_GROUP_COST: Final = 10  # in offsets: looking at a group costs as much as at so many of them
_PLACE_BYTES: Final = 300  # more than the name of a topic and what is around it


class Stretch(NamedTuple):
    """Some offsets of one group; all of them unless they are many."""

    group_id: str
    places: list[bytes]
    is_last: bool
    """Whether those of the group end here."""


class OffsetSweep:
    """Walks in slices of about `offsets_per_slice` offsets."""

    __slots__ = ("_groups", "_offsets", "_offsets_per_slice", "_stretches")

    def __init__(self, groups: Groups, offsets: OffsetStore, offsets_per_slice: int) -> None:
        self._groups = groups
        self._offsets = offsets
        self._offsets_per_slice = offsets_per_slice
        self._stretches: Iterator[Stretch] | None = None

    def restart(self) -> None:
        """Let the next slice be the first of a walk."""
        self._stretches = None

    def next_slice(
        self, examine: Callable[[Stretch, list[CoordinatorRecord]], None]
    ) -> tuple[list[CoordinatorRecord], bool]:
        """Have `examine` add records for what it finds; return them, and whether the walk has ended."""
        if self._stretches is None:
            self._stretches = self._walk()
        records: list[CoordinatorRecord] = []
        cost = count = records_bytes = 0
        for stretch in self._stretches:
            examine(stretch, records)
            cost += _GROUP_COST + len(stretch.places)
            records_bytes += sum(len(record.key) for record in records[count:])
            count = len(records)
            if cost >= self._offsets_per_slice or count >= RECORDS_MAX or records_bytes >= RECORDS_BYTES_MAX:
                return records, False
        self._stretches = None
        return records, True

    def _walk(self) -> Iterator[Stretch]:
        for group_id in self._groups.ids():
            places = list(self._offsets.of_group(group_id.encode()) or ())
            fitting = RECORDS_BYTES_MAX // (len(group_id.encode()) + _PLACE_BYTES)
            size = max(1, min(self._offsets_per_slice, RECORDS_MAX, fitting))
            for start in range(0, len(places) or 1, size):
                yield Stretch(group_id, places[start : start + size], start + size >= len(places))
