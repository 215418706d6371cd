"""The configuration controller: what it was asked for holds when it answers, or one error a resource says why not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from broker.configs import ConfigController
from broker.core.controller.configs import Alteration, ConfigChange, ConfigOperation, ConfigResourceType
from broker.core.controller.topic_creation import NewTopic
from broker.metadata.keys import broker_configs_key, topic_key
from broker.metadata.records import TopicRecord, encode_configs, encode_topic
from broker.metadata.store import Delete, Put
from broker.metadata.writer import MetadataWriter
from protocol.errors import ErrorCode, KafkaError
from tests.support.manual_clock import ManualClock
from tests.support.metadata_broker import NODE_ID, MetadataBroker
from tests.support.rival_store import RivalStore

SET, DELETE, APPEND, SUBTRACT = ConfigOperation
TOPIC, BROKER, LOGGER, METRICS, GROUP = ConfigResourceType


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    topics = [NewTopic(f"t{number}") for number in range(10)]
    await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


def setting(resource_type: int, resource_name: str, texts: Mapping[str, str | None]) -> Alteration:
    """Some settings of a resource, None to delete one."""
    changes = [ConfigChange(name, DELETE if text is None else SET, text) for name, text in texts.items()]
    return Alteration(resource_type, resource_name, changes)


async def alter(
    broker: MetadataBroker,
    *alterations: Alteration,
    validate_only: bool = False,
    refused: tuple[str, ...] = (),
    controller: ConfigController | None = None,
) -> list[str]:
    """The name of each answer's code."""

    def refuse(resource_type: ConfigResourceType, name: str) -> KafkaError | None:
        return KafkaError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, "No.") if name in refused else None

    errors = await (controller or broker.configs).alter(alterations, refuse=refuse, validate_only=validate_only)
    return ["NONE" if error is None else error.code.name for error in errors]


def with_rival(broker: MetadataBroker) -> tuple[ConfigController, RivalStore]:
    rival = RivalStore(broker.store)
    writer = MetadataWriter(rival, broker.images)
    return ConfigController(broker.config, writer, broker.images, broker.clock, broker), rival


async def test_what_was_set_on_a_topic_is_in_the_image_when_it_is_answered(broker: MetadataBroker) -> None:
    before = broker.image.topics["t0"]
    assert await alter(broker, setting(TOPIC, "t0", {"retention.ms": "5", "segment.ms": "6"})) == ["NONE"]
    after = broker.image.topics["t0"]
    assert after.configs == {"retention.ms": "5", "segment.ms": "6"}
    assert (after.topic_id, after.partitions) == (before.topic_id, before.partitions)
    assert await alter(broker, setting(TOPIC, "t0", {"retention.ms": None})) == ["NONE"]
    assert broker.image.topics["t0"].configs == {"segment.ms": "6"}


async def test_what_was_set_for_brokers_holds_when_it_is_answered(broker: MetadataBroker) -> None:
    name = "message.max.bytes"
    assert await alter(broker, setting(BROKER, "", {name: "7"}), setting(BROKER, "1", {name: "8"})) == ["NONE"] * 2
    assert broker.config.int(name) == 8
    assert await alter(broker, setting(BROKER, "1", {name: None})) == ["NONE"]
    assert broker.config.int(name) == 7
    assert await alter(broker, Alteration(BROKER, "", [], replaces=True)) == ["NONE"]
    assert broker.config.int(name) == 1048588
    assert (await broker.store.range("configs/")).items == []


async def test_with_validate_only_nothing_changes(broker: MetadataBroker) -> None:
    revision = broker.image.revision
    levels = logging.getLogger("broker.server").level
    assert await alter(
        broker,
        setting(TOPIC, "t0", {"retention.ms": "5"}),
        setting(TOPIC, "t1", {"retention.ms": "x"}),
        setting(BROKER, "1", {"message.max.bytes": "5"}),
        setting(LOGGER, "1", {"broker.server": "TRACE"}),
        setting(LOGGER, "2", {"broker.server": "TRACE"}),
        validate_only=True,
    ) == ["NONE", "INVALID_CONFIG", "NONE", "NONE", "INVALID_REQUEST"]
    assert broker.image.revision == revision
    assert logging.getLogger("broker.server").level == levels


