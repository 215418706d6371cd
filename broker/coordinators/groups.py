"""The group coordinator: which partition of `__consumer_offsets` a group belongs to, and the state machine there.

The topic is made when the first client asks for a group, and what serves groups is imported no sooner: a broker without
groups starts without it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from protocol.errors import ErrorCode, KafkaError

from ..clock import Clock
from ..config import Config
from ..core.controller.topic_creation import NewTopic
from ..delayed import DelayedRequests
from ..metadata.image import GROUPS_TOPIC, ImageDelta, MetadataImage, TopicImage
from ..metadata.publisher import ImagePublisher
from ..partitions import PartitionTable
from ..random_uuid import random_uuid
from ..topics import TopicController

if TYPE_CHECKING:
    from ..core.groups.shard import GroupShard
    from ..core.result import Moment, Result, Ticket
    from .runtime import CoordinatorRuntime

logger = logging.getLogger(__name__)

R = TypeVar("R")

_CREATION_TIMEOUT_MS = 30_000
_UTF_16 = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"


@lru_cache(maxsize=4096)  # a tenth of a microsecond where the loop takes two, for every commit
def java_hash(text: str) -> int:
    """Return what String.hashCode returns in Java, as an unsigned number: clients know groups by it."""
    units: Iterable[int] = text.encode() if text.isascii() else memoryview(text.encode(_UTF_16)).cast("H")
    value = 0
    for unit in units:
        value = (31 * value + unit) & 0xFFFFFFFF
    return value


def new_uuid() -> str:
    """Return a random uuid as members' ids carry it, e.g. `0e64c1d4-0d6f-4d0c-9b2c-0f1a4a2e7d5c`."""
    text = random_uuid().hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class GroupCoordinator:
    """The groups of one broker; a subscriber of the ImagePublisher, after the partition table."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        delayed: DelayedRequests,
        images: ImagePublisher,
        partitions: PartitionTable,
        topics: TopicController,
    ) -> None:
        self._config = config
        self._clock = clock
        self._delayed = delayed
        self._images = images
        self._partitions = partitions
        self._topics = topics
        self._partition_count = 0
        self._runtime: CoordinatorRuntime[GroupShard] | None = None
        self._absence = ErrorCode.NOT_COORDINATOR
        """What requests are answered with while there is no runtime."""
        self._opening: asyncio.Task[CoordinatorRuntime[GroupShard]] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._creation: asyncio.Task[None] | None = None

    @property
    def waiting_count(self) -> int:
        """How many requests wait for their reply."""
        return 0 if self._runtime is None else self._runtime.waiting_count

    # --- requests ----------------------------------------------------------------------------------------------

    def partition_of(self, group_id: str) -> int:
        """Return the index of the partition that the group belongs to; the topic must have been made."""
        value = java_hash(group_id)
        # Its absolute value where Java takes it for a negative number, and 0 for the one that has none.
        return (value if value < 1 << 31 else -value & 0x7FFFFFFF) % self._partition_count

    def call(
        self,
        group_id: str,
        operation: Callable[[GroupShard, Moment, Ticket], Result],
        on_error: Callable[[ErrorCode], R],
    ) -> R | asyncio.Future[R]:
        """Carry out an operation on the state machine that the group belongs to; see `CoordinatorRuntime.call`."""
        if self._runtime is None:
            return on_error(self._absence)
        return self._runtime.call(self.partition_of(group_id), operation, on_error)

    async def call_each(
        self, operation: Callable[[GroupShard, Moment, Ticket], Result], on_error: Callable[[ErrorCode], R]
    ) -> list[R]:
        """Carry out an operation on the state machine of each partition that this broker leads."""
        if self._runtime is None:
            return [] if self._absence is ErrorCode.NOT_COORDINATOR else [on_error(self._absence)]
        return await self._runtime.call_each(operation, on_error)

    # --- the topic ---------------------------------------------------------------------------------------------

    async def ensure_topic(self) -> None:
        """Make the topic unless it is there; the groups on it can be used from then on.

        Raises KafkaError (COORDINATOR_NOT_AVAILABLE) if it cannot be made.
        """
        if GROUPS_TOPIC in self._images.current.topics:
            return
        if self._creation is None or self._creation.done():
            self._creation = asyncio.get_running_loop().create_task(self._create_topic(), name="create-groups-topic")
        # Whoever asks first may go away without taking the topic from the others.
        await asyncio.shield(self._creation)

    async def _create_topic(self) -> None:
        config = self._config
        topic = NewTopic(
            GROUPS_TOPIC,
            config.int("offsets.topic.num.partitions"),
            min(config.int("offsets.topic.replication.factor"), len(self._images.current.brokers)),
            configs=(
                ("cleanup.policy", "compact"),
                ("compression.type", "producer"),
                ("segment.bytes", str(config.int("offsets.topic.segment.bytes"))),
            ),
        )
        try:
            results = await self._topics.create((topic,), may_create=lambda _: True, timeout_ms=_CREATION_TIMEOUT_MS)
            result = results[GROUPS_TOPIC]
            if isinstance(result, KafkaError) and result.code != ErrorCode.TOPIC_ALREADY_EXISTS:
                raise result
        except KafkaError as error:
            logger.error("[%s] The topic cannot be made: %s", GROUPS_TOPIC, error)
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, f"{GROUPS_TOPIC} cannot be made.") from error

    async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
        """Serve the partitions that the table has by now, and forget the offsets of deleted topics."""
        topic = new.topics.get(GROUPS_TOPIC)
        if topic is not old.topics.get(GROUPS_TOPIC):
            await self._follow(topic)
        if delta.deleted and self._starting is not None:
            await self._starting  # groups that are about to be served have offsets of these topics, too
        if delta.deleted and self._runtime is not None:
            topics = [(topic.name, topic.topic_id) for topic in delta.deleted]
            await self._runtime.run_on_each(lambda shard, now: shard.topics_deleted(topics))

    async def _follow(self, topic: TopicImage | None) -> None:
        if topic is not None:
            self._partition_count = len(topic.partitions)
            await self._open()
        if self._runtime is not None:
            indices = () if topic is None else range(len(topic.partitions))
            led = {index: self._partitions.get(GROUPS_TOPIC, index) for index in indices}
            self._runtime.follow({index: partition for index, partition in led.items() if partition is not None})

    # --- life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to load the groups that there are."""
        topic = self._images.current.topics.get(GROUPS_TOPIC)
        if topic is not None:
            self._absence = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
            self._starting = asyncio.get_running_loop().create_task(self._start(topic), name="start-groups")

    async def _start(self, topic: TopicImage) -> None:
        try:
            await self._follow(topic)
        except Exception:
            logger.exception("[%s] Groups cannot be served", GROUPS_TOPIC)
            self._absence = ErrorCode.COORDINATOR_NOT_AVAILABLE

    async def _open(self) -> None:
        """Import what serves groups, in a thread: it takes some 50 ms."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(asyncio.to_thread(self._make_runtime))
        runtime = await asyncio.shield(self._opening)
        if self._absence is not ErrorCode.COORDINATOR_NOT_AVAILABLE:
            self._runtime = runtime

    def _make_runtime(self) -> CoordinatorRuntime[GroupShard]:
        from ..core.groups.shard import GroupShard
        from .group_settings import group_settings
        from .runtime import CoordinatorRuntime

        settings = group_settings(self._config)
        return CoordinatorRuntime(
            GROUPS_TOPIC,
            lambda: GroupShard(settings, new_uuid),
            self._clock,
            self._delayed,
            commit_timeout_ms=self._config.int("offsets.commit.timeout.ms"),
            load_chunk_bytes=self._config.int("offsets.load.buffer.size"),
        )

    async def close(self) -> None:
        """Serve no more: what waits is answered with NOT_COORDINATOR, new requests with COORDINATOR_NOT_AVAILABLE."""
        self._absence = ErrorCode.COORDINATOR_NOT_AVAILABLE
        if self._starting is not None:
            await self._starting
        if self._runtime is not None:
            await self._runtime.close()
