"""Messages as readable text, as JSON and as plain values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from kio.schema.index import api_key_map, schema_name_map

from broker.wire.apis import api_name
from broker.wire.escaping import escape, quote
from broker.wire.render import render, render_json, to_plain
from broker.wire.secrets import SECRET_API_KEYS, SECRET_FIELDS
from protocol.codec import Part, encoder
from protocol.errors import ErrorCode
from protocol.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from protocol.messages.fetch import FetchableTopicResponse, FetchResponse, LeaderIdAndEpoch, PartitionData
from protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from protocol.messages.metadata import MetadataResponse, MetadataResponseTopic
from protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from protocol.schema import Message, Struct
from tests.protocol.captured_batches import CAPTURED
from tests.protocol.messages import MESSAGES, name_of, sample, structs, versions
from tests.support.record_batches import Record, encode_batch
from tests.support.wire import request_class, response_class

FEW = settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def produce(*batches: bytes) -> ProduceRequest:
    records = b"".join(batches)
    topic = TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=records)])
    return ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[topic])


def test_text() -> None:
    assert render(produce(b"12345"), 9) == (
        "transactional_id=null acks=-1 timeout_ms=30000 "
        'topic_data=[{name="orders" partition_data=[{index=0 records=<5 bytes>}]}]'
    )


def test_json_has_the_same_facts() -> None:
    assert json.loads(render_json(produce(b"12345"), 9)) == {
        "transactional_id": None,
        "acks": -1,
        "timeout_ms": 30000,
        "topic_data": [{"name": "orders", "partition_data": [{"index": 0, "records": "<5 bytes>"}]}],
    }


@pytest.mark.parametrize(("cls", "version"), versions(MESSAGES), ids=name_of)
def test_every_field_of_every_message_is_there(cls: type[Message], version: int) -> None:
    message = sample(cls, version)
    assert_fields(cls, version, to_plain(message, version, contents=False))
    text = render(message, version)
    assert text.isprintable()
    assert text == render(message, version)


def assert_fields(cls: type[Struct], version: int, plain: dict[str, Any]) -> None:
    present = [field for field in cls.__fields__ if version in field.versions]
    assert set(plain) == {field.name for field in present}
    for field in present:
        if field.struct is not None:
            for item in plain[field.name] if field.kind == "array" else [plain[field.name]]:
                assert_fields(field.struct, version, item)


@pytest.mark.parametrize(
    "cls", [FetchResponse, JoinGroupRequest, MetadataResponse, AlterConfigsRequest], ids=lambda cls: cls.__name__
)
def test_whatever_a_message_holds(cls: type[Message]) -> None:
    version = cls.VERSIONS.last

    @FEW
    @given(structs(cls, version), structs(cls, version))
    def check(one: Message, other: Message) -> None:
        assert render(one, version).isprintable()
        if cls is not AlterConfigsRequest:  # which may hold secrets
            assert (to_plain(one, version) == to_plain(other, version)) == (one == other)

    check()


def test_a_tagged_field_is_shown_where_it_is_on_the_wire() -> None:
    partition = PartitionData(partition_index=0, error_code=6, high_watermark=-1, records=None)
    response = FetchResponse(responses=[FetchableTopicResponse(partitions=[partition])])
    assert "current_leader" not in render(response, 16)
    partition.current_leader = LeaderIdAndEpoch(leader_id=3, leader_epoch=7)
    assert "records=null current_leader={leader_id=3 leader_epoch=7}}" in render(response, 16)
    assert "error_code=NOT_LEADER_OR_FOLLOWER" in render(response, 16)


def test_an_error_code_that_is_not_known_is_a_number() -> None:
    response = FetchResponse(error_code=9999)
    assert " error_code=9999 " in render(response, 12)
    assert to_plain(response, 12)["error_code"] == 9999
    response.error_code = ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert to_plain(response, 12)["error_code"] == "FETCH_SESSION_ID_NOT_FOUND"


def test_topics_that_are_encoded_already() -> None:
    topic = MetadataResponseTopic(error_code=0, name="orders", topic_id=bytes(range(16)))
    parts: list[Part] = []
    encoder(MetadataResponseTopic, 12)(topic, parts)
    encoded = MetadataResponse(topics=[b"".join(parts)])  # type: ignore[arg-type]
    assert render(encoded, 12) == render(MetadataResponse(topics=[topic]), 12)
    assert "topic_id=AAECAwQFBgcICQoLDA0ODw " in render(encoded, 12)


def test_only_the_begin_of_a_long_binary_field_is_shown() -> None:
    metadata = b"\0\1" + b"x" * 200
    request = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=1,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
    )
    shown = "\\x00\\x01" + "x" * 62
    assert f'metadata="{shown}... (202 bytes)"' in render(request, 5)
    assert f'metadata="\\x00\\x01{"x" * 200}"' in render(request, 5, contents=True)
    assert to_plain(request, 5)["protocols"][0]["metadata"] == "\\x00\\x01" + "x" * 200


# --- records -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CAPTURED)
def test_records_are_shown_when_asked_for_compressed_or_not(name: str) -> None:
    batch, records = CAPTURED[name]
    (shown,) = to_plain(produce(batch), 9)["topic_data"][0]["partition_data"][0]["records"]
    assert shown["records"] == [
        {
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": None if record.key is None else record.key.decode(),
            "value": None if record.value is None else record.value.decode(),
            "headers": [{"key": key, "value": value and value.decode()} for key, value in record.headers],
        }
        for record in records
    ]
    assert shown["compression"] == name.split()[-1]


def test_what_a_batch_says_of_itself() -> None:
    batch = encode_batch([Record(b"\xff", timestamp=5)], producer_id=7, producer_epoch=1, base_sequence=3)
    assert (
        'records=[{base_offset=0 last_offset=0 partition_leader_epoch=-1 compression="none" '
        'timestamp_type="CreateTime" is_transactional=false is_control=false producer_id=7 producer_epoch=1 '
        'base_sequence=3 records=[{offset=0 timestamp=5 key=null value="\\xff" headers=[]}]}]'
    ) in render(produce(batch), 9, contents=True)


def test_damaged_records_are_told_where_they_stand() -> None:
    good = encode_batch([b"good"])
    damaged = bytearray(encode_batch([b"one", b"two"]))
    damaged[-5] = 99
    old = bytearray(good)
    old[16] = 1
    shown = to_plain(produce(good, damaged, bytes(old), good[:20]), 9)["topic_data"][0]["partition_data"][0]["records"]
    assert [record["value"] for record in shown[0]["records"]] == ["good"]
    assert [record["value"] for record in shown[1]["records"]] == ["one"]
    assert "undecodable" in shown[1]
    assert shown[2:] == [
        {"undecodable": f"{len(good)} bytes of a batch of magic 1"},
        {"undecodable": "20 bytes of an incomplete batch"},
    ]


# --- secrets -------------------------------------------------------------------------------------------------------


def test_sasl_tokens_are_hidden() -> None:
    request = SaslAuthenticateRequest(auth_bytes=b"\0user\0secret")
    assert render(request, 2) == "auth_bytes=<hidden>"
    assert render(request, 2, contents=True) == "auth_bytes=<hidden>"
    assert to_plain(request, 2) == {"auth_bytes": "<hidden>"}


@pytest.mark.parametrize(
    ("name", "is_hidden"),
    [
        ("ssl.keystore.password", True),
        ("listener.name.external.scram-sha-256.sasl.jaas.config", True),
        ("ssl.keystore.key", True),
        ("ssl.truststore.certificates", True),
        ("retention.ms", False),
        ("ssl.keystore.location", False),
        ("listeners", False),
    ],
)
def test_configs_that_may_be_secrets_are_hidden(name: str, is_hidden: bool) -> None:
    config = AlterableConfig(name=name, value="s3cret")
    request = AlterConfigsRequest(
        resources=[AlterConfigsResource(resource_type=4, resource_name="1", configs=[config])], validate_only=False
    )
    assert ("s3cret" not in render(request, 2)) == is_hidden
    assert ("s3cret" not in render_json(request, 2)) == is_hidden
    config.value = None
    assert f'{{name="{name}" value=null}}' in render(request, 2)


def test_the_secrets_of_all_apis_are_known() -> None:
    """By their names in the messages of Kafka, also of those that are not declared here."""
    found = set()
    for key, name in api_key_map.items():
        api = api_name(key)
        version = max(schema_name_map[name])
        for cls in (request_class(api, version), response_class(api, version)):
            found |= {(key, struct, field) for struct, field in secrets_in(cls)}
    assert {(struct, field) for _, struct, field in found} == SECRET_FIELDS
    assert {key for key, _, _ in found} == SECRET_API_KEYS


def secrets_in(cls: Any) -> set[tuple[str, str]]:
    found = set()
    for field in cls.__dataclass_fields__.values():
        if field.name in ("auth_bytes", "salt", "salted_password", "hmac"):
            found.add((cls.__name__, field.name))
        for argument in getattr(field.type, "__args__", (field.type,)):
            if hasattr(argument, "__dataclass_fields__"):
                found |= secrets_in(argument)
    return found


# --- text of strangers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"orders", "orders"),
        ("Münze".encode(), "Münze"),
        (b"a\\x00", "a\\\\x00"),
        (b"a\0\n\x1b[2J", "a\\x00\\x0a\\x1b[2J"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202e".encode(), "\\xe2\\x80\\xae"),
    ],
)
def test_bytes_as_text(data: bytes, shown: str) -> None:
    assert escape(data) == escape(memoryview(data)) == shown


@pytest.mark.parametrize("text", ["orders", 'say "x"', "a\nb", "\x1b[2J", "\x9b2J", "\u2028", "Münze", "\\"])
def test_strings_are_json_on_one_line_that_moves_no_cursor(text: str) -> None:
    assert quote(text).isprintable()
    assert json.loads(quote(text)) == text