async def test_each_resource_has_its_own_error_and_the_others_are_changed(broker: MetadataBroker) -> None:
    assert await alter(
        broker,
        setting(TOPIC, "t0", {"retention.ms": "5"}),
        setting(TOPIC, "t1", {"retention.ms": "5", "unheard.of": "1"}),
        setting(TOPIC, "nope", {"retention.ms": "5"}),
        setting(TOPIC, "t2", {"retention.ms": "5"}),
        setting(BROKER, "9", {}),
        setting(LOGGER, "1", {"nope": "INFO"}),
        setting(LOGGER, "", {}),
        setting(GROUP, "g", {"consumer.session.timeout.ms": "5"}),
        setting(METRICS, "m", {"interval.ms": "5"}),
        setting(TOPIC, "t3", {"retention.ms": "5"}),
        setting(3, "x", {}),
        setting(TOPIC, "t4", {"retention.ms": "5"}),
        setting(TOPIC, "t4", {"retention.ms": "5"}),
        refused=("t2",),
    ) == [
        "NONE",
        "INVALID_CONFIG",
        "UNKNOWN_TOPIC_OR_PARTITION",
        "TOPIC_AUTHORIZATION_FAILED",
        "INVALID_REQUEST",
        "INVALID_CONFIG",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
        "NONE",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
    ]
    assert [name for name, topic in broker.image.topics.items() if topic.configs] == ["t0", "t3"]


async def test_what_is_set_already_is_not_written_again(broker: MetadataBroker) -> None:
    wanted = [setting(TOPIC, "t0", {"retention.ms": "5"}), setting(BROKER, "", {"message.max.bytes": "5"})]
    assert await alter(broker, *wanted) == ["NONE"] * 2
    revision = broker.image.revision
    assert await alter(broker, *wanted, setting(TOPIC, "t1", {"retention.ms": None})) == ["NONE"] * 3
    assert broker.image.revision == revision


async def test_a_long_request_is_written_in_several_transactions(broker: MetadataBroker) -> None:
    controller, rival = with_rival(broker)
    wanted = [setting(TOPIC, f"t{number}", {"retention.ms": "5"}) for number in range(10)]
    assert await alter(broker, *wanted, controller=controller) == ["NONE"] * 10
    assert rival.sizes == [4, 4, 2]
    assert all(topic.configs == {"retention.ms": "5"} for topic in broker.image.topics.values())


async def test_what_another_broker_was_faster_with_is_planned_again(broker: MetadataBroker) -> None:
    controller, rival = with_rival(broker)
    topic_id = broker.image.topics["t0"].topic_id
    theirs = encode_topic(TopicRecord(topic_id, {"segment.ms": "6"}, ((NODE_ID,), (NODE_ID,))))
    rival.moves = [[Put(topic_key("t0"), theirs), Delete(topic_key("t2"))]]
    wanted = [setting(TOPIC, f"t{number}", {"retention.ms": "5"}) for number in range(3)]
    assert await alter(broker, *wanted, controller=controller) == ["NONE", "NONE", "UNKNOWN_TOPIC_OR_PARTITION"]
    assert broker.image.topics["t0"].configs == {"segment.ms": "6", "retention.ms": "5"}
    assert len(broker.image.topics["t0"].partitions) == 2

    rival.moves = [[Put(broker_configs_key(None), encode_configs({"log.retention.ms": "6"}))]]
    wanted = [setting(BROKER, "", {"message.max.bytes": "5"})]
    assert await alter(broker, *wanted, controller=controller) == ["NONE"]
    assert broker.image.broker_configs[None].configs == {"log.retention.ms": "6", "message.max.bytes": "5"}


