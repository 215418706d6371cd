"""Declarations: what a class made of them is like before any codec is compiled."""

from __future__ import annotations

import subprocess
import sys

import pytest

from protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from protocol.messages.metadata import MetadataRequest
from protocol.messages.produce import (
    LeaderIdAndEpoch,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from protocol.schema import ZERO_UUID, Versions, parse_versions


def test_version_ranges() -> None:
    assert parse_versions("3-13") == Versions(3, 13)
    assert parse_versions("3") == Versions(3, 3)
    assert 3 in parse_versions("3+")
    assert 30_000 in parse_versions("3+")
    assert 2 not in parse_versions("3+")
    assert 0 not in parse_versions("none")
    assert [str(parse_versions(text)) for text in ("3-13", "3")] == ["3-13", "3"]


def test_a_constructor_takes_keywords_and_knows_defaults() -> None:
    request = ProduceRequest(acks=-1, timeout_ms=30_000)
    assert request.transactional_id is None
    assert request.topic_data == []
    assert request.topic_data is not ProduceRequest(acks=-1, timeout_ms=30_000).topic_data
    assert TopicProduceData().topic_id is ZERO_UUID
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'timeout_ms'"):
        ProduceRequest(acks=-1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ProduceRequest(-1, 30_000)  # type: ignore[call-arg, arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeout'"):
        ProduceRequest(acks=-1, timeout_ms=1, timeout=1)  # type: ignore[call-arg]


def test_null_stands_apart_from_an_empty_list() -> None:
    assert MetadataRequest(topics=None).topics is None
    assert MetadataRequest().topics == []


def test_objects_have_slots_and_can_be_changed() -> None:
    request = ProduceRequest(acks=-1, timeout_ms=30_000)
    request.acks = 1
    assert request.acks == 1
    with pytest.raises(AttributeError):
        request.ack = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unhashable"):
        hash(request)


def test_the_default_of_a_structure_is_shared_and_refuses_changes() -> None:
    response = PartitionProduceResponse(index=0, error_code=0, base_offset=0)
    assert response.current_leader is PartitionProduceResponse(index=1, error_code=0, base_offset=0).current_leader
    assert response.current_leader == LeaderIdAndEpoch()
    with pytest.raises(AttributeError, match="assign a new one instead of its leader_id"):
        response.current_leader.leader_id = 1
    response.current_leader = LeaderIdAndEpoch(leader_id=1)
    response.current_leader.leader_epoch = 2
    assert response.current_leader == LeaderIdAndEpoch(leader_id=1, leader_epoch=2)


def test_equality_and_repr() -> None:
    assert LeaderIdAndEpoch(leader_id=1) == LeaderIdAndEpoch(leader_id=1)
    assert LeaderIdAndEpoch(leader_id=1) != LeaderIdAndEpoch(leader_id=2)
    assert LeaderIdAndEpoch(leader_id=1) != (1, -1)
    assert ApiVersionsRequest() != MetadataRequest()
    assert repr(LeaderIdAndEpoch(leader_id=1)) == "LeaderIdAndEpoch(leader_id=1, leader_epoch=-1)"


def test_a_message_knows_what_a_registry_wants_to_know() -> None:
    assert (ProduceRequest.API_KEY, ProduceRequest.API_NAME, ProduceRequest.VERSIONS) == (0, "Produce", (3, 13))
    assert (ProduceResponse.API_NAME, ProduceResponse.FLEXIBLE_SINCE) == ("Produce", 9)
    assert [ProduceRequest.is_flexible(version) for version in (8, 9)] == [False, True]
    assert [ProduceResponse.has_flexible_header(version) for version in (8, 9)] == [False, True]


def test_the_response_header_of_api_versions_is_never_flexible() -> None:
    assert ApiVersionsResponse.is_flexible(4)
    assert not ApiVersionsResponse.has_flexible_header(4)
    assert ApiVersionsRequest.has_flexible_header(3)


def test_nothing_is_compiled_by_importing_the_messages() -> None:
    program = """
import importlib, linecache, pkgutil
import protocol.codec, protocol.messages
for module in pkgutil.iter_modules(protocol.messages.__path__):
    importlib.import_module(f"protocol.messages.{module.name}")
assert not [name for name in linecache.cache if name.startswith("<ottla")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
