"""What an admin cannot do to the topic that groups are kept in, whatever else is in the same request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from broker.broker import Broker
from broker.metadata.image import GROUPS_TOPIC
from tests.support.groups_over_the_wire import committed, describe_group
from tests.support.record_batches import encode_batch
from tests.support.records_over_the_wire import describe, produce_batch
from tests.support.running_broker import running
from tests.support.wire import WireClient

PROTECTED = ErrorCode.invalid_topic_exception


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker whose group `g` has committed offset 7 of the topic `t`."""
    async with running(tmp_path) as broker:
        await asyncio.to_thread(prepare, broker)
        yield broker


def connect(broker: Broker) -> WireClient:
    return WireClient(broker.endpoints()[0])


def prepare(broker: Broker) -> None:
    with connect(broker) as wire:
        topics = [{"name": name, "num_partitions": 1, "replication_factor": 1} for name in ("t", "u")]
        assert [topic.error_code for topic in wire.ask("CreateTopics", 7, timeout_ms=30_000, topics=topics).topics] == [
            0,
            0,
        ]
        describe_group(wire, "g")  # has the topic made
        partition = {"partition_index": 0, "committed_offset": 7, "committed_metadata": ""}
        answer = wire.ask(
            "OffsetCommit",
            9,
            group_id="g",
            generation_id_or_member_epoch=-1,
            topics=[{"name": "t", "partitions": [partition]}],
        )
        assert answer.topics[0].partitions[0].error_code == 0


@pytest.mark.parametrize("change", [(0, "delete"), (0, "compact,delete"), (0, ""), (1, None)])
async def test_it_stays_compacted(broker: Broker, change: tuple[int, str | None]) -> None:
    operation, value = change
    configs = [{"name": "cleanup.policy", "config_operation": operation, "value": value}]
    others = [{"name": "max.message.bytes", "config_operation": 0, "value": "5000"}]

    def alter(configs: list[dict[str, Any]]) -> ErrorCode:
        with connect(broker) as wire:
            resource = {"resource_type": 2, "resource_name": GROUPS_TOPIC, "configs": configs}
            (response,) = wire.ask("IncrementalAlterConfigs", 1, resources=[resource]).responses
            return response.error_code

    assert await asyncio.to_thread(alter, configs) == ErrorCode.invalid_config
    assert await asyncio.to_thread(alter, others) == ErrorCode.none
    assert broker.images.current.topics[GROUPS_TOPIC].configs["cleanup.policy"] == "compact"


def groups_are_kept(wire: WireClient) -> bool:
    (topic,) = describe(wire, GROUPS_TOPIC).topics
    return (topic.error_code, topic.is_internal, len(topic.partitions)) == (0, True, 50) and committed(
        wire, "g", "t", 1
    ) == [7]


@pytest.mark.parametrize("version", range(1, 7))
async def test_it_is_not_deleted(broker: Broker, version: int) -> None:
    def check() -> None:
        with connect(broker) as wire:
            names = ["u", GROUPS_TOPIC, "nope"]
            answer = wire.ask(
                "DeleteTopics",
                version,
                timeout_ms=30_000,
                topic_names=names,
                topics=[{"name": name, "topic_id": None} for name in names],
            )
            assert {result.name: result.error_code for result in answer.responses} == {
                "u": 0,
                GROUPS_TOPIC: PROTECTED,
                "nope": ErrorCode.unknown_topic_or_partition,
            }
            if version >= 6:
                topic_id = describe(wire, GROUPS_TOPIC).topics[0].topic_id
                topics = [{"name": None, "topic_id": topic_id}]
                (result,) = wire.ask("DeleteTopics", version, timeout_ms=30_000, topics=topics).responses
                assert (result.name, result.topic_id, result.error_code) == (GROUPS_TOPIC, topic_id, PROTECTED)
                assert GROUPS_TOPIC in result.error_message
            assert groups_are_kept(wire)

    await asyncio.to_thread(check)


@pytest.mark.parametrize("validate_only", [True, False])
async def test_it_is_not_grown(broker: Broker, validate_only: bool) -> None:
    def check() -> None:
        with connect(broker) as wire:
            topics = [{"name": name, "count": 60, "assignments": None} for name in (GROUPS_TOPIC, "u")]
            results = wire.ask(
                "CreatePartitions", 3, topics=topics, timeout_ms=30_000, validate_only=validate_only
            ).results
            assert {result.name: result.error_code for result in results} == {GROUPS_TOPIC: PROTECTED, "u": 0}
            assert groups_are_kept(wire)

    await asyncio.to_thread(check)


async def test_nobody_writes_to_it_and_nobody_makes_another(broker: Broker) -> None:
    def check() -> None:
        with connect(broker) as wire:
            assert produce_batch(wire, GROUPS_TOPIC, encode_batch([b"x"])).error_code == PROTECTED
            topics: list[Any] = [{"name": GROUPS_TOPIC, "num_partitions": 1, "replication_factor": 1}]
            (result,) = wire.ask("CreateTopics", 7, timeout_ms=30_000, topics=topics).topics
            assert result.error_code == ErrorCode.topic_already_exists
            assert groups_are_kept(wire)

    await asyncio.to_thread(check)
