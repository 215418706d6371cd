"""The committed offsets of all groups of one partition of `__consumer_offsets`, as the bytes that lie in the log.

A coordinator may hold millions of offsets and is asked for few of them, so nothing is decoded until somebody asks. Of
a record's key the group id and the rest, which names the partition, are kept apart, because all groups that read the
same topics have the same rests:

    00 01  00 05 "group"  00 06 "orders" 00 00 00 02
    version  group_id     place: partition 2 of orders

What is in the store can be decoded: bytes that cannot are not taken over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from struct import Struct as Format
from typing import Final

from protocol.codec import decode_versioned
from protocol.consumer_offsets import OffsetCommitValue, encode_offset_commit_value
from protocol.errors import MalformedFrame
from protocol.schema import ZERO_UUID

SHARED_PLACES_MAX: Final = 16_384
"""Groups share so many places at a time: more would cost more memory than they save where groups share none."""

NO_EXPIRY: Final = -1
"""The time at which an offset expires whose client has not asked for one."""

INDEX_BYTES: Final = 4
"""At the end of a place stands the partition's index, and before it only the topic."""

encode_index: Final = Format(">i").pack
"""A partition's index as it ends a place."""

_LENGTH_BYTES = 2  # before the topic's name
# The value of nearly every commit: v4 with an offset, a leader epoch, no metadata (1 is one more than its length), a
# time, and one tag, number 0, with the 16 bytes of the topic id.
_PLAIN = Format(">hqiBqBBB16s")
_PLAIN_BYTES = _PLAIN.size
_PLAIN_VERSION = b"\x00\x04"
_PLAIN_TAG = b"\x01\x00\x10"


class OffsetStore:
    """Per group the last value of each place. It changes only by `replay` and `forget`."""

    __slots__ = ("_groups", "_shared_places")

    def __init__(self) -> None:
        self._groups: dict[bytes, dict[bytes, bytes]] = {}
        self._shared_places: dict[bytes, bytes] = {}

    def replay(self, key: bytes, value: bytes | None) -> bool:
        """Take over the record of an offset, or its tombstone; False if it cannot be read, and is left out."""
        if len(key) < 4:
            return False
        group_end = 4 + (key[2] << 8 | key[3])
        group_id = key[4:group_end]
        place = key[group_end:]
        offsets = self._groups.get(group_id)
        if value is None:
            if offsets is not None:
                offsets.pop(place, None)
            return True
        if offsets is None or place not in self._shared_places:
            if not _is_text(group_id) or not _is_place(place):
                return False
            if len(self._shared_places) == SHARED_PLACES_MAX:
                self._shared_places.clear()
            self._shared_places.setdefault(place, place)
        if not _is_value(value):
            return False
        if offsets is None:
            offsets = self._groups[group_id] = {}
        offsets[self._shared_places[place]] = value
        return True

    def forget(self, group_id: bytes) -> None:
        """Take over the tombstone of a group: without offsets nothing is left of it here."""
        if group_id in self._groups and not self._groups[group_id]:
            del self._groups[group_id]

    @property
    def group_ids(self) -> Collection[bytes]:
        """All groups that have committed, even if their offsets have all been deleted since.

        As in Kafka such a group lives on, until a tombstone of its own.
        """
        return self._groups.keys()

    def of_group(self, group_id: bytes) -> Mapping[bytes, bytes] | None:
        """The group's values by place; None if it has not committed."""
        return self._groups.get(group_id)


def key_prefix(group_id: bytes) -> bytes:
    """What stands before the place in the keys of a group's offsets."""
    return b"\x00\x01" + len(group_id).to_bytes(2) + group_id


@lru_cache(maxsize=4096)  # it takes a third of the time, for every commit
def key_of_topic(group_id: str, topic: str) -> bytes:
    """What stands before the index in the keys of a group's offsets in one topic."""
    return key_prefix(group_id.encode()) + encode_place(topic, 0)[:-INDEX_BYTES]


def encode_place(topic: str, index: int) -> bytes:
    """The place of a partition."""
    name = topic.encode()
    return len(name).to_bytes(2) + name + encode_index(index)


def decode_place(place: bytes) -> tuple[str, int]:
    """The topic's name and the partition's index of a place that is in the store."""
    return place[_LENGTH_BYTES:-INDEX_BYTES].decode(), int.from_bytes(place[-INDEX_BYTES:], signed=True)


def encode_value(
    offset: int, leader_epoch: int, metadata: str, commit_timestamp: int, expire_timestamp: int, topic_id: bytes
) -> bytes:
    """The value of a commit; see `OffsetCommitValue`."""
    if not metadata and expire_timestamp == NO_EXPIRY and topic_id != ZERO_UUID:
        return _PLAIN.pack(4, offset, leader_epoch, 1, commit_timestamp, 1, 0, 16, topic_id)
    return encode_offset_commit_value(
        OffsetCommitValue(
            offset=offset,
            leader_epoch=leader_epoch,
            metadata=metadata,
            commit_timestamp=commit_timestamp,
            expire_timestamp=expire_timestamp,
            topic_id=topic_id,
        )
    )


def decode_value(value: bytes) -> OffsetCommitValue:
    """Decode a value that is in the store."""
    return decode_versioned(OffsetCommitValue, value)


def _is_place(place: bytes) -> bool:
    return (
        len(place) >= _LENGTH_BYTES + INDEX_BYTES
        and len(place) == _LENGTH_BYTES + (place[0] << 8 | place[1]) + INDEX_BYTES
        and _is_text(place[_LENGTH_BYTES:-INDEX_BYTES])
    )


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_value(value: bytes) -> bool:
    if len(value) == _PLAIN_BYTES and value[14] == 1 and value[:2] == _PLAIN_VERSION and value[23:26] == _PLAIN_TAG:
        return True
    try:
        decode_versioned(OffsetCommitValue, value)
    except MalformedFrame:
        return False
    return True