async def test_a_store_that_fails_is_an_error_of_all_that_it_should_keep(broker: MetadataBroker) -> None:
    await broker.store.close()
    assert await alter(
        broker,
        setting(TOPIC, "t0", {"retention.ms": "5"}),
        setting(BROKER, "", {"message.max.bytes": "5"}),
        setting(LOGGER, "1", {}),
        setting(9, "x", {}),
    ) == ["KAFKA_STORAGE_ERROR", "KAFKA_STORAGE_ERROR", "NONE", "INVALID_REQUEST"]


@pytest.mark.parametrize(
    ("name", "texts", "sentence"),
    [
        ("1", {"log.retention.ms": "0"}, "log.retention.ms must be -1 for ever, or at least 1."),
        ("", {"log.roll.ms": "0"}, "log.roll.ms must be at least 1."),
        ("1", {"listeners": "A://:1"}, "The listener A has no security protocol in listener.security.protocol.map"),
        ("1", {"listeners": "SSL://:1"}, "The listener SSL://:1 uses SSL, which is not served yet; use PLAINTEXT."),
        ("1", {"listeners": "PLAINTEXT://:7"}, "Port 7 is in use."),
        (
            "1",
            {"listeners": "A://:1", "listener.security.protocol.map": "A:PLAINTEXT,PLAINTEXT:PLAINTEXT"},
            "has PLAINTEXT, which is none of the listeners: A; set listeners=PLAINTEXT://:9092 to have one for each.",
        ),
        ("1", {"listener.security.protocol.map": "PLAINTEXT:SSL"}, "uses SSL, which is not served yet"),
        (
            "1",
            {"log.local.retention.ms": "10", "log.retention.ms": "5"},
            "Invalid value 10 for configuration log.local.retention.ms: Value must not be more than that of "
            "log.retention.ms, which is 5.",
        ),
        (
            "",
            {"log.local.retention.bytes": "-1", "log.retention.bytes": "5"},
            "Invalid value -1 for configuration log.local.retention.bytes",
        ),
    ],
)
async def test_what_cannot_stand_beside_the_rest_is_refused(
    tmp_path: Path, name: str, texts: dict[str, str], sentence: str
) -> None:
    broker = await MetadataBroker(tmp_path, {"advertised.listeners": "PLAINTEXT://here:9092"}).start()
    broker.ports_taken = {7}
    try:
        [error] = await broker.configs.alter(
            [setting(BROKER, name, texts)], refuse=lambda *_: None, validate_only=False
        )
        assert error is not None
        assert error.code is ErrorCode.INVALID_REQUEST
        assert sentence in str(error.message)
        assert not broker.image.broker_configs
    finally:
        await broker.stop()


