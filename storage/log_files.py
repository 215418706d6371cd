"""What lies in a log's directory, sorted into segments at start."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from . import offset_index, time_index
from .descriptors import DescriptorCache
from .log_config import LogConfig
from .segment import DELETED_SUFFIX, INDEX_SUFFIXES, LOG_SUFFIX, TRANSACTION_INDEX_SUFFIX, Segment, file_prefix

# What a crash leaves of files that were being replaced or deleted, by Kafka or by us.
_LEFTOVER_SUFFIXES = (".tmp", DELETED_SUFFIX, ".cleaned")
_OFFSET_DIGITS = 20

logger = logging.getLogger(__name__)


def open_segments(
    descriptors: DescriptorCache, directory: str, config: LogConfig, now_ms: int, file_sizes: Mapping[str, int]
) -> list[Segment]:
    """The segments in a directory, oldest first; removes leftovers and indexes without a log.

    Opens no file. `file_sizes` is the directory's listing, in bytes by name. Raises OSError.
    """
    filesystem = descriptors.filesystem
    base_offsets: list[int] = []
    for name in file_sizes:
        stem, dot, extension = name.partition(".")
        suffix = dot + extension
        if suffix.endswith(_LEFTOVER_SUFFIXES):
            filesystem.unlink(f"{directory}/{name}")
        elif len(stem) != _OFFSET_DIGITS or not stem.isdecimal():
            continue
        elif suffix == LOG_SUFFIX:
            base_offsets.append(int(stem))
        elif suffix in (*INDEX_SUFFIXES, TRANSACTION_INDEX_SUFFIX) and stem + LOG_SUFFIX not in file_sizes:
            logger.warning("%s/%s: index without its segment, removed", directory, name)
            filesystem.unlink(f"{directory}/{name}")
    base_offsets.sort()
    return [Segment(descriptors, directory, base_offset, config, now_ms, file_sizes) for base_offset in base_offsets]


def mend_indexes(segments: Sequence[Segment], file_sizes: Mapping[str, int]) -> None:
    """Makes the indexes anew that are missing or cannot be true, as far as the batch headers can be read.

    Those of the last segment are looked into, since the end of the log is found by them. Raises OSError.
    """
    last = segments[-1]
    for segment in segments:
        is_new = file_prefix(segment.base_offset) + LOG_SUFFIX not in file_sizes
        if is_new or segment.time_index.entries.unsynced:
            continue  # The files have just been made, or the entries, by recovery.
        if not _sizes_hold(segment, file_sizes) or (segment is last and not _tails_hold(segment)):
            logger.warning("%s: indexes missing or damaged, made anew", segment.file.path)
            segment.rebuild_indexes()


def _sizes_hold(segment: Segment, file_sizes: Mapping[str, int]) -> bool:
    """Whether both index files are there, of a size that indexes have; an empty segment has nothing in them."""
    prefix = file_prefix(segment.base_offset)
    offsets_bytes = file_sizes.get(prefix + offset_index.SUFFIX)
    times_bytes = file_sizes.get(prefix + time_index.SUFFIX)
    if not segment.size_bytes:
        return not offsets_bytes and not times_bytes
    if offsets_bytes is None or not times_bytes:
        return False  # A segment that was closed has at least its largest timestamp in it.
    return offsets_bytes % offset_index.ENTRY.size == 0 and times_bytes % time_index.ENTRY.size == 0


def _tails_hold(segment: Segment) -> bool:
    """Whether the last entries of both indexes can be true.

    As Kafka's sanity check: a file that was preallocated, or lost what was in it, ends in zeros, as no index does.
    """
    offsets, times = segment.offset_index, segment.time_index
    return (not len(offsets.entries) or 0 < offsets.last().position < segment.size_bytes) and (
        not len(times.entries) or times.last() > (0, segment.base_offset)
    )
