"""The group requests that the benchmarks write by hand, read back by kio; kio's answers, read by the benchmarks."""

import datetime
import io
import struct
from typing import Any

import pytest
from kio.schema.consumer_protocol_assignment.v0.data import ConsumerProtocolAssignment
from kio.schema.consumer_protocol_subscription.v0.data import ConsumerProtocolSubscription
from kio.schema.errors import ErrorCode
from kio.schema.offset_commit.v8 import response as kio_commit
from kio.schema.types import TopicName
from kio.serial import entity_reader, entity_writer
from kio.static.primitive import i32, i32Timedelta

from benchmarks import groups_wire as wire
from benchmarks.wire import frame
from tests.support.wire import api_key, request_class, response_class


def decoded(api: str, version: int, request: bytes) -> Any:
    """The body of a framed request; all of the frame must be of it."""
    assert struct.unpack(">i", request[:4]) == (len(request) - 4,)
    wanted = request_class(api, version)
    header, header_bytes = entity_reader(wanted.__header_schema__)(request, 4)
    assert (header.request_api_key, header.request_api_version) == (api_key(api), version)
    body, body_bytes = entity_reader(wanted)(request, 4 + header_bytes)
    assert 4 + header_bytes + body_bytes == len(request)
    return body


def answer(api: str, version: int, *, error_code: int = 0, **fields: Any) -> bytes:
    """A whole answer without the size in front."""
    wanted = response_class(api, version)
    buffer = io.BytesIO()
    entity_writer(wanted.__header_schema__)(buffer, wanted.__header_schema__(correlation_id=0))
    body = wanted(error_code=ErrorCode(error_code), throttle_time=datetime.timedelta(), **fields)
    entity_writer(wanted)(buffer, body)
    return buffer.getvalue()


def part(api: str, version: int, field: str, **fields: Any) -> Any:
    """One structure of the list that a field of an answer is."""
    annotation = response_class(api, version).__dataclass_fields__[field].type
    return annotation.__args__[0](**fields)


def test_find_coordinator() -> None:
    body = decoded("FindCoordinator", 1, wire.find_coordinator_request("g"))
    assert (body.key, body.key_type) == ("g", 0)
    found = answer("FindCoordinator", 1, error_message=None, node_id=7, host="broker", port=9092)
    assert wire.read_coordinator(found) == (0, "broker", 9092)


@pytest.mark.parametrize("member_id", ["", "m-1"])
def test_join(member_id: str) -> None:
    body = decoded("JoinGroup", 5, wire.join_request("g", member_id, "orders"))
    assert (body.group_id, body.member_id, body.group_instance_id) == ("g", member_id, None)
    assert body.protocol_type == "consumer"
    (protocol,) = body.protocols
    assert protocol.name == "range"
    subscription, size = entity_reader(ConsumerProtocolSubscription)(protocol.metadata, 2)
    assert subscription.topics == ("orders",)
    assert 2 + size == len(protocol.metadata)


def test_joined() -> None:
    members = (
        part("JoinGroup", 5, "members", member_id="a", group_instance_id=None, metadata=b"12"),
        part("JoinGroup", 5, "members", member_id="b", group_instance_id="static", metadata=b""),
    )
    names = {"protocol_name": "range", "leader": "a", "member_id": "b"}
    joined = answer("JoinGroup", 5, generation_id=3, members=members, **names)
    assert wire.read_joined(joined) == (0, 3, "a", "b", ["a", "b"])
    names = {"protocol_name": "", "leader": "", "member_id": "mine"}
    refused = answer("JoinGroup", 5, error_code=79, generation_id=-1, members=(), **names)
    assert wire.read_joined(refused) == (wire.MEMBER_ID_REQUIRED, -1, "", "mine", [])


def test_sync() -> None:
    body = decoded("SyncGroup", 3, wire.sync_request("g", 5, "a", {"a": b"1", "b": b""}))
    assert (body.group_id, body.generation_id, body.member_id, body.group_instance_id) == ("g", 5, "a", None)
    assert [(each.member_id, each.assignment) for each in body.assignments] == [("a", b"1"), ("b", b"")]
    assert wire.read_synced(answer("SyncGroup", 3, error_code=27, assignment=b"x")) == (27, b"x")


def test_heartbeat() -> None:
    body = decoded("Heartbeat", 3, wire.heartbeat_request("g", 5, "a"))
    assert (body.group_id, body.generation_id, body.member_id, body.group_instance_id) == ("g", 5, "a", None)
    assert wire.read_error_code(answer("Heartbeat", 3, error_code=25)) == wire.UNKNOWN_MEMBER_ID


def test_leave() -> None:
    body = decoded("LeaveGroup", 3, wire.leave_request("g", ["a", "b"]))
    assert [(each.member_id, each.group_instance_id) for each in body.members] == [("a", None), ("b", None)]
    assert wire.read_error_code(answer("LeaveGroup", 3, error_code=16, members=())) == wire.NOT_COORDINATOR


@pytest.mark.parametrize("topic", ["t", "load-0123456789ab"])
def test_commit(topic: str) -> None:
    body = decoded("OffsetCommit", 8, wire.commit_request("g", 5, "a", topic, 3, 42))
    assert (body.group_id, body.generation_id_or_member_epoch, body.member_id) == ("g", 5, "a")
    (committed,) = body.topics
    (partition,) = committed.partitions
    assert (committed.name, partition.partition_index, partition.committed_offset) == (topic, 3, 42)
    response = kio_commit.OffsetCommitResponse(
        throttle_time=i32Timedelta.parse(datetime.timedelta()),
        topics=(
            kio_commit.OffsetCommitResponseTopic(
                name=TopicName(topic),
                partitions=(
                    kio_commit.OffsetCommitResponsePartition(
                        partition_index=i32(0), error_code=ErrorCode.illegal_generation
                    ),
                ),
            ),
        ),
    )
    buffer = io.BytesIO()
    entity_writer(kio_commit.ResponseHeader)(buffer, kio_commit.ResponseHeader(correlation_id=i32(0)))
    entity_writer(kio_commit.OffsetCommitResponse)(buffer, response)
    framed = frame(buffer.getvalue())
    position = wire.commit_error_position(topic)
    assert framed[position : position + 2] == struct.pack(">h", 22)


@pytest.mark.parametrize(("partitions", "members"), [(2_000, 1_000), (7, 3), (2, 5)])
def test_a_leader_divides_all_partitions(partitions: int, members: int) -> None:
    assignments = wire.divide("orders", partitions, [f"m-{number}" for number in range(members)])
    assert len(assignments) == members
    assert wire.assigned_partitions(assignments.values()) == list(range(partitions))
    for assignment in assignments.values():
        read, size = entity_reader(ConsumerProtocolAssignment)(assignment, 2)
        assert 2 + size == len(assignment)
        (topic,) = read.assigned_partitions
        assert topic.topic == "orders"
        assert list(topic.partitions) == wire.assigned_partitions([assignment])
