"""ApiVersions must work for every client, also for one that is newer than the broker (KIP-35, KIP-511)."""

from __future__ import annotations

import struct

import pytest
from kio.schema.errors import ErrorCode

from tests.support.wire import WireClient, api_key, decode_response, encode_request

KEY = api_key("ApiVersions")


@pytest.mark.parametrize("version", [5, 99, 32_767, -1])
def test_a_version_that_is_not_served_is_answered_as_version_0(version: int, wire: WireClient) -> None:
    body = encode_request("ApiVersions", 4, 42, client_software_name="newer", client_software_version="9")
    wire.send_frame(struct.pack(">hh", KEY, version) + body[4:])
    correlation_id, answer = decode_response("ApiVersions", 0, wire.receive_frame())
    assert correlation_id == 42
    assert answer.error_code == ErrorCode.unsupported_version
    (row,) = (row for row in answer.api_keys if row.api_key == KEY)
    assert (row.min_version, row.max_version) == (0, 4)
    # The client comes back on the same connection with a version of that row.
    again = wire.ask("ApiVersions", 4, client_software_name="newer", client_software_version="9")
    assert again.error_code == ErrorCode.none


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(
    ("name", "software_version"),
    [("", "1.0"), ("client", ""), ("-client", "1.0"), ("client-", "1.0"), ("a client", "1.0"), ("client", "1_0")],
)
def test_malformed_software_names_are_invalid(version: int, name: str, software_version: str, wire: WireClient) -> None:
    answer = wire.ask("ApiVersions", version, client_software_name=name, client_software_version=software_version)
    assert answer.error_code == ErrorCode.invalid_request
    wire.ask("ApiVersions", version, client_software_name="client", client_software_version="1.0")


@pytest.mark.parametrize("name", ["a", "kafka-python", "librdkafka", "franz.go-1", "9"])
def test_well_formed_software_names(name: str, wire: WireClient) -> None:
    answer = wire.ask("ApiVersions", 3, client_software_name=name, client_software_version="2.16.1-rc1")
    assert answer.error_code == ErrorCode.none


def test_produce_is_advertised_from_0_for_the_sake_of_old_clients(wire: WireClient) -> None:
    rows = {row.api_key: (row.min_version, row.max_version) for row in wire.ask("ApiVersions", 0).api_keys}
    assert rows[api_key("Produce")] == (0, 13)


def test_it_may_be_asked_again_at_any_time(wire: WireClient) -> None:
    for version in (4, 0, 3, 1, 2):
        answer = wire.ask("ApiVersions", version, client_software_name="client", client_software_version="1.0")
        assert answer.error_code == ErrorCode.none
