"""Snapshots of a partition's producers: `<20-digit offset>.snapshot`, the state before the record at that offset.

The format is Kafka's ProducerSnapshot.json, big-endian: int16 version 1, uint32 CRC-32C of what follows it, int32
count, then per entry the fields of `_ENTRY`. Kafka writes one entry per producer, which keeps only its last batch. We
write one per batch remembered, oldest first: Kafka reads entries into a map by producer id, so the last one wins there,
while a client of ours that sends its five batches in flight again after a restart finds them all known as duplicates.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable

from protocol.checksum import crc32c

from .filesystem import Filesystem
from .producer_state import NO_OFFSET, NO_SEQUENCE, AppendedBatch, ProducerEntry, ProducerStateManager

SUFFIX = ".snapshot"
_VERSION = 1
_HEADER = struct.Struct(">hIi")
_CRC_POSITION = 2
_CHECKED_POSITION = 6
# Producer id, epoch, last sequence, last offset, offset delta, timestamp, coordinator epoch, first offset of the open
# transaction (-1 for none).
_ENTRY = struct.Struct(">qhiqiqiq")
_SEQUENCE_MASK = (1 << 31) - 1

logger = logging.getLogger(__name__)


class CorruptSnapshot(Exception):
    """A snapshot file that cannot be read; the text says why."""


def encode(entries: Iterable[ProducerEntry]) -> bytearray:
    """Content of a snapshot file."""
    rows: list[bytes] = []
    for entry in entries:
        batches = entry.batches
        if not batches:
            rows.append(
                _ENTRY.pack(
                    entry.producer_id,
                    entry.epoch,
                    NO_SEQUENCE,
                    NO_OFFSET,
                    0,
                    entry.last_timestamp_ms,
                    entry.coordinator_epoch,
                    entry.transaction_first_offset,
                )
            )
            continue
        newest = batches[-1]
        for batch in batches:
            is_newest = batch is newest
            rows.append(
                _ENTRY.pack(
                    entry.producer_id,
                    entry.epoch,
                    batch.last_sequence,
                    batch.last_offset,
                    batch.last_offset - batch.base_offset,
                    entry.last_timestamp_ms if is_newest else batch.timestamp,
                    entry.coordinator_epoch,
                    entry.transaction_first_offset if is_newest else NO_OFFSET,
                )
            )
    data = bytearray(_HEADER.pack(_VERSION, 0, len(rows)))
    data += b"".join(rows)
    struct.pack_into(">I", data, _CRC_POSITION, crc32c(memoryview(data)[_CHECKED_POSITION:]))
    return data


def decode(data: bytes | bytearray | memoryview) -> list[ProducerEntry]:
    """Reads a snapshot file, ours or Kafka's; raises CorruptSnapshot."""
    if len(data) < _HEADER.size:
        raise CorruptSnapshot(f"{len(data)} bytes are too few")
    version, crc, count = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise CorruptSnapshot(f"version {version}, expected {_VERSION}")
    if crc != crc32c(memoryview(data)[_CHECKED_POSITION:]):
        raise CorruptSnapshot("wrong CRC")
    if count < 0 or len(data) != _HEADER.size + count * _ENTRY.size:
        raise CorruptSnapshot(f"{len(data)} bytes do not hold {count} entries")
    entries: dict[int, ProducerEntry] = {}
    for producer_id, epoch, sequence, offset, delta, timestamp, coordinator_epoch, transaction in _ENTRY.iter_unpack(
        memoryview(data)[_HEADER.size :]
    ):
        entry = entries.get(producer_id)
        if entry is None or entry.epoch != epoch:
            entry = entries[producer_id] = ProducerEntry(producer_id, epoch)
        entry.last_timestamp_ms = timestamp
        entry.coordinator_epoch = coordinator_epoch
        entry.transaction_first_offset = transaction
        if offset >= 0:
            first_sequence = (sequence - delta) & _SEQUENCE_MASK
            entry.batches.append(AppendedBatch(first_sequence, sequence, offset - delta, offset, timestamp))
    return list(entries.values())


def file_name(offset: int) -> str:
    """Name of the snapshot of the state before the record at `offset`."""
    return f"{offset:020d}{SUFFIX}"


class ProducerSnapshots:
    """The snapshot files in one log directory.

    One is taken at each roll, at the base offset of the new segment, and one at a clean close, at the log end: Kafka
    keeps the same ones, so that recovery replays no batch below the recovery point's segment, and a clean start none.
    """

    __slots__ = ("_directory", "_filesystem", "_offsets")

    def __init__(self, directory: str, filesystem: Filesystem, file_names: Iterable[str] = ()) -> None:
        """`file_names` is the listing of the directory; other files in it are passed over."""
        self._directory = directory
        self._filesystem = filesystem
        self._offsets = sorted(
            int(name[: -len(SUFFIX)])
            for name in file_names
            if name.endswith(SUFFIX) and len(name) == 20 + len(SUFFIX) and name[:20].isdecimal()
        )

    @property
    def offsets(self) -> tuple[int, ...]:
        """Offsets that have a snapshot, rising."""
        return tuple(self._offsets)

    @property
    def latest(self) -> int:
        """Offset of the newest snapshot; -1 where there is none."""
        return self._offsets[-1] if self._offsets else NO_OFFSET

    def follow(self, directory: str, offsets: Iterable[int] | None = None) -> None:
        """Goes on with the files of another directory, which are the same; or with those at these offsets."""
        self._directory = directory
        if offsets is not None:
            self._offsets = sorted(offsets)

    def take(self, producers: ProducerStateManager, offset: int, *, sync: bool = False) -> None:
        """Writes the state before `offset`, the log end; no effect where that snapshot exists. Raises OSError.

        Without `sync` a power loss may spoil the file, which costs replaying from the snapshot before.
        """
        if self.latest == offset:
            return
        self._filesystem.write_atomically(self._path(offset), bytes(encode(producers)), sync=sync)
        self._offsets = sorted({*self._offsets, offset})

    def load(self, producers: ProducerStateManager) -> int:
        """Replaces the state by the newest readable snapshot and returns its offset; -1 where there is none.

        Replaying goes on at that offset. An unreadable snapshot is removed.
        """
        while self._offsets:
            offset = self._offsets[-1]
            try:
                producers.load(decode(self._filesystem.read_file(self._path(offset))))
            except (CorruptSnapshot, FileNotFoundError) as error:
                logger.warning("%s: skipping producer snapshot: %s", self._path(offset), error)
                self.remove(offset)
                continue
            return offset
        producers.clear()
        return NO_OFFSET

    def truncate(self, first_offset: int, log_end_offset: int) -> None:
        """Removes the snapshots past the log's end, and those before the first segment: what follows them is gone.

        One at or above the first segment's base stays good below the log start: its later batches can be replayed.
        """
        for offset in self.offsets:
            if not first_offset <= offset <= log_end_offset:
                self.remove(offset)

    def retain(self, base_offsets: Iterable[int]) -> None:
        """Removes the snapshots that belong to no segment, but not the newest one past the last segment's base."""
        kept = set(base_offsets)
        if self._offsets and kept and self.latest > max(kept):
            kept.add(self.latest)
        for offset in self.offsets:
            if offset not in kept:
                self.remove(offset)

    def remove(self, offset: int) -> None:
        """Removes one snapshot; no effect where there is none."""
        self._filesystem.unlink(self._path(offset))
        if offset in self._offsets:
            self._offsets.remove(offset)

    def _path(self, offset: int) -> str:
        return f"{self._directory}/{file_name(offset)}"
