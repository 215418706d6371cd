"""Where each leader epoch starts in a log: what tells diverged logs apart (KIP-101, KIP-279, KIP-320).

Held as a list of (epoch, start offset), both strictly rising, and mirrored in Kafka's `leader-epoch-checkpoint` file:

    0                 version
    2                 how many lines follow
    3 0               epoch 3 starts at offset 0
    7 1520            epoch 7 starts at offset 1520

The file changes only when an epoch has its first batch, so a start of the broker, which raises the epoch of every
partition, writes nothing. It is not fsynced then: after a crash the epochs above the recovery point are found again
in the batches; `flush` makes the file durable before a recovery point may pass it, and may run in another thread than
the rest.
"""

from __future__ import annotations

import bisect
import logging
from collections.abc import Iterable
from typing import NamedTuple

from .filesystem import Filesystem
from .text_checkpoint import CorruptCheckpoint, decode_lines, encode_lines, integers

FILE_NAME = "leader-epoch-checkpoint"
UNDEFINED_EPOCH = -1
UNDEFINED_OFFSET = -1
_VERSION = 0

logger = logging.getLogger(__name__)


class EpochStart(NamedTuple):
    """A leader epoch and the offset of its first batch."""

    epoch: int
    start_offset: int


class EpochEnd(NamedTuple):
    """Answer of OffsetForLeaderEpoch: the epoch found and the offset after its last record; -1, -1 for unknown."""

    epoch: int
    end_offset: int


UNDEFINED = EpochEnd(UNDEFINED_EPOCH, UNDEFINED_OFFSET)


