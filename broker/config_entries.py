"""What clients are told of settings: of brokers, of the defaults of all brokers, and of topics.

CreateTopics' answer and DescribeConfigs' are both made here. A value's source is that of its first synonym, as in
Kafka, and the synonyms are all that is said about it anywhere, in the order in which it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .config import Config
from .config_table import BROKER_PROPERTIES, Dynamic, Property
from .config_types import ConfigSource, ConfigType, to_text
from .connection_limits import is_listener_limit
from .topic_config import default_value, valid_overrides
from .topic_config_table import TOPIC_SETTINGS, TopicSetting

_WAITS = "kept but not yet in force"
_LISTENER_PREFIX = "listener.name."
_LISTENER_LIMIT_DOC = "Most connections at once on this listener."
_INERT_DOC = "It is one of Kafka's, and changes nothing here."


class ConfigSynonym(NamedTuple):
    """One place that says something about a value."""

    name: str
    value: str | None
    source: ConfigSource


class ConfigEntry(NamedTuple):
    """One setting as clients are told it; a sensitive one without its values, one of no known type with None for it."""

    name: str
    value: str | None
    source: ConfigSource
    read_only: bool
    sensitive: bool
    type: ConfigType | None
    synonyms: Sequence[ConfigSynonym]
    documentation: str | None


def topic_entries(overrides: Mapping[str, str], config: Config) -> list[ConfigEntry]:
    """Return all settings of a topic in the order of their names; an override that is no longer valid is none."""
    values = valid_overrides(overrides)
    entries = []
    for name, setting in TOPIC_SETTINGS.items():
        synonyms = _synonyms([synonym.name for synonym in setting.synonyms], config)
        if name in values:
            value = to_text(values[name])
            synonyms.insert(0, ConfigSynonym(name, value, ConfigSource.TOPIC_CONFIG))
        elif setting.internal:
            continue
        else:
            value = to_text(default_value(setting, config))
        source = synonyms[0].source if synonyms else ConfigSource.DEFAULT_CONFIG
        entries.append(
            ConfigEntry(name, value, source, False, False, setting.type, synonyms, explain_topic_setting(setting))
        )
    return entries


def broker_entries(config: Config) -> list[ConfigEntry]:
    """Return all properties of a broker that are in force, and whatever else was given at the start or set later."""
    strange = sorted({name for _, texts in config.layers for name in texts if name not in BROKER_PROPERTIES})
    return [_broker_entry(name, config) for name in (*BROKER_PROPERTIES, *strange)]


def cluster_default_entries(config: Config) -> list[ConfigEntry]:
    """Return what was set at run time for all brokers, and nothing else, in the order of the names."""
    entries = []
    for source, texts in config.layers:
        if source is ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG:
            for name, text in sorted(texts.items()):
                entry = _broker_entry(name, config)
                value = None if entry.sensitive else text
                synonyms = [synonym for synonym in entry.synonyms if synonym.source is source]
                entries.append(entry._replace(value=value, source=source, synonyms=synonyms))
    return entries


def explain(row: Property) -> str:
    """Return what a broker property is for, and the topic setting that it is the default of."""
    setting = _DEFAULT_OF.get(row.name)
    if setting is None:
        return row.doc
    waits = "" if setting.harmless is None else f", which is {_WAITS}"
    return f"{row.doc} Default of the topic setting {setting.name}{waits}."


def explain_topic_setting(setting: TopicSetting) -> str:
    """Return what a topic setting is for."""
    doc = setting.doc or BROKER_PROPERTIES[setting.synonyms[0].name].doc
    return doc if setting.harmless is None else f"{doc} It is {_WAITS}."


def _broker_entry(name: str, config: Config) -> ConfigEntry:
    row = BROKER_PROPERTIES.get(name)
    if row is None:
        return _strange_entry(name, config)
    synonyms = _synonyms(_FAMILIES.get(name, (name,)), config)
    # A value in hours is nothing to say about a property in ms that has none.
    while synonyms and synonyms[0].name != name:
        del synonyms[0]
    source = synonyms[0].source if synonyms else ConfigSource.DEFAULT_CONFIG
    read_only = row.dynamic is Dynamic.READ_ONLY
    return ConfigEntry(name, to_text(config.value(name)), source, read_only, False, row.type, synonyms, explain(row))


def _strange_entry(name: str, config: Config) -> ConfigEntry:
    """Return what was given for a property that is not in the table."""
    from .inert_properties import find_property

    row = find_property(name)
    synonyms = _synonyms([name], config)
    source = synonyms[0].source
    # Kafka calls read-only what it does not know and what is a single listener's, though both can be set.
    read_only = row is None or row.dynamic is Dynamic.READ_ONLY or name.startswith(_LISTENER_PREFIX)
    kind = None if row is None else row.type
    if kind in (None, ConfigType.PASSWORD):  # what nobody knows may be a password, too
        synonyms = [synonym._replace(value=None) for synonym in synonyms]
        return ConfigEntry(name, None, source, read_only, True, kind, synonyms, None)
    doc = _LISTENER_LIMIT_DOC if is_listener_limit(name) else _INERT_DOC
    return ConfigEntry(name, synonyms[0].value, source, read_only, False, kind, synonyms, doc)


def _synonyms(names: Iterable[str], config: Config) -> list[ConfigSynonym]:
    """Return what is said of these properties, source by source."""
    found = [
        ConfigSynonym(name, texts[name], source) for source, texts in config.layers for name in names if name in texts
    ]
    for name in names:
        row = BROKER_PROPERTIES.get(name)
        if row is not None and row.default is not None:
            found.append(ConfigSynonym(name, to_text(row.default), ConfigSource.DEFAULT_CONFIG))
    return found


_DEFAULT_OF = {synonym.name: setting for setting in TOPIC_SETTINGS.values() for synonym in setting.synonyms}
# Properties that say the same in different units, or that stand in for one another, the first that has a value holding.
_FAMILIES = {name: tuple(synonym.name for synonym in setting.synonyms) for name, setting in _DEFAULT_OF.items()}
