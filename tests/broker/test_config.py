"""Config: what the broker is told, checked before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.config import Config, StartupError
from broker.config_types import ConfigSource


def test_defaults() -> None:
    config = Config()
    assert config.int("num.partitions") == 1
    assert config.bool("auto.create.topics.enable") is True
    assert config.str("log.message.timestamp.type") == "CreateTime"
    assert config.list("log.cleanup.policy") == ["delete"]
    assert config.optional_str("broker.rack") is None
    assert config.value("log.roll.ms") is None
    assert not config.given("num.partitions")


def test_settings_hold_over_defaults() -> None:
    config = Config({"num.partitions": " 3 ", "broker.rack": "r1", "log.dirs": "/a, /b"})
    assert config.int("num.partitions") == 3
    assert config.given("num.partitions")
    assert config.optional_str("broker.rack") == "r1"
    assert config.log_dirs == ["/a", "/b"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"ottla.cluster.id": ""}, "ottla.cluster.id must not be empty; leave it out for one at random."),
        ({"ottla.cluster.id": "a\nb"}, "ottla.cluster.id must be a line of text of at most 32767 bytes."),
        # As Python reads a byte of the environment that is not UTF-8.
        ({"broker.rack": "a\udcff"}, "broker.rack must be a line of text of at most 32767 bytes."),
        ({"broker.rack": "é" * 16384}, "broker.rack must be a line of text of at most 32767 bytes."),
        (
            {"process.roles": "controller"},
            "process.roles asks for a controller alone, which Ottla does not need: start none, or let it be a broker "
            "too.",
        ),
        ({"num.partitions": "0"}, "Invalid value 0 for configuration num.partitions: Value must be at least 1."),
        ({"log.dirs": ""}, "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value."),
        ({"log.roll.ms": "0"}, "log.roll.ms must be at least 1."),
        ({"log.roll.jitter.ms": "-1"}, "log.roll.jitter.ms must be at least 0."),
        ({"log.retention.ms": "0"}, "log.retention.ms must be -1 for ever, or at least 1."),
        ({"log.retention.hours": "0"}, "log.retention.hours must be -1 for ever, or at least 1."),
        ({"node.id": "-1"}, "Invalid value -1 for configuration node.id: Value must be at least 0."),
        ({"broker.id": "-1"}, "broker.id must be at least 0."),
        (
            {"group.max.session.timeout.ms": "10"},
            "group.max.session.timeout.ms must be at least group.min.session.timeout.ms.",
        ),
        ({"broker.id": "1", "node.id": "2"}, "node.id and broker.id must have the same value where both are given."),
        (
            {"listeners": "nowhere"},
            "listeners has 'nowhere', which is not NAME://HOST:PORT, as PLAINTEXT://localhost:9092 is (an IPv6 address "
            "stands in brackets).",
        ),
    ],
)
def test_a_bad_setting_is_one_sentence(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(StartupError) as refused:
        Config(settings)
    assert str(refused.value) == sentence


def test_a_property_that_another_replaces_is_not_judged() -> None:
    Config({"log.retention.hours": "0", "log.retention.ms": "5"})


@pytest.mark.parametrize(
    ("settings", "node_id"),
    [({}, 0), ({"node.id": "3"}, 3), ({"broker.id": "4"}, 4), ({"broker.id": "5", "node.id": "5"}, 5)],
)
def test_node_id(settings: dict[str, str], node_id: int) -> None:
    config = Config(settings)
    assert config.node_id == config.int("node.id") == config.int("broker.id") == node_id


@pytest.mark.parametrize(
    ("settings", "log_dirs"),
    [
        ({}, []),
        ({"log.dir": "/a"}, ["/a"]),
        ({"log.dirs": "/b,/c"}, ["/b", "/c"]),
        ({"log.dir": "/a", "log.dirs": "/b,/b"}, ["/b"]),
    ],
)
def test_log_dirs(settings: dict[str, str], log_dirs: list[str]) -> None:
    assert Config(settings).log_dirs == log_dirs


def test_load_lays_settings_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("num.partitions=2\nbroker.rack = r2\n")
    config = Config.load([str(file)], settings={"num.partitions": "3"})
    assert config.int("num.partitions") == 3
    assert config.optional_str("broker.rack") == "r2"
    assert config.given("broker.rack")


def test_load_without_a_file() -> None:
    assert Config.load(settings={"num.partitions": "3"}).int("num.partitions") == 3


def test_each_source_holds_over_those_before(tmp_path: Path) -> None:
    files = [tmp_path / "image.properties", tmp_path / "server.properties"]
    files[0].write_text("num.partitions=2\nbroker.rack=r\nlog.roll.hours=5\nlog.retention.hours=6\n")
    files[1].write_text("broker.rack=r2\nlog.roll.hours=6\nlog.retention.hours=7\n")
    environment = {"KAFKA_LOG_ROLL_HOURS": "7", "KAFKA_LOG_RETENTION_HOURS": "8", "HOME": "/"}
    config = Config.load([*map(str, files)], environment, {"log.retention.hours": "9"})
    values = [config.value(name) for name in ("num.partitions", "broker.rack", "log.roll.hours", "log.retention.hours")]
    assert values == [2, "r2", 7, 9]


def test_what_is_wrong_in_a_file_or_in_a_variable_says_where(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("broker.rack=r\nnum.partitions=none\n")
    sentence = "Invalid value none for configuration num.partitions: Not a number of type INT."
    # Even where something else holds over it.
    with pytest.raises(StartupError, match=rf"^{file}, line 2: {sentence}$"):
        Config.load([str(file)], settings={"num.partitions": "3"})
    with pytest.raises(StartupError, match=rf"^The environment variable KAFKA_NUM_PARTITIONS: {sentence}$"):
        Config.load(environment={"KAFKA_NUM_PARTITIONS": "none"}, settings={"num.partitions": "3"})


def test_a_bad_value_in_toml_names_the_file_and_the_property(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    for text in ('"none"', "[1, 2]", "true"):
        file.write_text(f"[num]\npartitions = {text}\n")
        with pytest.raises(StartupError, match=rf"^{file}: Invalid value \S+ for configuration num\.partitions: "):
            Config.load([str(file)])


def test_an_empty_value_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("num.partitions=\n")
    remedy = "is empty; unset it to have the default, or give it a value."
    with pytest.raises(StartupError) as refused:
        Config.load(environment={"KAFKA_LISTENERS": " "})
    assert str(refused.value) == f"The environment variable KAFKA_LISTENERS: the value of listeners {remedy}"
    with pytest.raises(StartupError) as refused:
        Config.load([str(file)])
    assert str(refused.value) == f"{file}, line 1: the value of num.partitions {remedy}"
    with pytest.raises(StartupError) as refused:
        Config.load(settings={"log.dirs": ""})
    assert str(refused.value) == f"--set: the value of log.dirs {remedy}"


def test_where_a_property_was_given_is_known_and_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("num.partitions=2\nbroker.rack=r\nlog.roll.hours=5\n")
    config = Config.load([str(file)], {"KAFKA_BROKER_RACK": "s"}, {"log.roll.hours": "6"})
    places = [f"{file}, line 1", "the environment variable KAFKA_BROKER_RACK", "--set", ""]
    for each in (config, config.overridden({}, {"message.max.bytes": "2"})):
        names = ("num.partitions", "broker.rack", "log.roll.hours", "message.max.bytes")
        assert [each.place(name) for name in names] == places
    other = Config()
    other.adopt(config)
    assert other.place("log.roll.hours") == "--set"


def test_names_that_are_not_in_the_table_change_nothing() -> None:
    names = ["num.io.threads", "Num.Partitions", "log.retension.ms"]
    config = Config({"num.partitions": "3", **dict.fromkeys(names, "anything")})
    assert config.int("num.partitions") == 3
    assert config.names_not_in_table == names


def test_what_is_set_at_run_time_lies_over_the_file_and_what_is_set_for_one_broker_over_that() -> None:
    name = "message.max.bytes"
    config = Config({name: "4", "log.retention.ms": "7"})
    changed = config.overridden({name: "3", "some.plugin": "x"}, {name: " 2 "})
    assert (config.int(name), config.source(name)) == (4, ConfigSource.STATIC_BROKER_CONFIG)
    assert (changed.int(name), changed.source(name)) == (2, ConfigSource.DYNAMIC_BROKER_CONFIG)
    assert changed.source("log.retention.ms") is ConfigSource.STATIC_BROKER_CONFIG
    assert changed.source("num.partitions") is ConfigSource.DEFAULT_CONFIG
    assert changed.overridden({name: "3"}, {}).source(name) is ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG
    assert changed.overridden({}, {}).int(name) == 4
    config.adopt(changed)
    assert (config.int(name), config.source(name)) == (2, ConfigSource.DYNAMIC_BROKER_CONFIG)
    assert not config.given("some.plugin")


@pytest.mark.parametrize("layers", [({"message.max.bytes": "x"}, {}), ({}, {"log.retention.ms": "0"})])
def test_what_is_set_at_run_time_is_judged_too(layers: tuple[dict[str, str], dict[str, str]]) -> None:
    with pytest.raises(StartupError):
        Config().overridden(*layers)
