"""The configuration controller: carries out what broker.core.controller.configs plans.

The overrides of a topic are part of its key; what is set for brokers has keys of its own. Levels of loggers are set
at once and not written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, cast

from protocol.errors import ErrorCode, KafkaError

from .clock import Clock
from .config import BROKER_PROPERTIES, Config, StartupError
from .config_types import parse, to_text
from .coordinators.pace import Pace
from .core.controller.configs import (
    NOTHING_SET,
    Alteration,
    ConfigResourceType,
    ConfigRules,
    parse_node_id,
    plan_broker,
    plan_topic,
    refuse_malformed,
)
from .listeners import Listener, listeners_of
from .loggers import change_levels
from .metadata.image import TopicImage
from .metadata.keys import broker_configs_key, topic_key
from .metadata.publisher import ImagePublisher
from .metadata.records import TopicRecord, encode_configs, encode_topic
from .metadata.store import Compare, Delete, Put
from .metadata.writer import MetadataWriter, Write
from .topic_config import default_value, validate_overrides
from .topic_config_table import TOPIC_SETTINGS
from .topics import log_done, log_settings_not_in_force

_TIMEOUT_MS = 30_000  # the requests have none; Kafka's request.timeout.ms bounds its brokers' own
_WHOLE_RETENTION = -2
_LOGGED_SETTING_LENGTH = 100
_UNSUPPORTED = {
    ConfigResourceType.GROUP: "Groups have no settings of their own yet: those of the broker hold for all of them.",
    ConfigResourceType.CLIENT_METRICS: "Client metrics are not collected, so there is nothing to subscribe to.",
}


class ListenerHost(Protocol):
    """What accepts connections on the listeners that are set."""

    async def check_listeners(self, listeners: list[Listener]) -> None:
        """Raise StartupError for listeners that cannot be bound."""

    async def listeners_settled(self) -> None:
        """Wait until connections are accepted where the published configuration says."""


class ConfigController:
    """Changes settings of topics and brokers, and levels of loggers."""

    def __init__(
        self,
        config: Config,
        writer: MetadataWriter,
        images: ImagePublisher,
        clock: Clock,
        listener_host: ListenerHost,
    ) -> None:
        self._config = config
        self._writer = writer
        self._images = images
        self._clock = clock
        self._listener_host = listener_host
        self._rules = ConfigRules(
            config.node_id,
            check_topic=lambda overrides: validate_overrides(overrides, config),
            check_broker=self._check_broker,
            broker_list=self._broker_list,
        )

    async def alter(
        self,
        alterations: Sequence[Alteration],
        *,
        refuse: Callable[[ConfigResourceType, str], KafkaError | None],
        validate_only: bool,
    ) -> list[KafkaError | None]:
        """For each resource its error, or None if its settings are changed (with `validate_only`, could be).

        `refuse` returns the error of a client that lacks the right.
        """
        results = refuse_malformed(alterations)
        stored: dict[int, Alteration] = {}
        for index, alteration in enumerate(alterations):
            if results[index] is not None:
                continue
            resource_type = ConfigResourceType(alteration.resource_type)
            error = refuse(resource_type, alteration.resource_name)
            if error is not None:
                results[index] = error
            elif resource_type in _UNSUPPORTED:
                results[index] = KafkaError(ErrorCode.INVALID_REQUEST, _UNSUPPORTED[resource_type])
            elif resource_type is ConfigResourceType.BROKER_LOGGER:
                results[index] = self._alter_loggers(alteration, validate_only)
            else:
                stored[index] = alteration
        if stored:
            try:
                errors = await self._writer.within(_TIMEOUT_MS, self._alter(stored, validate_only))
            except KafkaError as error:
                errors = dict.fromkeys(stored, error)
            for index, refusal in errors.items():
                results[index] = refusal
        return results

    async def _alter(self, alterations: Mapping[int, Alteration], validate_only: bool) -> dict[int, KafkaError]:
        # Before the lock is taken, which everybody needs who changes metadata: a name server may be slow.
        errors = await self._refuse_listeners(alterations)
        pace = Pace(self._clock)
        async with self._writer.lock:
            pending: Collection[int] = [index for index in alterations if index not in errors]
            while pending:
                writes: dict[int, Write] = {}
                pace.begin()
                for index in pending:
                    await pace.keep()
                    try:
                        write = self._plan(alterations[index])
                    except KafkaError as error:
                        errors[index] = error
                    else:
                        if write is not None:
                            writes[index] = write
                if validate_only:
                    return errors
                unwritten = await self._writer.write(list(writes.values()))
                pending = [index for index, write in writes.items() if write.name in unwritten]
        if any(alteration.resource_type == ConfigResourceType.BROKER for alteration in alterations.values()):
            await self._listener_host.listeners_settled()
        topics = self._images.current.topics
        changed = [
            (topic, alteration)
            for index, alteration in alterations.items()
            if index not in errors and alteration.resource_type == ConfigResourceType.TOPIC
            if (topic := topics.get(alteration.resource_name)) is not None
        ]
        log_done("Configured", [f"{topic.name} ({_overrides(topic)})" for topic, _ in changed])
        log_settings_not_in_force(
            {
                topic.name: {name: text for name, text in topic.configs.items() if name in alteration.names_set}
                for topic, alteration in changed
            }
        )
        return errors

    async def _refuse_listeners(self, alterations: Mapping[int, Alteration]) -> dict[int, KafkaError]:
        """Return the errors of brokers that cannot have what is asked for, as their listeners cannot be bound."""
        errors: dict[int, KafkaError] = {}
        for index, alteration in alterations.items():
            if alteration.resource_type != ConfigResourceType.BROKER:
                continue
            try:
                node_id, configs = plan_broker(alteration, self._images.current, self._rules)
                listeners = listeners_of(self._wanted(node_id, configs, alteration.names_set))
                await self._listener_host.check_listeners(listeners)
            except KafkaError as error:
                errors[index] = error
            except StartupError as error:
                errors[index] = KafkaError(ErrorCode.INVALID_REQUEST, str(error))
        return errors

    def _plan(self, alteration: Alteration) -> Write | None:
        """Return what must be written, None if that is there already; raises KafkaError."""
        image = self._images.current
        if alteration.resource_type == ConfigResourceType.TOPIC:
            configs = plan_topic(alteration, image, self._rules)
            topic = image.topics[alteration.resource_name]
            key = topic_key(topic.name)
            record = TopicRecord(topic.topic_id, configs, topic.assignment)
            write = Write(key, Compare(key, topic.mod_revision), (Put(key, encode_topic(record)),))
            return None if configs == topic.configs else write
        node_id, configs = plan_broker(alteration, image, self._rules)
        before = image.broker_configs.get(node_id, NOTHING_SET)
        key = broker_configs_key(node_id)
        write = Write(
            key, Compare(key, before.mod_revision), (Put(key, encode_configs(configs)) if configs else Delete(key),)
        )
        return None if configs == before.configs else write

    def _alter_loggers(self, alteration: Alteration, validate_only: bool) -> KafkaError | None:
        node_id = self._config.node_id
        try:
            if parse_node_id(alteration.resource_name, "Node id") != node_id:
                message = f"Unexpected node id. Expected {node_id}, but received {alteration.resource_name}"
                raise KafkaError(ErrorCode.INVALID_REQUEST, message)
            change_levels(alteration.changes, validate_only=validate_only)
        except KafkaError as error:
            return error
        return None

    # --- what the configuration says ---------------------------------------------------------------------------

    def _check_broker(self, node_id: int | None, configs: Mapping[str, str], changed: Collection[str]) -> None:
        """Raise KafkaError(INVALID_REQUEST) for what cannot stand beside the rest of the configuration."""
        try:
            _check_local_retention(self._wanted(node_id, configs, changed))
        except StartupError as error:
            raise KafkaError(ErrorCode.INVALID_REQUEST, str(error)) from error

    def _wanted(self, node_id: int | None, configs: Mapping[str, str], changed: Collection[str]) -> Config:
        """Return what the configuration would be; raises StartupError."""
        (_, for_this), (_, for_all), _ = self._config.layers
        # What was set before and is not in force, as it is not valid any longer, is no reason to refuse the rest.
        in_force = for_all if node_id is None else for_this
        texts = {name: text for name, text in configs.items() if name in changed or name in in_force}
        if node_id is None:
            return self._config.overridden(texts, for_this)
        return self._config.overridden(for_all, texts)

    def _broker_list(self, node_id: int | None, name: str) -> str:
        """Return the text of a list where it is not set at run time for the broker, or with None for all of them."""
        _, (_, for_all), (_, static) = self._config.layers
        for texts in (static,) if node_id is None else (for_all, static):
            if name in texts:
                return texts[name]
        row = BROKER_PROPERTIES.get(name)
        return "" if row is None else to_text(row.default) or ""


def _check_local_retention(config: Config) -> None:
    """Raise StartupError where more is to be kept on this disk than at all, which Kafka refuses at run time alone."""
    for property_name, setting_name in (
        ("log.local.retention.ms", "retention.ms"),
        ("log.local.retention.bytes", "retention.bytes"),
    ):
        local = config.int(property_name)
        whole = cast(int, default_value(TOPIC_SETTINGS[setting_name], config))
        if whole >= 0 and local != _WHOLE_RETENTION and not 0 <= local <= whole:
            raise StartupError(
                f"Invalid value {local} for configuration {property_name}: Value must not be more than that of "
                f"log.{setting_name}, which is {whole}."
            )


def _overrides(topic: TopicImage) -> str:
    """The settings of the topic's own as they are parsed, for the log: their texts may hold anything."""
    values = (
        f"{name}={to_text(parse(name, TOPIC_SETTINGS[name].type, None, text))}"[:_LOGGED_SETTING_LENGTH]
        for name, text in topic.configs.items()
        if name in TOPIC_SETTINGS
    )
    return " ".join(values) or "nothing is set"
