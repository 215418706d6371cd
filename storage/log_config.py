"""What one log obeys: the topic settings that are in force, with Kafka's defaults."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

LONG_MAX = (1 << 63) - 1
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Settings of a log, named as Kafka's topic settings."""

    segment_bytes: int = 1 << 30
    """A segment is closed before it would grow beyond this many bytes (`segment.bytes`)."""

    segment_ms: int = 7 * _DAY_MS
    """A segment is closed by a batch whose timestamp is this much later than the first one's (`segment.ms`)."""

    segment_jitter_ms: int = 0
    """Up to this much earlier, at random for each segment, so that not all logs roll at once (`segment.jitter.ms`)."""

    segment_index_bytes: int = 10 << 20
    """Size in bytes at which an index is full, which closes its segment (`segment.index.bytes`)."""

    index_interval_bytes: int = 4096
    """Bytes of log between two index entries (`index.interval.bytes`)."""

    max_message_bytes: int = 1024 * 1024 + 12
    """Largest record batch in bytes, its 12 bytes of offset and length included (`max.message.bytes`)."""

    message_timestamp_type: Literal["CreateTime", "LogAppendTime"] = "CreateTime"
    """Whether a record keeps its producer's timestamp or gets the broker's (`message.timestamp.type`)."""

    message_timestamp_before_max_ms: int = LONG_MAX
    """How far a producer's timestamp may lie in the past (`message.timestamp.before.max.ms`)."""

    message_timestamp_after_max_ms: int = 3600 * 1000
    """How far a producer's timestamp may lie in the future (`message.timestamp.after.max.ms`)."""

    cleanup_policy: frozenset[str] = frozenset(("delete",))
    """What is done with old segments: `delete`, `compact`, both or nothing (`cleanup.policy`)."""

    retention_ms: int = 7 * _DAY_MS
    """A segment is deleted once its newest record is older than this; negative: never (`retention.ms`)."""

    retention_bytes: int = -1
    """The oldest segments are deleted while this many bytes are left without them; negative: no limit
    (`retention.bytes`)."""

    file_delete_delay_ms: int = 60_000
    """How long the files of a deleted segment stay on disk (`file.delete.delay.ms`)."""

    @property
    def deletes(self) -> bool:
        """Whether records that are too old or too many are deleted."""
        return "delete" in self.cleanup_policy

    def random_jitter_ms(self) -> int:
        """How much earlier than `segment_ms` a new segment is to be closed."""
        return random.randrange(min(self.segment_jitter_ms, self.segment_ms)) if self.segment_jitter_ms else 0
