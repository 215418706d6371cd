"""What clients are told of settings; values, sources and the order of synonyms are those of a Kafka 4.3 broker."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.config import BROKER_PROPERTIES, Config
from broker.config_entries import (
    ConfigEntry,
    ConfigSynonym,
    broker_entries,
    cluster_default_entries,
    explain,
    topic_entries,
)
from broker.config_types import ConfigSource, ConfigType, parse, to_text
from broker.topic_config_table import TOPIC_SETTINGS

TOPIC, FOR_THIS, FOR_ALL, STATIC, DEFAULT, _ = ConfigSource

Texts = Mapping[str, str]


def topic_entry(name: str, overrides: Texts, *layers: Texts) -> ConfigEntry:
    """The layers: the file's, what was set for all brokers, and for this one."""
    return next(entry for entry in topic_entries(overrides, Config(*layers)) if entry.name == name)


def broker_entry(name: str, *layers: Texts) -> ConfigEntry:
    return next(entry for entry in broker_entries(Config(*layers)) if entry.name == name)


# --- topics --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "overrides", "settings", "value", "source"),
    [
        ("retention.ms", {}, {}, "604800000", DEFAULT),
        ("retention.ms", {}, {"log.retention.hours": "1"}, "3600000", STATIC),
        ("retention.ms", {}, {"log.retention.minutes": "1", "log.retention.hours": "5"}, "60000", STATIC),
        ("retention.ms", {}, {"log.retention.ms": "7", "log.retention.minutes": "1"}, "7", STATIC),
        ("retention.ms", {}, {"log.retention.hours": "-1"}, "-1", STATIC),
        ("retention.ms", {}, {"log.retention.ms": "-5"}, "-1", STATIC),
        ("retention.ms", {"retention.ms": " 5 "}, {"log.retention.ms": "7"}, "5", TOPIC),
        ("retention.ms", {"retention.ms": "no longer a number"}, {"log.retention.ms": "7"}, "7", STATIC),
        ("segment.ms", {}, {"log.roll.hours": "2"}, "7200000", STATIC),
        ("flush.ms", {}, {"log.flush.scheduler.interval.ms": "9"}, "9", STATIC),
        ("cleanup.policy", {}, {"log.cleanup.policy": "delete,compact"}, "delete,compact", STATIC),
        ("cleanup.policy", {"cleanup.policy": "compact, delete"}, {}, "compact,delete", TOPIC),
        ("max.message.bytes", {}, {"message.max.bytes": "1048588"}, "1048588", STATIC),
        ("preallocate", {}, {}, "false", DEFAULT),
        ("leader.replication.throttled.replicas", {}, {}, "", DEFAULT),
    ],
)
def test_values_of_a_topic(name: str, overrides: Texts, settings: Texts, value: str, source: ConfigSource) -> None:
    entry = topic_entry(name, overrides, settings)
    assert (entry.value, entry.source, entry.read_only, entry.sensitive) == (value, source, False, False)


def test_a_topic_has_every_setting_but_what_only_tests_use() -> None:
    names = [entry.name for entry in topic_entries({}, Config())]
    assert names == sorted(names)
    assert len(names) == 33
    assert "internal.segment.bytes" not in names
    assert topic_entry("internal.segment.bytes", {"internal.segment.bytes": "9"}, {}).value == "9"


def test_the_synonyms_of_a_topic_setting_are_what_is_said_about_it_in_the_order_in_which_it_holds() -> None:
    entry = topic_entry(
        "max.message.bytes",
        {"max.message.bytes": " 1 "},
        {"message.max.bytes": " 4 "},
        {"message.max.bytes": "3"},
        {"message.max.bytes": "2"},
    )
    assert entry.synonyms == [
        ConfigSynonym("max.message.bytes", "1", TOPIC),
        ConfigSynonym("message.max.bytes", "2", FOR_THIS),
        ConfigSynonym("message.max.bytes", "3", FOR_ALL),
        ConfigSynonym("message.max.bytes", " 4 ", STATIC),
        ConfigSynonym("message.max.bytes", "1048588", DEFAULT),
    ]
    assert entry.type is ConfigType.INT


def test_a_topic_setting_shows_its_properties_in_other_units_too() -> None:
    # Kafka shows none of them where the one in ms has no value, and then says DEFAULT_CONFIG.
    entry = topic_entry("retention.ms", {}, {"log.retention.hours": "1"}, {"log.retention.ms": "5"})
    assert entry.synonyms == [
        ConfigSynonym("log.retention.ms", "5", FOR_ALL),
        ConfigSynonym("log.retention.hours", "1", STATIC),
        ConfigSynonym("log.retention.hours", "168", DEFAULT),
    ]


def test_a_setting_without_properties_has_no_synonyms() -> None:
    assert topic_entry("remote.storage.enable", {}, {}).synonyms == []


numbers = st.sampled_from(["1", "5", "70"])


def layer(*names: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(names), numbers, max_size=len(names))


@given(
    layer("retention.ms", "segment.ms"),
    layer("log.retention.ms", "log.retention.minutes", "log.retention.hours", "log.roll.ms", "log.roll.hours"),
    layer("log.retention.ms", "log.roll.ms"),
    layer("log.retention.ms", "log.roll.ms"),
)
def test_the_first_synonym_is_where_the_value_comes_from(
    overrides: Texts, settings: Texts, for_all: Texts, for_this: Texts
) -> None:
    for name in ("retention.ms", "segment.ms"):
        entry = topic_entry(name, overrides, settings, for_all, for_this)
        first = entry.synonyms[0]
        factors = {name: 1, **dict(TOPIC_SETTINGS[name].synonyms)}
        assert first.value is not None
        assert entry.value == str(int(first.value) * factors[first.name])
        assert entry.source is first.source


