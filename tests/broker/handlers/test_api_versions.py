"""ApiVersions: the first thing every client asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.handlers.api_versions import unsupported_version_response
from broker.registry import APIS
from protocol.codec import Part, encoder
from protocol.errors import ErrorCode
from protocol.messages.api_versions import ApiVersionsResponse
from tests.support.metadata_broker import Granting, MetadataBroker

SOFTWARE = {"client_software_name": "apache-kafka-java", "client_software_version": "4.3.1"}


@pytest.fixture
def broker(tmp_path: Path) -> MetadataBroker:
    broker = MetadataBroker(tmp_path)
    broker.authorizer = Granting()  # nobody is asked for rights
    return broker


@pytest.mark.parametrize("version", range(5))
async def test_it_lists_the_registry(broker: MetadataBroker, version: int) -> None:
    response = await broker.ask("api_versions", version, **(SOFTWARE if version >= 3 else {}))
    assert response.error_code == ErrorCode.NONE
    rows = {row.api_key: (row.min_version, row.max_version) for row in response.api_keys}
    assert rows == {api.key: (api.advertised_min_version, api.max_version) for api in APIS}
    assert rows[0] == (0, 13)  # for librdkafka 1.x
    assert response.supported_features == response.finalized_features == []
    assert response.finalized_features_epoch == -1


async def test_it_makes_a_list_of_its_own_for_every_client(broker: MetadataBroker) -> None:
    (await broker.ask("api_versions", 0)).api_keys.clear()
    assert (await broker.ask("api_versions", 0)).api_keys


@pytest.mark.parametrize("name", ["librdkafka", "a", "9", "kafka-python", "a.b-c", "A--z"])
async def test_legal_software_names(broker: MetadataBroker, name: str) -> None:
    response = await broker.ask("api_versions", 4, client_software_name=name, client_software_version=name)
    assert response.error_code == ErrorCode.NONE


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a_b", "é", "a\n", ".", "a" + "\0"])
@pytest.mark.parametrize("field", sorted(SOFTWARE))
@pytest.mark.parametrize("version", [3, 4])
async def test_malformed_software_names(broker: MetadataBroker, version: int, field: str, name: str) -> None:
    response = await broker.ask("api_versions", version, **{**SOFTWARE, field: name})
    assert response.error_code == ErrorCode.INVALID_REQUEST
    assert response.api_keys == []


def test_an_unsupported_version_is_told_what_is_supported() -> None:
    parts: list[Part] = []
    encoder(ApiVersionsResponse, 0)(unsupported_version_response(), parts)
    body = b"".join(bytes(part) for part in parts)  # type: ignore[arg-type]
    assert (
        body.hex() == "0023" + "00000001" + "0012" + "0000" + "0004"
    )  # as a Kafka 4.3.1 answers versions 5, 99 and -1
