"""Addresses in responses replaced, and everything else left as it was."""

from __future__ import annotations

from typing import Any

import pytest

from broker.wire.addresses import Address
from broker.wire.apis import messages_of
from broker.wire.rewriting import ADDRESS_API_KEYS, needs_rewriting, rewrite
from protocol.errors import MalformedFrame
from protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from protocol.messages.fetch import FetchResponse
from protocol.messages.fetch import NodeEndpoint as FetchEndpoint
from protocol.messages.find_coordinator import Coordinator, FindCoordinatorResponse
from protocol.messages.metadata import MetadataResponse, MetadataResponseBroker
from protocol.messages.produce import NodeEndpoint, ProduceResponse
from protocol.schema import Message, Struct
from tests.protocol.messages import decode, encode, name_of, sample, versions

RESPONSES: list[type[Message]] = [pair.response for key in sorted(ADDRESS_API_KEYS) if (pair := messages_of(key))]
ALL = pytest.mark.parametrize(("cls", "version"), versions(RESPONSES), ids=name_of)

LONGER = "a-host-with-a-name-of-more-than-a-hundred-and-twenty-seven-characters-is-longer-than-one-byte-can-say" * 2


def frame_of(message: Message, version: int) -> bytes:
    """The message behind a header with a tag that nobody knows, where a header can have one."""
    tags = b"\1\x63\2hi" if message.has_flexible_header(version) else b""
    return b"\0\0\0\7" + tags + encode(message, version)


def rewritten(message: Message, version: int, replace: dict[Address, Address]) -> bytes:
    frame = frame_of(message, version)
    return rewrite(message, version, memoryview(frame), lambda address: replace.get(address, address))


@ALL
def test_the_same_addresses_make_the_same_bytes(cls: type[Message], version: int) -> None:
    message = sample(cls, version)
    assert rewritten(message, version, {}) == frame_of(message, version)


@ALL
def test_each_address_is_replaced(cls: type[Message], version: int) -> None:
    message = decode(cls, version, encode(sample(cls, version), version))
    new = rewritten(message, version, {("orders", 7): (LONGER, 9192)})
    replaced = replace_in(message)
    assert new == frame_of(message, version)
    has_addresses = cls not in (ProduceResponse, FetchResponse) or "node_endpoints" in fields_of(cls, version)
    assert bool(replaced) == has_addresses


def fields_of(cls: type[Struct], version: int) -> list[str]:
    return [field.name for field in cls.__fields__ if version in field.versions]


def replace_in(struct: Struct) -> int:
    """Replace hosts and ports in the objects themselves, and return how many there were."""
    count = 0
    for field in struct.__fields__:
        value: Any = getattr(struct, field.name)
        if field.name == "host" and value:
            struct.host, struct.port = LONGER, 9192  # type: ignore[attr-defined]
            count += 1
        elif field.kind == "array" and field.struct is not None:
            count += sum(map(replace_in, value or ()))
    return count


def test_what_is_not_known_survives() -> None:
    """Tags that this version of the protocol does not have yet, of the message and of a structure in it."""
    broker = b"\0\0\0\1" + b"\5host" + b"\0\0\x23\x84" + b"\0" + b"\1\5\3new"
    body = b"\0\0\0\0" + b"\2" + broker + b"\0" + b"\0\0\0\1" + b"\1" + b"\0\0" + b"\2\7\1x\x80\1\2yz"
    frame = b"\0\0\0\7\0" + body + b"behind"
    message = decode(MetadataResponse, 13, body)
    assert isinstance(message, MetadataResponse)
    new = rewrite(message, 13, memoryview(frame), lambda _: ("other", 9192))
    assert new == frame.replace(b"\5host\0\0\x23\x84", b"\6other\0\0\x23\xe8")


def test_sizes_of_tagged_fields_follow() -> None:
    response = ProduceResponse(node_endpoints=[NodeEndpoint(node_id=1, host="host", port=9092)])
    new = rewritten(response, 12, {("host", 9092): (LONGER, 9192)})
    expected = ProduceResponse(node_endpoints=[NodeEndpoint(node_id=1, host=LONGER, port=9192)])
    assert new == frame_of(expected, 12)


def test_where_there_is_no_broker_there_is_no_address() -> None:
    nobody = Coordinator(key="g", node_id=-1, host="", port=-1, error_code=15)
    response = FindCoordinatorResponse(coordinators=[nobody])
    frame = frame_of(response, 6)
    assert rewrite(response, 6, memoryview(frame), lambda _: ("other", 1)) == frame


def test_only_what_leads_clients_elsewhere_is_rewritten() -> None:
    assert needs_rewriting(MetadataResponse())
    assert not needs_rewriting(FetchResponse())
    assert needs_rewriting(FetchResponse(node_endpoints=[FetchEndpoint(node_id=1, host="h", port=1)]))


def test_versions_that_could_not_be_rewritten_are_not_offered() -> None:
    """Metadata of a newer Kafka would lead its clients past the proxy; of other APIs they may use what there is."""
    response = ApiVersionsResponse(
        error_code=0,
        api_keys=[
            ApiVersion(api_key=3, min_version=0, max_version=MetadataResponse.VERSIONS.last + 1),
            ApiVersion(api_key=12, min_version=0, max_version=99),
        ],
    )
    assert needs_rewriting(response)
    for version in range(5):
        expected = ApiVersionsResponse(
            error_code=0,
            api_keys=[
                ApiVersion(api_key=3, min_version=0, max_version=MetadataResponse.VERSIONS.last),
                ApiVersion(api_key=12, min_version=0, max_version=99),
            ],
        )
        assert rewritten(response, version, {}) == frame_of(expected, version)
    assert not needs_rewriting(expected)


@ALL
def test_a_frame_that_ends_too_early(cls: type[Message], version: int) -> None:
    message = sample(cls, version)
    frame = frame_of(message, version)
    for end in range(4, len(frame) - 1, 7):
        with pytest.raises(MalformedFrame):
            rewrite(message, version, memoryview(frame)[:end], lambda address: address)


def test_the_broker_behind_a_name_is_told_by_its_address() -> None:
    brokers = [MetadataResponseBroker(node_id=node, host=f"kafka-{node}", port=9092) for node in (1, 2)]
    new = rewritten(
        MetadataResponse(brokers=brokers), 5, {("kafka-1", 9092): ("127.0.0.1", 9192), ("kafka-2", 9092): ("::1", 9193)}
    )
    message = decode(MetadataResponse, 5, new[4:])
    assert isinstance(message, MetadataResponse)
    assert [(each.host, each.port) for each in message.brokers] == [("127.0.0.1", 9192), ("::1", 9193)]
