"""The partitions that this broker leads, kept in step with the metadata image.

The table prepares every image before it is published: the logs of new partitions exist by the time that Metadata
shows them, and whoever waits for a partition of a deleted topic is answered at once. Logs are made in a thread, many
at a time; the table and the logs themselves are used on the loop's thread alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError
from storage.log import Log
from storage.log_config import LogConfig
from storage.log_manager import LogManager, is_disk_full

from .clock import Clock
from .config import Config
from .delayed import DelayedRequests
from .metadata.image import ImageDelta, MetadataImage, PartitionImage, TopicImage
from .partition import Partition
from .rate_limited_log import RateLimitedLog
from .topic_config import log_config

logger = logging.getLogger(__name__)

_MIN_INSYNC_REPLICAS = "min.insync.replicas"
_DELETIONS_PER_TURN = 16


class _Placed(NamedTuple):
    """A partition that this broker leads according to an image."""

    topic: TopicImage
    partition: int


class PartitionTable:
    """Finds led partitions by topic name or id; a subscriber of the ImagePublisher."""

    def __init__(self, config: Config, clock: Clock, logs: LogManager, delayed: DelayedRequests) -> None:
        self._config = config
        self._full_disks = RateLimitedLog(logger, clock)
        self._node_id = config.node_id
        self._logs = logs
        self._delayed = delayed
        self._by_name: dict[str, dict[int, Partition]] = {}
        self._by_id: dict[bytes, dict[int, Partition]] = {}
        """The same inner dicts: a topic's led partitions by index."""
        self._offline: set[tuple[bytes, int]] = set()
        """Topic id and index of the partitions whose log cannot be used until the next start."""

    # --- looking up --------------------------------------------------------------------------------------------

    def get(self, topic: str, index: int) -> Partition | None:
        """Return the led partition of a topic name; `absence` tells why there is none."""
        partitions = self._by_name.get(topic)
        return None if partitions is None else partitions.get(index)

    def get_by_id(self, topic_id: bytes, index: int) -> Partition | None:
        """Return the led partition of a topic id; `absence` tells why there is none."""
        partitions = self._by_id.get(topic_id)
        return None if partitions is None else partitions.get(index)

    def absence(self, topic: TopicImage | None, index: int, *, by_id: bool = False) -> ErrorCode:
        """Return why a partition is not in the table, for a client that named its topic or gave the id."""
        unknown = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if topic is None:
            return unknown
        if not 0 <= index < len(topic.partitions):
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if (topic.topic_id, index) in self._offline:
            return ErrorCode.KAFKA_STORAGE_ERROR
        if topic.partitions[index].leader != self._node_id:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        # Led by us and yet not here: it has just been deleted, and the image without it is about to be published.
        return unknown

    # --- following the image -----------------------------------------------------------------------------------

    async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
        """Make, open and remove logs so that the table serves what the new image says."""
        for topic in delta.deleted:
            self._drop(topic)
        await self._delete_logs(delta.deleted)
        topics = [*delta.created, *(successor for _, successor in delta.changed)]
        missing = [
            _Placed(topic, index)
            for topic in topics
            for index, placement in enumerate(topic.partitions)
            if placement.leader == self._node_id and self.get_by_id(topic.topic_id, index) is None
        ]
        if missing:
            logs = await asyncio.to_thread(self._make_logs, missing)
            for placed, log in zip(missing, logs, strict=True):
                self._add(placed, log)
        for topic in topics:
            self._place(topic, new)

    async def _delete_logs(self, topics: Iterable[TopicImage]) -> None:
        """Rename the directories of deleted topics, a few a turn; LogManager removes their files later."""
        deleted = 0
        for topic in topics:
            for index in range(len(topic.partitions)):
                try:
                    self._logs.delete(topic.name, index, topic.topic_id)
                except OSError as error:
                    logger.error("[%s-%d] The log cannot be deleted: %s", topic.name, index, error)
                deleted += 1
                if deleted % _DELETIONS_PER_TURN == 0:
                    await asyncio.sleep(0)

    def _make_logs(self, missing: Iterable[_Placed]) -> list[Log | None]:
        """Make those logs that are not there yet, in a thread; None stands for one that cannot be made."""
        made: list[Log | None] = []
        configs: dict[bytes, LogConfig] = {}
        failed: dict[str, Exception] = {}
        for topic, index in missing:
            log = self._logs.get(topic.name, index)
            if log is None:
                if topic.topic_id not in configs:
                    configs[topic.topic_id] = log_config(topic.configs, self._config)
                try:
                    log = self._logs.create(topic.name, index, topic.topic_id, configs[topic.topic_id])
                except (OSError, KafkaError) as error:
                    failed[topic.name] = error
            made.append(log)
        for name, reason in failed.items():
            logger.error("[%s] Not all logs can be made: %s", name, reason)
        return made

    def _add(self, placed: _Placed, log: Log | None) -> None:
        topic, index = placed
        # A log that was made may be lost again by now, with its directory.
        if log is None or self._logs.get(topic.name, index) is not log:
            self._offline.add((topic.topic_id, index))
            return
        partitions = self._by_id.get(topic.topic_id)
        if partitions is None:
            partitions = self._by_id[topic.topic_id] = self._by_name[topic.name] = {}
        partitions[index] = Partition(
            topic.name, topic.topic_id, index, log, self._delayed, self._storage_error, internal=topic.internal
        )

    def _place(self, topic: TopicImage, image: MetadataImage) -> None:
        """Hand every led partition its epoch and state of replication; let go of those led elsewhere now."""
        partitions = self._by_id.get(topic.topic_id, {})
        for index, placement in enumerate(topic.partitions):
            partition = partitions.get(index)
            if partition is None:
                continue
            if placement.leader == self._node_id:
                partition.lead(image.current_epoch(placement), self._in_sync_missing(topic, placement))
            else:
                del partitions[index]
                partition.leave()

    def _in_sync_missing(self, topic: TopicImage, placement: PartitionImage) -> int:
        """min.insync.replicas counts at most the replicas there are: one broker serves topics made for three."""
        configured = topic.configs.get(_MIN_INSYNC_REPLICAS)
        wanted = self._config.int(_MIN_INSYNC_REPLICAS) if configured is None else int(configured)
        return max(0, min(wanted, len(placement.replicas)) - len(placement.isr))

    def _drop(self, topic: TopicImage) -> None:
        partitions = self._by_id.pop(topic.topic_id, None)
        self._offline.difference_update([(topic.topic_id, index) for index in range(len(topic.partitions))])
        if partitions is None:
            return
        del self._by_name[topic.name]
        for partition in partitions.values():
            partition.leave()

    # --- failing disks -----------------------------------------------------------------------------------------

    def take_offline(self, lost: Iterable[tuple[str, int]]) -> None:
        """Serve no longer the partitions whose log directory has failed; on the loop's thread."""
        for topic, index in lost:
            partition = self._by_name.get(topic, {}).pop(index, None)
            if partition is not None:
                self._offline.add((partition.topic_id, index))
                partition.leave()

    def _storage_error(self, partition: Partition, error: OSError) -> KafkaError:
        """Return what a client is told of a failed read or write; all but a full disk takes the directory offline."""
        if is_disk_full(error):
            self._full_disks.warning("[%s] A write was refused: %s", partition, error.strerror)
            return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"No space is left for {partition}.")
        self._logs.fail(partition.log, error)
        # At once: the next partition of this very request may lie in the same directory.
        self.take_offline(tuple(self._logs.offline_partitions))
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log directory of {partition} has failed.")
