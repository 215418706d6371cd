"""Every message in every version against two independent codecs, and there and back."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from kafka.protocol.schemas import load_json
from kio.schema.request_header.v2.header import RequestHeader as FlexibleRequestHeader
from kio.schema.response_header.v1.header import ResponseHeader as FlexibleResponseHeader

from protocol.schema import REQUIRED, Message, Struct, Versions, parse_versions
from tests.protocol import oracles
from tests.protocol.messages import MESSAGES, UNKNOWN_TO_KAFKA_PYTHON, decode, encode, name_of, structs, versions

# Kafka 4.3 has a field more there, acquisition_lock_timeout_ms.
NEWER_THAN_KIO = {("ShareAcknowledgeResponse", 2)}

ALL = pytest.mark.parametrize(
    ("cls", "version"),
    [(cls, version) for cls, version in versions(MESSAGES) if (cls.__name__, version) not in NEWER_THAN_KIO],
    ids=name_of,
)
FEW = settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))

# Of Apache Kafka 4.3's broker listener, where InitProducerId v6 is unstable.
EXPECTED = {
    "Produce": (0, "3-13"),
    "Fetch": (1, "4-18"),
    "ListOffsets": (2, "1-11"),
    "Metadata": (3, "0-13"),
    "OffsetCommit": (8, "2-10"),
    "OffsetFetch": (9, "1-10"),
    "FindCoordinator": (10, "0-6"),
    "JoinGroup": (11, "0-9"),
    "Heartbeat": (12, "0-4"),
    "LeaveGroup": (13, "0-5"),
    "SyncGroup": (14, "0-5"),
    "DescribeGroups": (15, "0-6"),
    "ListGroups": (16, "0-5"),
    "SaslHandshake": (17, "0-1"),
    "ApiVersions": (18, "0-4"),
    "CreateTopics": (19, "2-7"),
    "DeleteTopics": (20, "1-6"),
    "DeleteRecords": (21, "0-2"),
    "InitProducerId": (22, "0-5"),
    "OffsetForLeaderEpoch": (23, "2-4"),
    "DescribeAcls": (29, "1-3"),
    "CreateAcls": (30, "1-3"),
    "DeleteAcls": (31, "1-3"),
    "DescribeConfigs": (32, "1-4"),
    "AlterConfigs": (33, "0-2"),
    "AlterReplicaLogDirs": (34, "1-2"),
    "DescribeLogDirs": (35, "1-5"),
    "SaslAuthenticate": (36, "0-2"),
    "CreatePartitions": (37, "0-3"),
    "DeleteGroups": (42, "0-2"),
    "ElectLeaders": (43, "0-2"),
    "IncrementalAlterConfigs": (44, "0-1"),
    "AlterPartitionReassignments": (45, "0-1"),
    "ListPartitionReassignments": (46, "0"),
    "OffsetDelete": (47, "0"),
    "DescribeClientQuotas": (48, "0-1"),
    "AlterClientQuotas": (49, "0-1"),
    "DescribeUserScramCredentials": (50, "0"),
    "DescribeQuorum": (55, "0-2"),
    "UpdateFeatures": (57, "0-2"),
    "DescribeCluster": (60, "0-2"),
    "DescribeProducers": (61, "0"),
    "UnregisterBroker": (64, "0"),
    "ListConfigResources": (74, "0-1"),
    "DescribeTopicPartitions": (75, "0"),
    "ShareFetch": (78, "1-2"),
    "ShareAcknowledge": (79, "1-2"),
}


def test_all_messages_are_declared_in_the_versions_of_kafka() -> None:
    declared = {cls.__name__: (cls.API_KEY, str(cls.VERSIONS)) for cls in MESSAGES}
    assert declared == {f"{name}{kind}": spec for name, spec in EXPECTED.items() for kind in ("Request", "Response")}


@ALL
def test_codecs_agree_with_kio_and_kafka_python(cls: type[Message], version: int) -> None:
    @FEW
    @given(structs(cls, version))
    def check(message: Message) -> None:
        body = encode(message, version)
        assert body == oracles.kio_encode(message, version)
        if cls.API_NAME not in UNKNOWN_TO_KAFKA_PYTHON:
            assert body == oracles.kafka_python_encode(message, version)
        assert oracles.kio_decode(cls, version, body) == oracles.to_kio(message, version)
        assert decode(cls, version, body) == message

    check()


@ALL
def test_declarations_agree_with_kio(cls: type[Message], version: int) -> None:
    theirs = oracles.kio_class(cls, version)
    assert theirs.__name__ == cls.__name__
    assert theirs.__api_key__ == cls.API_KEY
    assert theirs.__flexible__ == cls.is_flexible(version)
    header_is_flexible = theirs.__header_schema__ in (FlexibleRequestHeader, FlexibleResponseHeader)
    assert header_is_flexible == cls.has_flexible_header(version)
    _compare_structs(cls, theirs, version)


def _compare_structs(cls: type[Struct], theirs: Any, version: int) -> None:
    """Names of structures and fields, their order, and the defaults that kio gives."""
    # The prefix tells a request's structure from one of the response that has the same name.
    assert cls.__name__.removeprefix("Requested") == theirs.__name__
    present = [field for field in cls.__fields__ if version in field.versions]
    names = [field.name for field in dataclasses.fields(theirs)]
    assert names == [field.name if field.name in names else field.name.removesuffix("_ms") for field in present]
    for ours, field in zip(present, dataclasses.fields(theirs), strict=True):
        if ours.struct is not None:
            _compare_structs(ours.struct, oracles.element_class(field), version)
        elif field.default is not dataclasses.MISSING and ours.kind != "array":  # ours is always an empty one
            assert ours.default is not REQUIRED
            assert oracles.to_kio_field(ours.default, field) == field.default, ours.name


@pytest.mark.parametrize("cls", [cls for cls in MESSAGES if cls.API_NAME not in UNKNOWN_TO_KAFKA_PYTHON], ids=name_of)
def test_declarations_agree_with_kafkas_message_definitions(cls: type[Message]) -> None:
    """What no codec shows: which fields are ignorable. (kafka-python carries the definitions as data.)"""
    _compare_definitions(cls, load_json(cls.__name__)["fields"], _range(cls.VERSIONS))


def _compare_definitions(cls: type[Struct], definitions: list[dict[str, Any]], served: set[int]) -> None:
    theirs = {}
    for definition in definitions:
        if served & _range(definition["versions"]):
            theirs[re.sub("(?<!^)([A-Z])", r"_\1", definition["name"]).lower()] = definition
    assert [field.name for field in cls.__fields__] == list(theirs)
    for field in cls.__fields__:
        definition = theirs[field.name]
        assert field.kind in ("struct", re.sub(r"\[\].*", "array", definition["type"]))
        assert field.tag == definition.get("tag"), field.name
        assert field.ignorable == definition.get("ignorable", False), field.name
        present = served & _range(definition["versions"])
        assert served & _range(field.versions) == present, field.name
        nullable = present & _range(definition.get("nullableVersions", "none"))
        assert present & _range(field.nullable) == nullable, field.name
        if field.struct is not None:
            _compare_definitions(field.struct, definition["fields"], present)


def _range(versions: str | Versions) -> set[int]:
    first, last = parse_versions(versions) if isinstance(versions, str) else versions
    return set(range(first, min(last, 99) + 1))