class LeaderEpochs:
    """The leader epochs of one log, in memory and in its directory.

    Methods that change something write the file first: after an OSError the epochs are what they were. Only what is
    forgotten from the start on stays in the file until the next write, since each start of the broker forgets it again.
    """

    __slots__ = ("_directory", "_entries", "_filesystem", "_synced", "_written", "damaged")

    def __init__(self, directory: str, filesystem: Filesystem, entries: Iterable[EpochStart] = ()) -> None:
        self._directory = directory
        self._filesystem = filesystem
        self._entries = tuple(entries)
        self.damaged = False
        """Whether the file says nothing of the epochs that the log has."""
        # How often the file was written, and the count of the newest write known to be durable.
        self._written = 0
        self._synced = 0

    @classmethod
    def load(cls, directory: str, filesystem: Filesystem) -> LeaderEpochs:
        """Reads the checkpoint of a log's directory; no file means no epochs.

        One that cannot be read gives none and is `damaged` until recovery has found them in the batches.
        """
        path = f"{directory}/{FILE_NAME}"
        try:
            return cls(directory, filesystem, decode(filesystem.read_file(path), path))
        except FileNotFoundError:
            return cls(directory, filesystem)
        except CorruptCheckpoint as error:
            logger.warning("%s", error)
            epochs = cls(directory, filesystem)
            epochs.damaged = True
            return epochs

    def follow(self, directory: str) -> None:
        """Goes on with the file of another directory, which holds the same entries."""
        self._directory = directory

    @property
    def entries(self) -> tuple[EpochStart, ...]:
        """All epochs with a batch in the log, oldest first."""
        return self._entries

    @property
    def latest(self) -> int:
        """Epoch of the last batch; -1 for a log that never had one."""
        return self._entries[-1].epoch if self._entries else UNDEFINED_EPOCH

    def assign(self, epoch: int, start_offset: int) -> None:
        """Notes that `epoch` has its first batch at `start_offset`; no effect while the epoch goes on.

        Entries that contradict it (a higher epoch, or a start at or after this one) go: an epoch without records, or
        the end of a log that was cut. `{(3,0) (5,20)}` and assign(6, 20) gives `{(3,0) (6,20)}`.
        """
        assert epoch >= 0 and start_offset >= 0, (epoch, start_offset)
        entries = self._entries
        if entries and entries[-1].epoch == epoch and entries[-1].start_offset <= start_offset:
            return
        kept = len(entries)
        while kept and (entries[kept - 1].epoch >= epoch or entries[kept - 1].start_offset >= start_offset):
            kept -= 1
            if entries[kept].start_offset != start_offset:
                logger.warning(
                    "%s: %s gives way to epoch %d at %d", self._directory, entries[kept], epoch, start_offset
                )
        self._write((*entries[:kept], EpochStart(epoch, start_offset)))

    def epoch_for(self, offset: int) -> int:
        """Epoch of the record at an offset; -1 for an offset before the first known epoch."""
        index = bisect.bisect_right(self._entries, offset, key=_start_offset) - 1
        return self._entries[index].epoch if index >= 0 else UNDEFINED_EPOCH

    def end_offset_for(self, epoch: int, log_end_offset: int, current_epoch: int = UNDEFINED_EPOCH) -> EpochEnd:
        """The last epoch at or below `epoch`, and the offset after its last record.

        `current_epoch` is the one being led: it starts at the log end while it has no batch. The latest epoch ends at
        the log end. An epoch older than the log's first ends where the log starts, even one below 0, as in Kafka. With
        `{(3,0) (5,20)}` and log end 50: 5 gives (5,50), 4 gives (3,20), 2 gives (2,0), -2 gives (-2,0); 6 is unknown,
        and so is the epoch that stands for none.
        """
        if epoch == UNDEFINED_EPOCH:
            return UNDEFINED
        entries = self._entries
        if current_epoch > self.latest:
            entries = (*entries, EpochStart(current_epoch, log_end_offset))
        if not entries or epoch > entries[-1].epoch:
            return UNDEFINED
        if epoch == entries[-1].epoch:
            return EpochEnd(epoch, log_end_offset)
        higher = bisect.bisect_right(entries, epoch, key=_epoch)
        found = entries[higher - 1].epoch if higher else epoch
        return EpochEnd(found, entries[higher].start_offset)

    def truncate_from_end(self, offset: int) -> None:
        """Forgets the epochs that start at or after `offset`, now the end of the log."""
        entries = self._entries
        if offset >= 0 and entries and entries[-1].start_offset >= offset:
            self._write(entries[: bisect.bisect_left(entries, offset, key=_start_offset)])

    def truncate_from_start(self, offset: int) -> None:
        """Makes the first epoch start at `offset`, now the start of the log, and forgets those before it.

        `{(3,0) (5,20) (6,40)}` at 30 gives `{(5,30) (6,40)}`.
        """
        entries = self._entries
        index = bisect.bisect_right(entries, offset, key=_start_offset) - 1
        if index < 0 or (index == 0 and entries[0].start_offset == offset):
            return
        self._entries = (EpochStart(entries[index].epoch, offset), *entries[index + 1 :])

    def replace(self, entries: Iterable[EpochStart]) -> None:
        """Takes over the epochs that recovery found in the batches."""
        found = tuple(entries)
        if found != self._entries or self.damaged:
            self._write(found)
            self.damaged = False
        elif found:
            # Right as the killed process wrote it, which need not have reached the disk.
            self._written += 1

    def flush(self) -> None:
        """Makes the file durable; a recovery point may pass an epoch's start only after this."""
        written = self._written
        if written == self._synced:
            return
        # No rewrite: another thread may be replacing the file, which then counts as a newer write.
        self._filesystem.fsync_file(self._path)
        self._filesystem.fsync_directory(self._directory)
        self._synced = written

    @property
    def _path(self) -> str:
        return f"{self._directory}/{FILE_NAME}"

    def _write(self, entries: tuple[EpochStart, ...]) -> None:
        self._filesystem.write_atomically(self._path, encode(entries), sync=False)
        self._entries = entries
        self._written += 1


def encode(entries: Iterable[EpochStart]) -> bytes:
    """Content of a `leader-epoch-checkpoint` file."""
    return encode_lines(_VERSION, [f"{epoch} {start_offset}" for epoch, start_offset in entries])


def decode(data: bytes, path: str) -> list[EpochStart]:
    """Reads a `leader-epoch-checkpoint` file; raises CorruptCheckpoint, also where epochs or offsets do not rise.

    An empty file, which a power loss can leave, is corrupt: what it held is unknown.
    """
    entries = [EpochStart(*integers(line, 2, path)) for line in decode_lines(data, _VERSION, path)]
    previous = EpochStart(-1, -1)
    for entry in entries:
        if entry.epoch <= previous.epoch or entry.start_offset <= previous.start_offset:
            raise CorruptCheckpoint(path, f"{entry} does not rise above {previous}")
        previous = entry
    return entries


def _epoch(entry: EpochStart) -> int:
    return entry.epoch


def _start_offset(entry: EpochStart) -> int:
    return entry.start_offset
