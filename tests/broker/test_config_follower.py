"""What is set at run time holds as soon as it is published, as far as it is valid."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import pairwise

import pytest

from broker.config import Config
from broker.config_follower import ConfigFollower
from broker.config_table import LOG_MOVES_BYTES_PER_SECOND_MAX
from broker.config_types import ConfigSource
from broker.metadata.image import ConfigImage, ImageDelta, MetadataImage

NODE_ID = 1
NOTHING = ImageDelta((), (), ())


def image(for_all: Mapping[str, str] | None = None, for_this: Mapping[str, str] | None = None) -> MetadataImage:
    set_for = {None: for_all, NODE_ID: for_this, 2: {"message.max.bytes": "2"}}
    return MetadataImage(
        broker_configs={node_id: ConfigImage(configs, 1) for node_id, configs in set_for.items() if configs}
    )


@pytest.fixture
def config() -> Config:
    return Config({"node.id": str(NODE_ID), "message.max.bytes": "4"})


@pytest.fixture
def changes() -> list[None]:
    return []


@pytest.fixture
def follower(config: Config, changes: list[None]) -> ConfigFollower:
    return ConfigFollower(config, lambda: changes.append(None))


async def test_what_is_set_for_this_broker_holds_over_what_is_set_for_all(
    config: Config, follower: ConfigFollower, changes: list[None]
) -> None:
    steps = [
        (image({"message.max.bytes": "3"}), "3"),
        (image({"message.max.bytes": "3"}, {"message.max.bytes": "2"}), "2"),
        (image({"message.max.bytes": "5"}, {"message.max.bytes": "2"}), "2"),
        (image({"message.max.bytes": "5"}), "5"),
        (image(), "4"),
    ]
    old = image()
    for new, value in steps:
        await follower.prepare(old, new, NOTHING)
        assert config.int("message.max.bytes") == int(value)
        old = new
    assert len(changes) == len(steps)
    await follower.prepare(old, image(), NOTHING)
    assert len(changes) == len(steps), "nothing changed"


@pytest.mark.parametrize(
    ("for_all", "for_this", "kept", "complaint"),
    [
        ({"message.max.bytes": "x"}, {"log.retention.ms": "5"}, {"log.retention.ms"}, "Invalid value x"),
        ({"num.partitions": "7", "log.retention.ms": "5"}, {}, {"log.retention.ms"}, "num.partitions is read-only."),
        ({"listeners": "PLAINTEXT://:1"}, {}, set(), "listeners is per-broker."),
        ({}, {"node.id": "7"}, set(), "node.id is read-only."),
        ({}, {"listeners": "A://:1", "log.retention.ms": "5"}, {"log.retention.ms"}, "no security protocol"),
        ({"log.retention.ms": "0", "message.max.bytes": "3"}, {}, {"message.max.bytes"}, "log.retention.ms must be"),
        (
            {},
            {
                "listeners": "A://:1,B://:1",
                "listener.security.protocol.map": "A:PLAINTEXT,B:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            },
            {"listener.security.protocol.map"},
            "same port",
        ),
    ],
)
def test_what_is_not_valid_any_longer_is_left_out_with_one_warning(
    config: Config,
    follower: ConfigFollower,
    caplog: pytest.LogCaptureFixture,
    for_all: dict[str, str],
    for_this: dict[str, str],
    kept: set[str],
    complaint: str,
) -> None:
    follower.apply(image(for_all, for_this))
    assert {name for source, texts in config.layers[:2] for name in texts} == kept
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("[configs] Set at run time, but not in force: ")
    assert complaint in warning


def test_what_belongs_together_is_valid_together(config: Config, follower: ConfigFollower) -> None:
    follower.apply(
        image({}, {"listener.security.protocol.map": "A:PLAINTEXT", "listeners": "A://:1", "log.retention.ms": "1"})
    )
    assert config.list("listeners") == ["A://:1"]


async def test_one_line_says_what_is_set_and_one_what_nothing_obeys(
    config: Config, follower: ConfigFollower, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = image({"compression.type": "gzip", "some.password": "secret"}, {"message.max.bytes": "2"})
    await follower.prepare(image(), first, NOTHING)
    assert [record.getMessage() for record in caplog.records] == [
        "[configs] Set at run time: compression.type=gzip, message.max.bytes=2, some.password",
        "[configs] Unknown properties are ignored: 'some.password'",
        "[configs] Kept, but not yet in force: compression.type",
    ]
    caplog.clear()
    second = image({"compression.type": "gzip", "some.password": "secret"}, {"message.max.bytes": "3"})
    await follower.prepare(first, second, NOTHING)
    assert [record.getMessage() for record in caplog.records] == ["[configs] Set at run time: message.max.bytes=3"]
    caplog.clear()
    await follower.prepare(second, MetadataImage(), NOTHING)
    assert [record.getMessage() for record in caplog.records] == [
        "[configs] No longer set at run time: compression.type, message.max.bytes, some.password"
    ]


async def test_what_holds_below_is_told_when_what_lay_over_it_is_taken_back(
    follower: ConfigFollower, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    both, below = image({"message.max.bytes": "2"}, {"message.max.bytes": "3"}), image({"message.max.bytes": "2"})
    follower.apply(both)
    await follower.prepare(both, below, NOTHING)
    assert [record.getMessage() for record in caplog.records] == [
        "[configs] Set at run time: message.max.bytes=3",
        "[configs] Set at run time: message.max.bytes=2",
    ]


async def test_a_complaint_is_made_once_until_it_comes_up_again(
    follower: ConfigFollower, caplog: pytest.LogCaptureFixture
) -> None:
    images = [image({"num.partitions": "7", "log.retention.ms": text}) for text in "12"]
    steps = [image(), *images, image({"log.retention.ms": "2"}), images[1]]
    complained = []
    for old, new in pairwise(steps):
        caplog.clear()
        await follower.prepare(old, new, NOTHING)
        complained.append("num.partitions is read-only." in caplog.text)
    assert complained == [True, False, False, True]


async def test_what_clients_choose_stays_on_its_line_of_the_log(
    follower: ConfigFollower, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    names = ["a\nb", "zookeeper.\rb", "x" * 30_000]
    follower.apply(image({}, {**dict.fromkeys(names, "1"), "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,\n"}))
    follower.apply(image())
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 4
    assert [message for message in messages if not message.isprintable() or len(message) > 1000] == []


async def test_the_limit_of_moves_is_obeyed_although_it_is_no_property_of_the_file(
    follower: ConfigFollower, caplog: pytest.LogCaptureFixture
) -> None:
    follower.apply(image({}, {LOG_MOVES_BYTES_PER_SECOND_MAX: "5"}))
    assert "Unknown properties" not in caplog.text


def test_what_proves_useless_can_be_withdrawn(config: Config, follower: ConfigFollower, changes: list[None]) -> None:
    follower.apply(image({"log.retention.ms": "5"}, {"listeners": "PLAINTEXT://:1", "message.max.bytes": "2"}))
    follower.withdraw("listeners", "listener.security.protocol.map")
    assert config.source("listeners") is ConfigSource.DEFAULT_CONFIG
    assert (config.int("message.max.bytes"), config.int("log.retention.ms")) == (2, 5)
    assert len(changes) == 2
    follower.apply(image({}, {"listeners": "PLAINTEXT://:1", "message.max.bytes": "3"}))
    assert config.source("listeners") is ConfigSource.DEFAULT_CONFIG
    assert config.int("message.max.bytes") == 3
    follower.apply(image({}, {"listeners": "PLAINTEXT://:2"}))
    assert config.list("listeners") == ["PLAINTEXT://:2"]
