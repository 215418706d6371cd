"""The topic controller: carries out what broker.core.controller plans, one request after the other.

A topic is one key, so each of them is made, changed or deleted as a whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from .config import Config
from .core.controller.partition_growth import GrowingTopic, GrowthResults, plan_growth
from .core.controller.topic_creation import CreationResults, NewTopic, TopicDefaults, plan_creation
from .core.controller.topic_deletion import DeletionPlan, TopicReference, plan_deletion
from .metadata.image import INTERNAL_TOPICS, TopicImage
from .metadata.keys import partitions_prefix, topic_key
from .metadata.publisher import ImagePublisher
from .metadata.records import TopicRecord, encode_topic
from .metadata.store import Compare, Delete, DeletePrefix, Put
from .metadata.writer import MetadataWriter, Write
from .random_uuid import random_uuid
from .topic_config import not_yet_in_force, validate_overrides

logger = logging.getLogger(__name__)

_LOGGED_TOPICS_MAX = 3


class TopicController:
    """Creates, grows and deletes topics; its methods raise KafkaError for a request that fails as a whole."""

    def __init__(self, config: Config, writer: MetadataWriter, images: ImagePublisher) -> None:
        self._config = config
        self._writer = writer
        self._images = images

    async def create(
        self,
        topics: Sequence[NewTopic],
        *,
        may_create: Callable[[str], bool],
        timeout_ms: int,
        validate_only: bool = False,
    ) -> CreationResults:
        """For each name the topic that there is (or, with `validate_only`, would be) from now on, or its error."""
        return await self._writer.within(timeout_ms, self._create(topics, may_create, validate_only))

    async def grow(
        self,
        topics: Sequence[GrowingTopic],
        *,
        may_alter: Callable[[str], bool],
        timeout_ms: int,
        validate_only: bool = False,
    ) -> GrowthResults:
        """For each name the topic that there is (or, with `validate_only`, would be) from now on, or its error."""
        return await self._writer.within(timeout_ms, self._grow(topics, may_alter, validate_only))

    async def delete(
        self,
        references: Sequence[TopicReference],
        *,
        may_describe: Callable[[str], bool],
        may_delete: Callable[[str], bool],
        timeout_ms: int,
    ) -> DeletionPlan:
        """The topics that are gone from now on, and what to say of all others."""
        return await self._writer.within(timeout_ms, self._delete(references, may_describe, may_delete))

    async def _create(
        self, topics: Sequence[NewTopic], may_create: Callable[[str], bool], validate_only: bool
    ) -> CreationResults:
        defaults = self._defaults()
        results: CreationResults = {}
        async with self._writer.lock:
            while topics:
                planned = plan_creation(topics, self._images.current, defaults, may_create, random_uuid)
                results.update(planned)
                if validate_only:
                    return results
                unwritten = await self._writer.write(
                    [_creation(name, result) for name, result in planned.items() if isinstance(result, TopicRecord)]
                )
                topics = [topic for topic in topics if topic.name in unwritten]
        made = {name: result for name, result in results.items() if isinstance(result, TopicRecord)}
        log_done("Created", [f"{name} ({_partitions(record)})" for name, record in made.items()])
        log_settings_not_in_force({name: record.configs for name, record in made.items()})
        return results

    async def _grow(
        self, topics: Sequence[GrowingTopic], may_alter: Callable[[str], bool], validate_only: bool
    ) -> GrowthResults:
        results: GrowthResults = {}
        async with self._writer.lock:
            while topics:
                image = self._images.current
                planned = plan_growth(topics, image, may_alter)
                results.update(planned)
                if validate_only:
                    return results
                unwritten = await self._writer.write(
                    [
                        _replacement(image.topics[name], result)
                        for name, result in planned.items()
                        if isinstance(result, TopicRecord)
                    ]
                )
                topics = [topic for topic in topics if topic.name in unwritten]
        grown = {name: result for name, result in results.items() if isinstance(result, TopicRecord)}
        log_done("Grown", [f"{name} (to {_partitions(record)})" for name, record in grown.items()])
        return results

    async def _delete(
        self,
        references: Sequence[TopicReference],
        may_describe: Callable[[str], bool],
        may_delete: Callable[[str], bool],
    ) -> DeletionPlan:
        async with self._writer.lock:
            plan = plan_deletion(references, self._images.current, may_describe, may_delete)
            topics = plan.topics
            while topics:
                unwritten = await self._writer.write([_deletion(topic) for topic in topics])
                # One that another broker deleted in the meantime is gone, too.
                there_are = self._images.current.topics_by_id
                topics = [there_are[t.topic_id] for t in topics if t.name in unwritten and t.topic_id in there_are]
        log_done("Deleted", [topic.name for topic in plan.topics])
        return plan

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


def _creation(name: str, record: TopicRecord) -> Write:
    key = topic_key(name)
    return Write(name, Compare(key, 0), (Put(key, encode_topic(record)),))


def _replacement(topic: TopicImage, record: TopicRecord) -> Write:
    key = topic_key(topic.name)
    return Write(topic.name, Compare(key, topic.mod_revision), (Put(key, encode_topic(record)),))


def _deletion(topic: TopicImage) -> Write:
    key = topic_key(topic.name)
    changes = (Delete(key), DeletePrefix(partitions_prefix(topic.topic_id)))
    return Write(topic.name, Compare(key, topic.mod_revision), changes)


def log_settings_not_in_force(overrides: Mapping[str, Mapping[str, str]]) -> None:
    """One line a request, however many topics it is about; of what the broker itself sets there is nothing to say."""
    waiting = {
        name: settings
        for name, configs in overrides.items()
        if name not in INTERNAL_TOPICS and (settings := not_yet_in_force(configs))
    }
    if waiting:
        settings = sorted({setting for settings in waiting.values() for setting in settings})
        logger.warning("[topics] %s: kept, but not yet in force: %s", _some_of(list(waiting)), ", ".join(settings))


def log_done(what: str, topics: Sequence[str]) -> None:
    """One line a request, however many topics it is about."""
    if topics:
        logger.info("[topics] %s: %s", what, _some_of(topics))


def _partitions(record: TopicRecord) -> str:
    count = len(record.assignment)
    return f"{count} partition{'' if count == 1 else 's'}"


def _some_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LOGGED_TOPICS_MAX} more" if len(names) > _LOGGED_TOPICS_MAX else ""
    return ", ".join(names[:_LOGGED_TOPICS_MAX]) + more
