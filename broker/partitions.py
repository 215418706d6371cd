"""The partitions that this broker leads, kept in step with the metadata image.

The table prepares every image before it is published: the logs of new partitions exist by the time that Metadata
shows them, and whoever waits for a partition of a deleted topic is answered at once. Logs are made in a thread, many
at a time; the table and the logs themselves are used on the loop's thread alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from protocol.errors import ErrorCode, KafkaError
from storage.log import Log
from storage.log_config import LogConfig
from storage.log_manager import LogManager
from storage.shortages import is_disk_full, is_out_of_descriptors

from .clock import Clock
from .config import Config
from .delayed import DelayedRequests
from .metadata.image import ImageDelta, MetadataImage, TopicImage
from .partition import Partition
from .rate_limited_log import RateLimitedLog
from .topic_config import log_config, valid_overrides

logger = logging.getLogger(__name__)

_MIN_INSYNC_REPLICAS = "min.insync.replicas"
_DELETIONS_PER_TURN = 16
_PLACED_PER_TURN = 256
_RECONFIGURED_PER_TURN = 64


class _Missing(NamedTuple):
    """What this broker leads of a topic according to an image, and does not have."""

    topic: TopicImage
    indexes: list[int]


class PartitionTable:
    """Finds led partitions by topic name or id; a subscriber of the ImagePublisher."""

    def __init__(self, config: Config, clock: Clock, logs: LogManager, delayed: DelayedRequests) -> None:
        self._config = config
        self._shortages = RateLimitedLog(logger, clock)
        self._node_id = config.node_id
        self._logs = logs
        self._delayed = delayed
        self._by_name: dict[str, dict[int, Partition]] = {}
        self._by_id: dict[bytes, dict[int, Partition]] = {}
        """The same inner dicts: a topic's led partitions by index."""
        self.offline: frozenset[tuple[bytes, int]] = frozenset()
        """Topic id and index of the partitions whose log cannot be used until the next start; any change makes another
        object."""

    # --- looking up --------------------------------------------------------------------------------------------

    def get(self, topic: str, index: int) -> Partition | None:
        """Return the led partition of a topic name; `absence` tells why there is none."""
        partitions = self._by_name.get(topic)
        return None if partitions is None else partitions.get(index)

    def get_by_id(self, topic_id: bytes, index: int) -> Partition | None:
        """Return the led partition of a topic id; `absence` tells why there is none."""
        partitions = self._by_id.get(topic_id)
        return None if partitions is None else partitions.get(index)

    def led(self) -> list[Partition]:
        """Return all led partitions."""
        return [partition for partitions in self._by_id.values() for partition in partitions.values()]

    def absence(self, topic: TopicImage | None, index: int, *, by_id: bool = False) -> ErrorCode:
        """Return why a partition is not in the table, for a client that named its topic or gave the id."""
        unknown = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if topic is None:
            return unknown
        if not 0 <= index < len(topic.partitions):
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if (topic.topic_id, index) in self.offline:
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
        missing = [_Missing(topic, indexes) for topic in topics if (indexes := self._missing_indexes(topic))]
        logs = await asyncio.to_thread(self._make_logs, missing) if missing else {}
        placed = 0
        unusable: set[tuple[bytes, int]] = set()
        for topic in topics:
            for index, log in logs.get(topic.topic_id, {}).items():
                # A log that was made may be lost again by now, with its directory.
                if log is None or self._logs.get(topic.name, index) is not log:
                    unusable.add((topic.topic_id, index))
                else:
                    self._add(topic, index, log)
            self._place(topic, new)
            placed += len(topic.partitions)
            if placed >= _PLACED_PER_TURN:
                placed = 0
                await asyncio.sleep(0)
        if unusable:  # at once: with a directory missing they may be all
            self.offline |= unusable
        if new.broker_configs != old.broker_configs:
            await self._reconfigure(new.topics.values(), new)
        else:
            await self._reconfigure([after for before, after in delta.changed if before.configs != after.configs], new)

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

    def _missing_indexes(self, topic: TopicImage) -> list[int]:
        """Return which of the topic's partitions this broker is to lead and does not have."""
        here = self._by_id.get(topic.topic_id, {})
        node_id = self._node_id
        return [
            index
            for index, placement in enumerate(topic.partitions)
            if placement.leader == node_id and index not in here
        ]

    def _make_logs(self, missing: Iterable[_Missing]) -> dict[bytes, dict[int, Log | None]]:
        """Make those logs that are not there yet, in a thread; by topic id and index, None for what cannot be made."""
        made: dict[bytes, dict[int, Log | None]] = {}
        log_config_of = self._log_configs()
        for topic, indexes in missing:
            failure: Exception | None = None
            logs = made[topic.topic_id] = dict[int, Log | None]()
            for index in indexes:
                logs[index] = self._logs.get(topic.name, index)
                if logs[index] is None:
                    try:
                        logs[index] = self._logs.create(topic.name, index, topic.topic_id, log_config_of(topic))
                    except (OSError, KafkaError) as error:
                        failure = error
            if failure is not None:
                logger.error("[%s] Not all logs can be made: %s", topic.name, failure)
        return made

    def _add(self, topic: TopicImage, index: int, log: Log) -> None:
        partitions = self._by_id.get(topic.topic_id)
        if partitions is None:
            partitions = self._by_id[topic.topic_id] = self._by_name[topic.name] = {}
        partitions[index] = Partition(
            topic.name, topic.topic_id, index, log, self._delayed, self._storage_error, internal=topic.internal
        )

    def _place(self, topic: TopicImage, image: MetadataImage) -> None:
        """Hand every led partition its epoch and state of replication; let go of those led elsewhere now."""
        partitions = self._by_id.get(topic.topic_id, {})
        min_insync_replicas = self._min_insync_replicas(topic)
        for index, placement in enumerate(topic.partitions):
            partition = partitions.get(index)
            if partition is None:
                continue
            if placement.leader == self._node_id:
                # It counts at most the replicas there are: one broker serves topics made for three.
                wanted = min(min_insync_replicas, len(placement.replicas))
                partition.lead(image.current_epoch(placement), max(0, wanted - len(placement.isr)))
            else:
                del partitions[index]
                partition.leave()

    async def _reconfigure(self, topics: Iterable[TopicImage], image: MetadataImage) -> None:
        """Have the partitions of these topics obey their settings as they are now, a few topics a turn."""
        log_config_of = self._log_configs()
        for count, topic in enumerate(topics, 1):
            config = log_config_of(topic)
            for partition in self._by_id.get(topic.topic_id, {}).values():
                partition.log.config = config
            self._place(topic, image)
            if count % _RECONFIGURED_PER_TURN == 0:
                await asyncio.sleep(0)

    def _log_configs(self) -> Callable[[TopicImage], LogConfig]:
        """Return what works out the settings of topics' logs; most topics have the same overrides, or none."""
        known: dict[tuple[tuple[str, str], ...], LogConfig] = {}

        def log_config_of(topic: TopicImage) -> LogConfig:
            overrides = tuple(topic.configs.items())
            if overrides not in known:
                known[overrides] = log_config(topic.configs, self._config)
            return known[overrides]

        return log_config_of

    def _min_insync_replicas(self, topic: TopicImage) -> int:
        configured = valid_overrides(topic.configs).get(_MIN_INSYNC_REPLICAS)
        if configured is None:
            return self._config.int(_MIN_INSYNC_REPLICAS)
        assert isinstance(configured, int)
        return configured

    def _drop(self, topic: TopicImage) -> None:
        partitions = self._by_id.pop(topic.topic_id, None)
        if self.offline:
            self.offline -= {(topic.topic_id, index) for index in range(len(topic.partitions))}
        if partitions is None:
            return
        del self._by_name[topic.name]
        for partition in partitions.values():
            partition.leave()

    # --- failing disks -----------------------------------------------------------------------------------------

    def take_offline(self, lost: Iterable[tuple[str, int]]) -> None:
        """Serve no longer the partitions whose log directory has failed; on the loop's thread."""
        popped = [self._by_name.get(topic, {}).pop(index, None) for topic, index in lost]
        partitions = [partition for partition in popped if partition is not None]
        if partitions:
            self.offline |= {(partition.topic_id, partition.index) for partition in partitions}
        for partition in partitions:
            partition.leave()

    def _storage_error(self, partition: Partition, error: OSError) -> KafkaError:
        """Return what a client is told of a failed read or write; all but a shortage takes the directory offline."""
        if is_out_of_descriptors(error):
            self._shortages.warning(
                "[%s] A file of the log cannot be opened: %s; raise the limit on open files (ulimit -n, and "
                "fs.file-max for the whole system) or have fewer connections.",
                partition,
                error.strerror,
            )
            return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The broker cannot open the files of {partition}.")
        if is_disk_full(error):
            self._shortages.warning("[%s] A write was refused: %s", partition, error.strerror)
            return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"No space is left for {partition}.")
        self._logs.fail(partition.log, error)
        # At once: the next partition of this very request may lie in the same directory.
        self.take_offline(tuple(self._logs.offline_partitions))
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log directory of {partition} has failed.")
