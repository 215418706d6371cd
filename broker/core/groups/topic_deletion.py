"""The offsets of deleted topics go, in all groups.

Those that were committed for a topic of the same name but another id stay: it has been created anew since.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from protocol.errors import ErrorCode
from protocol.schema import ZERO_UUID

from ..result import CoordinatorRecord, Result
from .groups import Groups
from .offset_store import INDEX_BYTES, OffsetStore, decode_value, encode_place, key_prefix
from .offset_sweep import PAUSE_MS, OffsetSweep, Stretch

TOPIC_DELETION_KEY: Final = ("topic deletion",)
RETRY_MS: Final = 10_000

_OFFSETS_PER_SLICE: Final = 10_000


class TopicDeletion:
    """Walks through all offsets when topics have been deleted."""

    __slots__ = ("_ids", "_offsets", "_sweep")

    def __init__(self, groups: Groups, offsets: OffsetStore) -> None:
        self._offsets = offsets
        self._sweep = OffsetSweep(groups, offsets, _OFFSETS_PER_SLICE)
        self._ids: dict[bytes, set[bytes]] = {}  # of the deleted topics, by what a place begins with

    def begin(self, topics: Iterable[tuple[str, bytes]]) -> Result:
        """Walk for these, of name and id, and for those of a walk that has not ended."""
        for name, topic_id in topics:
            # An offset that was committed without an id is taken for one of any topic of that name.
            self._ids.setdefault(encode_place(name, 0)[:-INDEX_BYTES], {ZERO_UUID}).add(topic_id)
        self._sweep.restart()
        return self.on_timer()

    def on_timer(self) -> Result:
        """Go through the next slice."""
        ids = self._ids
        records, has_ended = self._sweep.next_slice(self._delete)
        result = Result(records=records)
        result.timers[TOPIC_DELETION_KEY] = None if has_ended else PAUSE_MS
        if has_ended:
            self._ids = {}

        def on_refused(code: ErrorCode) -> Result:
            self._ids = ids
            self._sweep.restart()
            later = Result()
            later.timers[TOPIC_DELETION_KEY] = RETRY_MS
            return later

        result.on_refused = on_refused
        return result

    def _delete(self, stretch: Stretch, records: list[CoordinatorRecord]) -> None:
        group_id = stretch.group_id.encode()
        prefix = key_prefix(group_id)
        committed = self._offsets.of_group(group_id) or {}
        for place in stretch.places:
            ids = self._ids.get(place[:-INDEX_BYTES])
            if ids is not None and place in committed and decode_value(committed[place]).topic_id in ids:
                records.append(CoordinatorRecord(prefix + place, None))
