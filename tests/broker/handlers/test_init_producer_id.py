"""InitProducerId for idempotent producers; what it answers was asked of a Kafka 4.3.1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.producer_ids import BLOCK_SIZE
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from tests.support.metadata_broker import Granting, MetadataBroker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    yield broker
    await broker.stop()


async def ask(
    broker: MetadataBroker, version: int = 5, transactional_id: str | None = None, timeout_ms: int = 60_000, **more: int
) -> tuple[int, int, int]:
    fields: dict[str, Any] = {
        "transactional_id": transactional_id,
        "transaction_timeout_ms": timeout_ms,
        **more,
    }
    response = await broker.ask("init_producer_id", version, **fields)
    assert response.throttle_time_ms == 0
    return response.error_code, response.producer_id, response.producer_epoch


async def test_every_version_gives_a_new_id(broker: MetadataBroker) -> None:
    assert [await ask(broker, version) for version in range(6)] == [(0, number, 0) for number in range(6)]


async def test_blocks_follow_each_other(broker: MetadataBroker) -> None:
    given = [(await ask(broker))[1] for _ in range(BLOCK_SIZE + 2)]
    assert given == list(range(BLOCK_SIZE + 2))


@pytest.mark.parametrize("timeout_ms", [0, -5, 2**31 - 1])
async def test_the_transaction_timeout_is_nobodys_here(broker: MetadataBroker, timeout_ms: int) -> None:
    assert await ask(broker, timeout_ms=timeout_ms) == (0, 0, 0)


@pytest.mark.parametrize(("producer_id", "epoch"), [(5, 3), (999_999, 0), (0, 32767), (-7, -7)])
async def test_whoever_had_an_id_gets_a_new_one(broker: MetadataBroker, producer_id: int, epoch: int) -> None:
    assert await ask(broker, 3, producer_id=producer_id, producer_epoch=epoch) == (0, 0, 0)


@pytest.mark.parametrize(("producer_id", "epoch"), [(5, -1), (-1, 3)])
async def test_half_an_identity_is_none(broker: MetadataBroker, producer_id: int, epoch: int) -> None:
    refused = (ErrorCode.INVALID_REQUEST, -1, -1)
    assert await ask(broker, 3, producer_id=producer_id, producer_epoch=epoch) == refused


@pytest.mark.parametrize("version", range(6))
async def test_transactions_are_not_served_yet(broker: MetadataBroker, version: int) -> None:
    assert await ask(broker, version, "tx") == (ErrorCode.UNSUPPORTED_VERSION, -1, -1)
    assert await ask(broker, version, "") == (ErrorCode.INVALID_REQUEST, -1, -1)


@pytest.mark.parametrize(
    ("operation", "resource_type", "name"),
    [
        (AclOperation.IDEMPOTENT_WRITE, ResourceType.CLUSTER, CLUSTER_NAME),
        (AclOperation.WRITE, ResourceType.TOPIC, "any"),
    ],
)
async def test_it_takes_idempotent_write_or_write_on_any_topic(
    broker: MetadataBroker, operation: AclOperation, resource_type: ResourceType, name: str
) -> None:
    broker.authorizer = Granting((AclOperation.READ, ResourceType.TOPIC, "*"))
    assert await ask(broker) == (ErrorCode.CLUSTER_AUTHORIZATION_FAILED, -1, -1)
    broker.authorizer = Granting((operation, resource_type, name))
    assert await ask(broker) == (0, 0, 0)


async def test_a_transactional_id_takes_write_on_it(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, "mine"))
    assert (await ask(broker, 5, "other"))[0] == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert (await ask(broker, 5, "mine"))[0] == ErrorCode.UNSUPPORTED_VERSION


async def test_a_store_that_fails_is_a_reason_to_try_again(broker: MetadataBroker) -> None:
    await broker.store.close()
    assert await ask(broker) == (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, -1, -1)


async def test_the_log_says_who_asks_for_transactions(broker: MetadataBroker, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        assert (await ask(broker, 5, "pay\nments"))[0] == ErrorCode.UNSUPPORTED_VERSION
    assert (await ask(broker))[0] == ErrorCode.NONE
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "[producer-ids] Client 'test' asks for transactions (transactional.id='pay\\nments'), which are "
            "not served yet.",
        )
    ]