# --- brokers -------------------------------------------------------------------------------------------------------


def test_a_broker_has_every_property() -> None:
    entries = broker_entries(Config({"node.id": "1"}))
    assert [entry.name for entry in entries] == list(BROKER_PROPERTIES)
    for entry in entries:
        row = BROKER_PROPERTIES[entry.name]
        assert entry.read_only == (row.dynamic.value == "read-only")
        assert (entry.type, entry.documentation, entry.sensitive) == (row.type, explain(row), False)


def test_the_synonyms_of_a_property() -> None:
    name = "message.max.bytes"
    entry = broker_entry(name, {name: " 4 "}, {name: " 3 "}, {name: " 2 "})
    assert (entry.value, entry.source) == ("2", FOR_THIS)
    assert entry.synonyms == [
        ConfigSynonym(name, " 2 ", FOR_THIS),
        ConfigSynonym(name, " 3 ", FOR_ALL),
        ConfigSynonym(name, " 4 ", STATIC),
        ConfigSynonym(name, "1048588", DEFAULT),
    ]


def test_a_property_without_a_value_has_none_from_another_unit() -> None:
    entry = broker_entry("log.roll.ms", {"log.roll.hours": "2"})
    assert (entry.value, entry.source, entry.synonyms) == (None, DEFAULT, [])
    entry = broker_entry("log.roll.ms", {"log.roll.hours": "2"}, {"log.roll.ms": "5"})
    assert (entry.value, entry.source) == ("5", FOR_ALL)
    assert entry.synonyms == [
        ConfigSynonym("log.roll.ms", "5", FOR_ALL),
        ConfigSynonym("log.roll.hours", "2", STATIC),
        ConfigSynonym("log.roll.hours", "168", DEFAULT),
    ]


def test_what_is_unknown_is_listed_without_its_values() -> None:
    entry = broker_entry("sasl.password", {}, {"sasl.password": "secret"}, {"sasl.password": "secret too"})
    assert entry == ConfigEntry(
        "sasl.password",
        None,
        FOR_THIS,
        True,
        True,
        None,
        [ConfigSynonym("sasl.password", None, FOR_THIS), ConfigSynonym("sasl.password", None, FOR_ALL)],
        None,
    )


@pytest.mark.parametrize(
    ("name", "value", "read_only", "sensitive", "kind"),
    [
        ("num.io.threads", "9", False, False, ConfigType.INT),
        ("queued.max.requests", "9", True, False, ConfigType.INT),
        ("ssl.keystore.password", None, False, True, ConfigType.PASSWORD),
        ("delegation.token.secret.key", None, True, True, ConfigType.PASSWORD),
        ("listener.name.inside.ssl.keystore.password", None, True, True, ConfigType.PASSWORD),
        ("listener.name.inside.queued.max.requests", "9", True, False, ConfigType.INT),
        ("leader.replication.throttled.rate", "9", False, False, ConfigType.LONG),
        ("zookeeper.connect", None, True, True, None),
    ],
)
def test_what_nothing_obeys_is_listed_where_it_was_given(
    name: str, value: str | None, read_only: bool, sensitive: bool, kind: ConfigType | None
) -> None:
    entry = broker_entry(name, {name: "9"})
    assert entry[:6] == (name, value, STATIC, read_only, sensitive, kind)
    assert entry.synonyms == [ConfigSynonym(name, value, STATIC)]
    assert broker_entry(name, {}, {}, {name: "9"})[:3] == (name, value, FOR_THIS)
    assert name not in [each.name for each in broker_entries(Config())]


def test_of_all_brokers_there_is_only_what_was_set() -> None:
    name = "message.max.bytes"
    config = Config({name: "4"}, {name: "3", "log.retention.ms": "5", "secret": "x"}, {name: "2"})
    assert [(*entry[:5], entry.synonyms) for entry in cluster_default_entries(config)] == [
        ("log.retention.ms", "5", FOR_ALL, False, False, [ConfigSynonym("log.retention.ms", "5", FOR_ALL)]),
        (name, "3", FOR_ALL, False, False, [ConfigSynonym(name, "3", FOR_ALL)]),
        ("secret", None, FOR_ALL, True, True, [ConfigSynonym("secret", None, FOR_ALL)]),
    ]
    assert cluster_default_entries(Config({name: "4"}, {}, {name: "2"})) == []


@pytest.mark.parametrize("name", sorted(BROKER_PROPERTIES))
def test_a_default_is_its_own_synonym(name: str) -> None:
    entry = broker_entry(name)
    default = to_text(BROKER_PROPERTIES[name].default)
    # By itself it has none, and shows that of node.id, as in Kafka.
    assert entry.value == (to_text(BROKER_PROPERTIES["node.id"].default) if name == "broker.id" else default)
    assert [each for each in entry.synonyms if each.name == name] == (
        [] if default is None else [ConfigSynonym(name, default, DEFAULT)]
    )
    if default is not None:
        row = BROKER_PROPERTIES[name]
        assert parse(name, row.type, None, default) == row.default
