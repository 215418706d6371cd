"""Opens one log at start: as it was left after a clean stop, by way of recovery after any other."""

from __future__ import annotations

import logging
from typing import NamedTuple

from protocol.errors import KafkaError

from .checkpoints import TopicPartition
from .descriptors import DescriptorCache
from .log import Log
from .log_config import LogConfig
from .log_directory import LogDirectory
from .recovery import Cut, recover

logger = logging.getLogger(__name__)


class LoadedLog(NamedTuple):
    """A log that was opened, and what opening it took."""

    log: Log
    cut: Cut | None
    bytes_scanned: int


def load_log(
    directory: LogDirectory,
    path: str,
    key: TopicPartition,
    config: LogConfig,
    descriptors: DescriptorCache,
    now_ms: int,
    producer_id_expiration_ms: int,
) -> LoadedLog:
    """Opens the log in the directory `path`. Raises OSError.

    A log that was closed cleanly and yet cannot be read as it stands is recovered too.
    """
    topic, partition = key
    if directory.was_clean:
        try:
            log = Log.open(
                path,
                topic,
                partition,
                config,
                descriptors.filesystem,
                now_ms=now_ms,
                descriptors=descriptors,
                log_start_offset=directory.log_start_offsets.get(key, 0),
                producer_id_expiration_ms=producer_id_expiration_ms,
            )
            if not log.leader_epochs.damaged:
                return _loaded(log, None, 0)
            log.close_files()
        except KafkaError as error:
            logger.warning("[%s-%d] damaged though it was closed cleanly: %s", topic, partition, error.message)
    recovery_point = directory.recovery_points.get(key, 0)
    cut: Cut | None = None
    bytes_scanned = 0

    def run(log: Log) -> None:
        nonlocal cut, bytes_scanned
        cut, bytes_scanned = recover(log, recovery_point, descriptors, now_ms)

    log = Log.open(
        path,
        topic,
        partition,
        config,
        descriptors.filesystem,
        now_ms=now_ms,
        descriptors=descriptors,
        log_start_offset=directory.log_start_offsets.get(key, 0),
        recovery_point=recovery_point,
        producer_id_expiration_ms=producer_id_expiration_ms,
        recover=run,
    )
    if cut is not None:
        logger.warning("[%s-%d] recovery %s", topic, partition, cut)
    return _loaded(log, cut, bytes_scanned)


def _loaded(log: Log, cut: Cut | None, bytes_scanned: int) -> LoadedLog:
    # Each clean stop leaves a snapshot at the log's end; only the newest of those that no segment starts at is of use.
    log.snapshots.retain(segment.base_offset for segment in log.segments)
    return LoadedLog(log, cut, bytes_scanned)
