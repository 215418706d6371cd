"""Rebuilds the producer state of a log from its newest snapshot and the batch headers that follow it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from protocol.errors import KafkaError, MalformedFrame
from protocol.record_batch import BatchHeader
from protocol.records import decode_control, iterate

from .producer_snapshot import ProducerSnapshots
from .producer_state import ProducerStateManager
from .segment import Segment

logger = logging.getLogger(__name__)


def reload_producers(
    producers: ProducerStateManager, snapshots: ProducerSnapshots, segments: Sequence[Segment], end_offset: int
) -> None:
    """Makes the state what it was before `end_offset`: at start, or when the log has been cut there.

    A header that cannot be read ends the replay with a warning: what is known of producers is then incomplete, which
    costs duplicates being noticed, while records stay readable.
    """
    first_offset = segments[0].base_offset
    snapshots.truncate(first_offset, end_offset)
    _replay_headers(producers, segments, max(first_offset, snapshots.load(producers)), end_offset)


def _replay_headers(
    producers: ProducerStateManager, segments: Sequence[Segment], start_offset: int, end_offset: int
) -> None:
    for index, segment in enumerate(segments):
        if index + 1 < len(segments) and segments[index + 1].base_offset <= start_offset:
            continue
        if segment.base_offset >= end_offset:
            break
        try:
            for position, header in segment.headers(segment.position_of(start_offset)):
                if header.base_offset >= end_offset:
                    break
                if header.is_control and header.producer_id >= 0:
                    replay_batch(producers, header, segment.read_bytes(position, header.size_bytes))
                else:
                    producers.update(header)
        except KafkaError as error:
            logger.warning("producers of %s are known incompletely: %s", segment.file.path, error.message)
            break


def replay_batch(producers: ProducerStateManager, header: BatchHeader, batch: bytes | memoryview) -> None:
    """Takes one whole batch of the log into the state; a transaction marker is looked into for its coordinator."""
    if not header.is_control:
        producers.update(header)
    elif header.producer_id >= 0:
        try:
            coordinator_epoch = decode_control(next(iterate(batch))).coordinator_epoch
        except (MalformedFrame, StopIteration):
            coordinator_epoch = None
        producers.end_transaction(header.producer_id, header.producer_epoch, header.max_timestamp, coordinator_epoch)
