"""Recovery of a log after an unclean stop: keeps the longest run of whole batches, and cuts off the rest.

Everything before the recovery point is on disk; what follows may be torn, missing or zeros after a power loss. So the
segment that holds the recovery point and those after it are read, each batch's header and CRC checked, and cut at the
first batch that is not whole or does not follow from the one before. Indexes, leader epochs and producer state are
made anew from the same pass. Done again after a crash in its midst, it comes to the same end.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from protocol.errors import MalformedFrame

from .batch_scan import scan_batches
from .descriptors import DescriptorCache
from .leader_epochs import UNDEFINED_EPOCH, EpochStart, LeaderEpochs
from .log import Log
from .producer_replay import reload_producers, replay_batch
from .producer_snapshot import ProducerSnapshots
from .producer_state import ProducerStateManager
from .segment import RELATIVE_OFFSET_MAX, Segment


def recover(log: Log, recovery_point: int, descriptors: DescriptorCache, now_ms: int) -> tuple[Cut | None, int]:
    """Checks a log that is being opened; returns what was cut, if anything, and how many bytes were read.

    Its segments, leader epochs and producers are then what its batches say. Raises OSError.
    """
    recovery = Recovery(log.directory, log.segments, log.leader_epochs, log.producers, log.snapshots)
    cut = recovery.run(recovery_point, 0 if log.leader_epochs.damaged else recovery_point)
    end_offset = recovery.next_offset
    if log.log_start_offset > end_offset:
        # Its end is lost up to before its start: an offset that was deleted is not given out again.
        end_offset = log.log_start_offset
        removed = list(log.segments)
        discard(log.directory, removed)
        log.segments[:] = [Segment.create(descriptors, log.directory, end_offset, log.config, now_ms)]
        log.leader_epochs.replace(())
        size_bytes = sum(segment.size_bytes for segment in removed)
        cut = Cut(end_offset, 0, size_bytes, len(removed), f"all before the log start {end_offset}")
    # With this, the next start has nothing to replay, however far back the last snapshot is.
    log.snapshots.truncate(log.segments[0].base_offset, end_offset)
    log.snapshots.take(log.producers, end_offset)
    return cut, recovery.bytes_scanned


@dataclass(frozen=True, slots=True)
class Cut:
    """What recovery took from the end of a log."""

    end_offset: int
    """Where the log ends now; records from here on are gone."""
    position: int
    """Bytes kept of the segment that was cut."""
    bytes_cut: int
    segments_removed: int
    reason: str

    def __str__(self) -> str:
        removed = f" and {self.segments_removed} later segments" if self.segments_removed else ""
        where = f"from offset {self.end_offset} (byte {self.position}) on"
        return f"cut {self.bytes_cut} bytes{removed} {where}: {self.reason}"


class Recovery:
    """One pass over the tail of a log, whose `segments` are changed in place."""

    def __init__(
        self,
        directory: str,
        segments: list[Segment],
        epochs: LeaderEpochs,
        producers: ProducerStateManager,
        snapshots: ProducerSnapshots,
    ) -> None:
        self._directory = directory
        self._segments = segments
        self._epochs = epochs
        self._producers = producers
        self._snapshots = snapshots
        self._found: list[EpochStart] = []
        self.bytes_scanned = 0
        self.next_offset = segments[0].base_offset
        """Offset after the last batch known to be good."""

    def run(self, recovery_point: int, scan_from: int) -> Cut | None:
        """Checks the segment that holds offset `scan_from` and all later ones; returns what was cut, if anything.

        `scan_from` is the recovery point, or lower where more than the batches is in doubt. Raises OSError.
        """
        segments = self._segments
        first = max(0, bisect_right(segments, scan_from, key=lambda segment: segment.base_offset) - 1)
        start_offset = segments[first].base_offset
        reload_producers(self._producers, self._snapshots, segments, start_offset)
        self._found = [entry for entry in self._epochs.entries if entry.start_offset < start_offset]
        self.next_offset = start_offset
        cut = None
        for index in range(first, len(segments)):
            segment = segments[index]
            if index > first:
                reason = self._misplaced(segment, recovery_point)
                if reason is not None:
                    cut = self._cut(index, segments[index - 1].size_bytes, reason)
                    break
                self._snapshots.take(self._producers, segment.base_offset)
            kept_bytes, reason = self._scan(segment)
            if reason is not None:
                cut = self._cut(index + 1, kept_bytes, reason)
                break
        for segment in segments[first:-1]:
            segment.finish()
        segments[-1].write_out_indexes()
        self._epochs.replace(self._found)
        return cut

    def _misplaced(self, segment: Segment, recovery_point: int) -> str | None:
        """Why a segment does not follow from the one before, whose end may be lost even where its own start is not.

        Before the recovery point nothing is lost: a gap there was left by compaction.
        """
        if segment.base_offset < self.next_offset:
            return f"a segment starts at offset {segment.base_offset}, before {self.next_offset}"
        if segment.base_offset > max(self.next_offset, recovery_point):
            return f"the next segment starts at offset {segment.base_offset}, after {self.next_offset}"
        return None

    def _scan(self, segment: Segment) -> tuple[int, str | None]:
        """Checks a segment and makes its indexes anew: how many of its bytes are good, and why the rest is not."""
        segment.clear_indexes()
        next_offset = max(self.next_offset, segment.base_offset)
        last_offset_max = segment.base_offset + RELATIVE_OFFSET_MAX
        found = self._found
        latest_epoch = found[-1].epoch if found else UNDEFINED_EPOCH
        end = 0
        file = segment.file
        file.pin()
        try:
            for position, header, batch in scan_batches(file.filesystem, file.descriptor(), 0, segment.size_bytes):
                base_offset, _, epoch, _, _, _, last_offset_delta, _, max_timestamp, producer_id, _, _, _ = header
                last_offset = base_offset + last_offset_delta
                if base_offset < next_offset:
                    return end, f"a batch has offset {base_offset}, before {next_offset}"
                if not base_offset <= last_offset <= last_offset_max:
                    return end, f"a batch ends at offset {last_offset}, impossible from {base_offset}"
                if epoch != latest_epoch and epoch >= 0:
                    if epoch < latest_epoch:
                        return end, f"a batch has leader epoch {epoch}, after {latest_epoch}"
                    found.append(EpochStart(epoch, base_offset))
                    latest_epoch = epoch
                if producer_id >= 0:
                    replay_batch(self._producers, header, batch)
                size_bytes = len(batch)
                segment.note_batch(position, size_bytes, last_offset, max_timestamp)
                next_offset = last_offset + 1
                end = position + size_bytes
        except MalformedFrame as error:
            return end, str(error)
        finally:
            self.next_offset = next_offset
            self.bytes_scanned += end
            file.unpin()
        return end, None

    def _cut(self, count: int, kept_bytes: int, reason: str) -> Cut:
        """Keeps `count` segments, the last of them up to `kept_bytes`."""
        segments = self._segments
        removed = segments[count:]
        last = segments[count - 1]
        bytes_cut = last.size_bytes - kept_bytes + sum(segment.size_bytes for segment in removed)
        # The later ones go first and for good: a crash after this leaves the same cut to be found again.
        discard(self._directory, removed)
        del segments[count:]
        if kept_bytes < last.size_bytes:
            last.truncate_at(kept_bytes)
        return Cut(self.next_offset, kept_bytes, bytes_cut, len(removed), reason)


def discard(directory: str, segments: list[Segment]) -> None:
    """Renames the files of segments, the last one first, to what the next start deletes. Raises OSError."""
    if not segments:
        return
    filesystem = segments[0].filesystem
    for segment in reversed(segments):
        segment.close()
        segment.mark_deleted()
    filesystem.fsync_directory(directory)
