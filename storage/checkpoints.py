"""The small files that describe one log directory as a whole, in Kafka's formats.

- `recovery-point-offset-checkpoint`: below which offset each log is known to be on disk; recovery starts there.
- `log-start-offset-checkpoint`: where logs begin from whose front records were deleted.
- `replication-offset-checkpoint`: high watermarks.
- `.kafka_cleanshutdown`: there only while nothing has been written since a clean stop.

An offset file is a version, a count, then `topic partition offset` lines. One that cannot be read costs what it would
have saved, not the start: its offsets are unknown, so recovery scans everything.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from .filesystem import Filesystem
from .text_checkpoint import CorruptCheckpoint, decode_lines, encode_lines, integers

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
LOG_START_OFFSETS = "log-start-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
_VERSION = 0

TopicPartition = tuple[str, int]
"""A topic's name and the index of one of its partitions."""

logger = logging.getLogger(__name__)


def encode_offsets(offsets: Mapping[TopicPartition, int]) -> bytes:
    """Content of an offset checkpoint."""
    return encode_lines(_VERSION, [f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items()])


def decode_offsets(data: bytes, path: str) -> dict[TopicPartition, int]:
    """Reads an offset checkpoint; empty, as Kafka makes it at first, holds none. Raises CorruptCheckpoint."""
    offsets: dict[TopicPartition, int] = {}
    for line in decode_lines(data, _VERSION, path) if data else ():
        topic, _, numbers = line.partition(" ")
        partition, offset = integers(numbers, 2, path)
        if offset < 0:
            raise CorruptCheckpoint(path, f"negative offset in {line[:80]!r}")
        offsets[topic, partition] = offset
    return offsets


def read_offsets(directory: str, name: str, filesystem: Filesystem) -> dict[TopicPartition, int]:
    """The offsets of one checkpoint of a log directory; none, with a warning, where it cannot be read as one."""
    path = f"{directory}/{name}"
    try:
        return decode_offsets(filesystem.read_file(path), path)
    except FileNotFoundError:
        return {}
    except CorruptCheckpoint as error:
        logger.warning("%s; going on without it", error)
        return {}


def write_offsets(directory: str, name: str, offsets: Mapping[TopicPartition, int], filesystem: Filesystem) -> None:
    """Replaces one checkpoint of a log directory, durably. Raises OSError."""
    filesystem.write_atomically(f"{directory}/{name}", encode_offsets(offsets))


def is_marked_clean(directory: str, filesystem: Filesystem) -> bool:
    """Whether the broker that last used a log directory closed all its logs; the content does not matter."""
    return filesystem.exists(f"{directory}/{CLEAN_SHUTDOWN}")


def mark_clean(directory: str, broker_epoch: int, filesystem: Filesystem) -> None:
    """Says that all logs of a directory are closed and on disk."""
    content = b'{"version":0,"brokerEpoch":%d}' % broker_epoch
    filesystem.write_atomically(f"{directory}/{CLEAN_SHUTDOWN}", content)


def unmark_clean(directory: str, filesystem: Filesystem) -> None:
    """Takes the mark away, durably: come back after a power loss, it would hide what was torn."""
    filesystem.unlink(f"{directory}/{CLEAN_SHUTDOWN}")
    filesystem.fsync_directory(directory)
