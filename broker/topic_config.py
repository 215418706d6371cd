"""A topic's settings: what a client may set, and what holds in the end.

A topic stores only what was set on it, its overrides, as the text that came. Everything else follows the broker's
properties, so a topic's effective settings are worked out here whenever they are asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast

from protocol.errors import ErrorCode, KafkaError
from storage.log_config import LogConfig

from .config_types import ConfigError, ConfigSource, Value, parse
from .topic_config_table import TOPIC_SETTINGS, TopicSetting

if TYPE_CHECKING:
    from .config import Config


def validate_overrides(overrides: Mapping[str, str | None], config: Config) -> dict[str, str]:
    """Return the overrides of a new topic as they are to be stored.

    Raises:
        KafkaError: INVALID_CONFIG with Kafka's sentence, for an unknown name, a null, a bad value, or two that do not
            go together.
    """
    nulls = sorted(name for name, text in overrides.items() if text is None)
    if nulls:
        raise _invalid(f"Null value not supported for topic configs: {','.join(nulls)}")
    checked = {name: text for name, text in overrides.items() if text is not None}
    for name in checked:
        if name not in TOPIC_SETTINGS:
            raise _invalid(f"Unknown topic config name: {name}")
    try:
        values = {name: _value(name, checked, config) for name in TOPIC_SETTINGS}
    except ConfigError as error:
        raise _invalid(str(error)) from error
    shortest, longest = values["min.compaction.lag.ms"], values["max.compaction.lag.ms"]
    if cast(int, shortest) > cast(int, longest):
        raise _invalid(
            f"conflict topic config setting min.compaction.lag.ms ({shortest}) > max.compaction.lag.ms ({longest})"
        )
    if values["remote.storage.enable"]:
        raise _invalid(
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )
    return checked


def valid_overrides(overrides: Mapping[str, str]) -> dict[str, Value]:
    """Return the values of those overrides that are valid; one that was stored may no longer be."""
    values = {}
    for name, text in overrides.items():
        setting = TOPIC_SETTINGS.get(name)
        if setting is not None:
            with contextlib.suppress(ConfigError):
                values[name] = parse(name, setting.type, setting.valid, text)
    return values


def log_config(overrides: Mapping[str, str], config: Config) -> LogConfig:
    """Return what the logs of a topic with these overrides obey; one that is no longer valid is passed over."""
    overrides = {name: overrides[name] for name in valid_overrides(overrides)}

    def number(name: str) -> int:
        value = _value(name, overrides, config)
        assert isinstance(value, int), name
        return value

    timestamp_type = _value("message.timestamp.type", overrides, config)
    return LogConfig(
        segment_bytes=number("internal.segment.bytes" if "internal.segment.bytes" in overrides else "segment.bytes"),
        segment_ms=number("segment.ms"),
        segment_jitter_ms=number("segment.jitter.ms"),
        segment_index_bytes=number("segment.index.bytes"),
        index_interval_bytes=number("index.interval.bytes"),
        max_message_bytes=number("max.message.bytes"),
        message_timestamp_type=cast(Literal["CreateTime", "LogAppendTime"], timestamp_type),
        message_timestamp_before_max_ms=number("message.timestamp.before.max.ms"),
        message_timestamp_after_max_ms=number("message.timestamp.after.max.ms"),
        cleanup_policy=frozenset(cast(tuple[str, ...], _value("cleanup.policy", overrides, config))),
        retention_ms=number("retention.ms"),
        retention_bytes=number("retention.bytes"),
        file_delete_delay_ms=number("file.delete.delay.ms"),
    )


def not_yet_in_force(overrides: Mapping[str, str]) -> list[str]:
    """Return the names of the overrides that are kept and returned, but that nothing obeys yet."""
    names = []
    for name, value in valid_overrides(overrides).items():
        setting = TOPIC_SETTINGS[name]
        if setting.harmless is not None and value not in setting.harmless:
            names.append(name)
    return sorted(names)


def defaults_not_yet_in_force(config: Config) -> list[str]:
    """Return the broker properties that were set as defaults of such settings, and ask for something."""
    names = []
    for setting in TOPIC_SETTINGS.values():
        given = [
            synonym.name
            for synonym in setting.synonyms
            if config.source(synonym.name) is not ConfigSource.DEFAULT_CONFIG
        ]
        if given and setting.harmless is not None and default_value(setting, config) not in setting.harmless:
            names += given
    return sorted(set(names))


def _value(name: str, overrides: Mapping[str, str], config: Config) -> Value:
    """Return the value of a setting; raises ConfigError for a bad override."""
    setting = TOPIC_SETTINGS[name]
    if name in overrides:
        return parse(name, setting.type, setting.valid, overrides[name])
    return default_value(setting, config)


def default_value(setting: TopicSetting, config: Config) -> Value:
    """Return the value of a setting that was not set on the topic."""
    for property_name, factor in setting.synonyms:
        value = config.value(property_name)
        if value is None:
            continue
        if factor != 1:
            value = cast(int, value) * factor
        if setting.name == "retention.ms":
            # For ever, whatever the negative number and its unit.
            value = max(cast(int, value), -1)
        return value
    return setting.default


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_CONFIG, message)
