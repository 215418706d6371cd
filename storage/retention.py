"""Which segments of a log are to be deleted: the rules of `retention.ms` and `retention.bytes`.

Pure; `Log.expire` does what is decided here. As in Kafka, segments go whole, from the oldest on, until one has to stay:

    sizes [100, 100, 100, 40], retention.bytes=200   only the first goes: without the second 140 would be left
    newest records [1 h, 30 h, 2 h], retention.ms=24 h   none goes: the first one has to stay
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from .log_config import LogConfig


class Reason(Enum):
    """Why a segment is deleted."""

    START = "log start offset"
    """All of it lies below the log's start, which a client has moved."""
    SIZE = "retention.bytes"
    AGE = "retention.ms"


class SegmentFacts(Protocol):
    """What is looked at of a segment; the newest time only where it matters, since it may have to be read."""

    @property
    def base_offset(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def newest_ms(self) -> int:
        """Time of its newest record, or of its last change where its records have no time."""


def plan_deletion(
    segments: Sequence[SegmentFacts],
    config: LogConfig,
    *,
    log_start_offset: int,
    log_end_offset: int,
    high_watermark: int,
    now_ms: int,
) -> list[Reason]:
    """Returns the reason for each segment that is to be deleted, oldest first.

    That is the case for the last one, too, if it has records: the log is rolled before it goes. What is not committed
    stays, whatever its age and size. Without the policy `delete`, only what lies below the log's start goes.
    """
    reasons: list[Reason] = []
    excess_bytes = -1
    if config.deletes and config.retention_bytes >= 0:
        excess_bytes = sum(segment.size_bytes for segment in segments) - config.retention_bytes
    by_age = config.deletes and config.retention_ms >= 0
    for index, segment in enumerate(segments):
        is_last = index + 1 == len(segments)
        end_offset = log_end_offset if is_last else segments[index + 1].base_offset
        if end_offset > high_watermark or (is_last and not segment.size_bytes):
            break
        if not is_last and end_offset <= log_start_offset:
            reasons.append(Reason.START)
        elif excess_bytes >= segment.size_bytes:
            reasons.append(Reason.SIZE)
        elif by_age and now_ms - segment.newest_ms > config.retention_ms:
            reasons.append(Reason.AGE)
        else:
            break
        excess_bytes -= segment.size_bytes
    return reasons
