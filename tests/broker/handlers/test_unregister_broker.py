"""UnregisterBroker: brokers that are known stay known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import ErrorCode
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    yield broker
    await broker.stop()


@pytest.mark.parametrize("broker_id", [-(2**31), -1, 0, 2, 2**31 - 1])
async def test_an_unknown_broker(broker: MetadataBroker, broker_id: int) -> None:
    response = await broker.ask("unregister_broker", 0, broker_id=broker_id)
    assert (response.error_code, response.error_message) == (
        ErrorCode.BROKER_ID_NOT_REGISTERED,
        f"Broker ID {broker_id} is not currently registered",
    )


async def test_registered_brokers_stay(broker: MetadataBroker) -> None:
    await broker.add_brokers(2)
    for broker_id in (NODE_ID, 2):
        response = await broker.ask("unregister_broker", 0, broker_id=broker_id)
        assert response.error_code == ErrorCode.DUPLICATE_BROKER_REGISTRATION
        assert f"Broker ID {broker_id} is in use" in response.error_message
    assert set(broker.image.brokers) == {NODE_ID, 2}


async def test_it_takes_alter_on_the_cluster(broker: MetadataBroker) -> None:
    broker.authorizer = Granting()
    for broker_id in (NODE_ID, 7):
        response = await broker.ask("unregister_broker", 0, broker_id=broker_id)
        assert (response.error_code, response.error_message) == (
            ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
            "Cluster authorization failed.",
        )