async def test_others_change_metadata_while_listeners_are_tried(
    broker: MetadataBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    trying, tried = asyncio.Event(), asyncio.Event()

    async def check_listeners(listeners: object) -> None:
        trying.set()
        await tried.wait()

    monkeypatch.setattr(broker, "check_listeners", check_listeners)
    asked = asyncio.create_task(alter(broker, setting(BROKER, "1", {"listeners": "PLAINTEXT://slow.example:1"})))
    await trying.wait()
    assert await alter(broker, setting(TOPIC, "t0", {"retention.ms": "5"})) == ["NONE"]
    assert not asked.done()
    tried.set()
    assert await asked == ["NONE"]
    assert broker.config.list("listeners") == ["PLAINTEXT://slow.example:1"]


async def test_others_have_their_turn_while_a_long_request_is_planned(broker: MetadataBroker) -> None:
    class HurriedClock(ManualClock):
        """Whoever looks finds that a slice of time is over."""

        def monotonic_ms(self) -> float:
            self.advance(10)
            return super().monotonic_ms()

    controller = ConfigController(broker.config, broker.writer, broker.images, HurriedClock(), broker)
    wanted = [setting(TOPIC, f"nope{number}", {"retention.ms": "5"}) for number in range(100)]
    asked = asyncio.create_task(alter(broker, *wanted, validate_only=True, controller=controller))
    turns = 0
    while not asked.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= len(wanted)


@pytest.mark.parametrize(
    "texts",
    [
        {"log.local.retention.ms": "5", "log.retention.ms": "5"},
        {"log.local.retention.ms": "-1", "log.retention.ms": "-1"},
        {"log.local.retention.bytes": "700"},
    ],
)
async def test_local_retention_that_fits_into_the_whole(broker: MetadataBroker, texts: dict[str, str]) -> None:
    assert await alter(broker, setting(BROKER, "1", texts)) == ["NONE"]


async def test_what_is_stored_and_no_longer_valid_does_not_stand_in_the_way(broker: MetadataBroker) -> None:
    stored = {"message.max.bytes": "-1", "num.partitions": "7"}
    await broker.write(Put(broker_configs_key(NODE_ID), encode_configs(stored)))
    assert await alter(broker, setting(BROKER, "1", {"log.retention.ms": "5"})) == ["NONE"]
    assert broker.config.int("log.retention.ms") == 5
    assert broker.image.broker_configs[NODE_ID].configs == {**stored, "log.retention.ms": "5"}


async def test_items_are_appended_to_the_listeners_of_the_file(tmp_path: Path) -> None:
    broker = await MetadataBroker(tmp_path, {"listeners": "PLAINTEXT://:1"}).start()
    try:
        protocols = ConfigChange("listener.security.protocol.map", SET, "PLAINTEXT:PLAINTEXT,A:PLAINTEXT")
        added = Alteration(BROKER, "1", [protocols, ConfigChange("listeners", APPEND, "A://:2")])
        assert await alter(broker, added) == ["NONE"]
        assert broker.config.list("listeners") == ["PLAINTEXT://:1", "A://:2"]
        removed = Alteration(BROKER, "1", [ConfigChange("listeners", SUBTRACT, "PLAINTEXT://:1")])
        assert await alter(broker, removed) == ["NONE"]
        assert broker.config.list("listeners") == ["A://:2"]
    finally:
        await broker.stop()


async def test_lists_begin_with_what_lies_below_them(tmp_path: Path) -> None:
    broker = await MetadataBroker(tmp_path, {"log.cleanup.policy": "compact"}).start()
    try:
        append = [ConfigChange("log.cleanup.policy", APPEND, "delete")]
        subtract = [ConfigChange("log.cleanup.policy", SUBTRACT, "compact")]
        assert await alter(broker, Alteration(BROKER, "", append)) == ["NONE"]
        assert broker.config.list("log.cleanup.policy") == ["compact", "delete"]
        assert await alter(broker, Alteration(BROKER, "1", subtract)) == ["NONE"]
        assert broker.config.list("log.cleanup.policy") == ["delete"]
    finally:
        await broker.stop()


async def test_one_line_tells_of_settings_that_are_not_in_force(
    broker: MetadataBroker, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = [setting(TOPIC, f"t{number}", {"flush.messages": "1", "segment.ms": "1"}) for number in range(5)]
    with caplog.at_level(logging.WARNING):
        await alter(broker, *wanted, validate_only=True)
        assert not caplog.records
        await alter(broker, *wanted, setting(TOPIC, "t9", {"cleanup.policy": "x"}))
        await alter(broker, setting(TOPIC, "t0", {"segment.ms": "2", "flush.messages": None}))
    assert [record.getMessage() for record in caplog.records] == [
        "[topics] t0, t1, t2 and 2 more: kept, but not yet in force: flush.messages"
    ]


async def test_one_line_a_request_tells_how_topics_are_set_now(
    broker: MetadataBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="broker.topics"):
        await alter(broker, setting(TOPIC, "t0", {"retention.ms": "5", "segment.ms": "\n 7 "}))
        await alter(broker, setting(TOPIC, "t0", {"retention.ms": None, "segment.ms": None}))
    assert [record.getMessage() for record in caplog.records] == [
        "[topics] Configured: t0 (retention.ms=5 segment.ms=7)",
        "[topics] Configured: t0 (nothing is set)",
    ]
