"""UpdateFeatures: there is no feature to update. Messages as those of a Kafka 4.3.1 for a feature it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ErrorCode
from protocol.messages.update_features import FeatureUpdateKey
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

PREFIX = "The update failed for all features since the following feature had an error: "


@pytest.fixture
def broker(tmp_path: Path) -> MetadataBroker:
    return MetadataBroker(tmp_path)


async def ask(broker: MetadataBroker, version: int, *updates: tuple[str, int, int], **fields: Any) -> Any:
    """Ask with updates as (feature, level, upgrade type); version 0 has no types."""
    return await broker.ask(
        "update_features",
        version,
        feature_updates=[
            FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=upgrade_type if version else 1)
            for name, level, upgrade_type in updates
        ],
        **fields,
    )


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_no_updates_are_all_made(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version)
    assert (response.error_code, response.error_message, response.results) == (ErrorCode.NONE, None, [])


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize(
    ("update", "reason"),
    [
        (("metadata.version", 30, 1), f"Local controller {NODE_ID} does not support this feature."),
        (("transaction.version", 2, 1), f"Local controller {NODE_ID} does not support this feature."),
        (("nonsense", 0, 2), "Feature nonsense not found."),
        (("nonsense", -1, 3), "A feature version cannot be less than 0."),
        (("", 1, 1), f"Local controller {NODE_ID} does not support this feature."),
    ],
)
async def test_updates_are_refused(
    broker: MetadataBroker, version: int, update: tuple[str, int, int], reason: str
) -> None:
    name, level, _ = update
    for validate_only in (False, True) if version else (False,):
        response = await ask(broker, version, update, ("another", 1, 1), validate_only=validate_only)
        assert response.error_code == ErrorCode.INVALID_UPDATE_VERSION
        assert response.error_message == f"{PREFIX}Invalid update version {level} for feature {name}. {reason}"
        assert response.results == []


@pytest.mark.parametrize("upgrade_type", [-1, 0, 4, 127])
async def test_unknown_kinds_of_upgrades(broker: MetadataBroker, upgrade_type: int) -> None:
    response = await ask(broker, 2, ("nonsense", -1, upgrade_type))
    assert response.error_code == ErrorCode.INVALID_UPDATE_VERSION
    assert response.error_message == (
        f"{PREFIX}Invalid update version -1 for feature nonsense. "
        "The controller does not support the given upgrade type."
    )


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_it_takes_alter_on_the_cluster(broker: MetadataBroker, version: int) -> None:
    broker.authorizer = Granting()
    for updates in ((), (("nonsense", 1, 1),)):
        response = await ask(broker, version, *updates)
        assert response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        assert response.error_message == "Cluster authorization failed."
        assert response.results == []
