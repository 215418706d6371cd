"""The topic controller: carries out what broker.core.controller plans, one request after the other.

A request is planned against the current image, written, and answered once the image of its revision is published, so
a client that was told of a topic can use it at once. Plans are made one at a time, since two of them must not both
find a name free. A topic is one key; where an engine limits the operations of a transaction a request is written in
several, which is as atomic as its answer with one error code a topic.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from protocol.errors import ErrorCode, KafkaError

from .config import Config
from .core.controller.topic_creation import CreationResults, NewTopic, TopicDefaults, plan_creation
from .core.controller.topic_deletion import DeletionPlan, TopicReference, plan_deletion
from .metadata.image import INTERNAL_TOPICS, TopicImage
from .metadata.keys import partitions_prefix, topic_key
from .metadata.publisher import ImagePublisher
from .metadata.records import TopicRecord, encode_topic
from .metadata.store import Change, Compare, Delete, DeletePrefix, MetadataStore, Put, StoreError
from .random_uuid import random_uuid
from .topic_config import not_yet_in_force, validate_overrides

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_LOGGED_TOPICS_MAX = 3


class _Write(NamedTuple):
    """What one topic needs written, and what must not have changed meanwhile."""

    name: str
    compare: Compare
    changes: tuple[Change, ...]


class TopicController:
    """Creates and deletes topics; its methods raise KafkaError for a request that fails as a whole."""

    def __init__(self, config: Config, store: MetadataStore, images: ImagePublisher) -> None:
        self._config = config
        self._store = store
        self._images = images
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()

    async def create(
        self,
        topics: Sequence[NewTopic],
        *,
        may_create: Callable[[str], bool],
        timeout_ms: int,
        validate_only: bool = False,
    ) -> CreationResults:
        """For each name the topic that there is (or, with `validate_only`, would be) from now on, or its error."""
        return await self._within(timeout_ms, self._create(topics, may_create, validate_only))

    async def delete(
        self,
        references: Sequence[TopicReference],
        *,
        may_describe: Callable[[str], bool],
        may_delete: Callable[[str], bool],
        timeout_ms: int,
    ) -> DeletionPlan:
        """The topics that are gone from now on, and what to say of all others."""
        return await self._within(timeout_ms, self._delete(references, may_describe, may_delete))

    async def close(self) -> None:
        """Wait for all that was begun, requests that were answered with a timeout included."""
        if self._running:
            await asyncio.wait(self._running)

    async def _within(self, timeout_ms: int, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for the work, no longer than it may take; it goes on then, and may succeed. 0 ms is no time at all."""
        if timeout_ms <= 0:
            work.close()
            raise KafkaError(ErrorCode.REQUEST_TIMED_OUT, "The request allows no time for what it asks for.")
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finished)
        await asyncio.wait((task,), timeout=timeout_ms / 1000)
        if not task.done():
            raise KafkaError(ErrorCode.REQUEST_TIMED_OUT, f"The request is not finished after {timeout_ms} ms.")
        try:
            return task.result()
        except StoreError as error:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("[topics] A request failed: %s", error)

    async def _create(
        self, topics: Sequence[NewTopic], may_create: Callable[[str], bool], validate_only: bool
    ) -> CreationResults:
        defaults = self._defaults()
        results: CreationResults = {}
        async with self._lock:
            while topics:
                planned = plan_creation(topics, self._images.current, defaults, may_create, random_uuid)
                results.update(planned)
                if validate_only:
                    return results
                unwritten = await self._write(
                    [_creation(name, result) for name, result in planned.items() if isinstance(result, TopicRecord)]
                )
                topics = [topic for topic in topics if topic.name in unwritten]
        _log_settings_not_in_force(results)
        return results

    async def _delete(
        self,
        references: Sequence[TopicReference],
        may_describe: Callable[[str], bool],
        may_delete: Callable[[str], bool],
    ) -> DeletionPlan:
        async with self._lock:
            plan = plan_deletion(references, self._images.current, may_describe, may_delete)
            topics = plan.topics
            while topics:
                unwritten = await self._write([_deletion(topic) for topic in topics])
                # One that another broker deleted in the meantime is gone, too.
                there_are = self._images.current.topics_by_id
                topics = [there_are[t.topic_id] for t in topics if t.name in unwritten and t.topic_id in there_are]
        return plan

    async def _write(self, writes: Sequence[_Write]) -> set[str]:
        """Write as many as can be, publish them, and return the names of those to be planned again.

        Those are what another broker was faster with, or what comes after that.
        """
        operations = max((len(write.changes) for write in writes), default=1)
        batch_size = self._store.operations_max // operations
        revision = 0
        written = 0
        while written < len(writes):
            batch = writes[written : written + batch_size]
            result = await self._store.txn(
                [write.compare for write in batch], [change for write in batch for change in write.changes]
            )
            revision = result.revision
            if not result.succeeded:
                break
            written += len(batch)
        await self._images.wait_for(revision)
        return {write.name for write in writes[written:]}

    def _defaults(self) -> TopicDefaults:
        validated: dict[tuple[tuple[str, str | None], ...], Mapping[str, str]] = {}

        def validate_configs(overrides: Mapping[str, str | None]) -> Mapping[str, str]:
            # A request for thousands of topics gives most of them the same settings.
            key = tuple(overrides.items())
            if key not in validated:
                validated[key] = validate_overrides(overrides, self._config)
            return validated[key]

        return TopicDefaults(
            partition_count=self._config.int("num.partitions"),
            replication_factor=self._config.int("default.replication.factor"),
            clamp_replication_factor=self._config.bool("ottla.replication.factor.clamp"),
            validate_configs=validate_configs,
        )


def _creation(name: str, record: TopicRecord) -> _Write:
    key = topic_key(name)
    return _Write(name, Compare(key, 0), (Put(key, encode_topic(record)),))


def _deletion(topic: TopicImage) -> _Write:
    key = topic_key(topic.name)
    changes = (Delete(key), DeletePrefix(partitions_prefix(topic.topic_id)))
    return _Write(topic.name, Compare(key, topic.mod_revision), changes)


def _log_settings_not_in_force(results: CreationResults) -> None:
    """One line a request, however many topics it makes; of what the broker itself sets there is nothing to say."""
    waiting = {
        name: settings
        for name, result in results.items()
        if name not in INTERNAL_TOPICS
        and isinstance(result, TopicRecord)
        and (settings := not_yet_in_force(result.configs))
    }
    if waiting:
        names = list(waiting)
        more = f" and {len(names) - _LOGGED_TOPICS_MAX} more" if len(names) > _LOGGED_TOPICS_MAX else ""
        settings = sorted({setting for settings in waiting.values() for setting in settings})
        logger.warning(
            "[topics] %s%s: kept, but not yet in force: %s",
            ", ".join(names[:_LOGGED_TOPICS_MAX]),
            more,
            ", ".join(settings),
        )
