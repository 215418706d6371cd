"""Clients of groups that do not speak correctly, or go away in the middle: their group and all others go on."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from tests.support.groups_over_the_wire import fetch_offsets
from tests.support.wait import wait_until
from tests.support.wire import WireClient, api_key

Address = tuple[str, int]
INT32_MAX = (1 << 31) - 1
SESSION_MS = 30_000


def request(api: str, version: int, body: bytes) -> bytes:
    """A frame in a version that is not flexible."""
    frame = struct.pack(">hhih", api_key(api), version, 7, -1) + body
    return struct.pack(">i", len(frame)) + frame


GROUP = b"\0\1g"
JOIN = GROUP + struct.pack(">ii", SESSION_MS, SESSION_MS) + b"\0\0" + b"\xff\xff" + b"\0\x08consumer"
SYNC = GROUP + struct.pack(">i", 1) + b"\0\1m" + b"\xff\xff"
COMMIT = GROUP + struct.pack(">i", -1) + b"\0\0" + b"\xff\xff"

CLOSED_WITHOUT_ANSWER = {
    "a JoinGroup without a body": request("JoinGroup", 5, b""),
    "a JoinGroup with a null group": request("JoinGroup", 5, b"\xff\xff" + JOIN[len(GROUP) :] + bytes(4)),
    "a JoinGroup with null protocols": request("JoinGroup", 5, JOIN + b"\xff\xff\xff\xff"),
    "a JoinGroup with more protocols than bytes": request("JoinGroup", 5, JOIN + struct.pack(">i", INT32_MAX)),
    "a JoinGroup with null metadata": request("JoinGroup", 5, JOIN + struct.pack(">ih", 1, 1) + b"r\xff\xff\xff\xff"),
    "a JoinGroup with metadata past its end": request(
        "JoinGroup", 5, JOIN + struct.pack(">ih", 1, 1) + b"r" + struct.pack(">i", 1_000) + b"short"
    ),
    "a SyncGroup with an assignment past its end": request(
        "SyncGroup", 3, SYNC + struct.pack(">ih", 1, 1) + b"m" + struct.pack(">i", INT32_MAX) + b"short"
    ),
    "a Heartbeat without its generation": request("Heartbeat", 3, GROUP),
    "a LeaveGroup with null members": request("LeaveGroup", 3, GROUP + b"\xff\xff\xff\xff"),
    "an OffsetCommit with more topics than bytes": request("OffsetCommit", 7, COMMIT + struct.pack(">i", 1 << 30)),
    "an OffsetFetch with null topics before it has a meaning": request("OffsetFetch", 1, GROUP + b"\xff\xff\xff\xff"),
    "a DescribeGroups with more groups than bytes": request("DescribeGroups", 0, struct.pack(">i", INT32_MAX)),
    "a FindCoordinator with a null key": request("FindCoordinator", 2, b"\xff\xff\0"),
}


@pytest.mark.parametrize("data", CLOSED_WITHOUT_ANSWER.values(), ids=CLOSED_WITHOUT_ANSWER.keys())
def test_closes_without_an_answer(data: bytes, address: Address, wire: WireClient) -> None:
    with WireClient(address) as client:
        client.socket.sendall(data)
        assert client.await_close() == b""
    wire.ask("FindCoordinator", 2, key="g")


@pytest.fixture
def group(wire: WireClient, topic_name: Callable[[], str]) -> str:
    """A name of a group that can be used."""
    name = topic_name()
    wait_until(lambda: not wire.ask("FindCoordinator", 2, key=name).error_code, "groups are served")
    wait_until(
        lambda: wire.ask("Heartbeat", 3, group_id=name).error_code == ErrorCode.unknown_member_id, "it is loaded"
    )
    return name


def join_fields(group: str, metadata: bytes = b"\0\0\0\0\0\0\xff\xff\xff\xff", **fields: Any) -> dict[str, Any]:
    return {
        "group_id": group,
        "session_timeout_ms": SESSION_MS,
        "rebalance_timeout_ms": SESSION_MS,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": metadata}],
        **fields,
    }


def heartbeat(wire: WireClient, group: str, joined: Any) -> ErrorCode:
    answer = wire.ask("Heartbeat", 3, group_id=group, generation_id=joined.generation_id, member_id=joined.member_id)
    return ErrorCode(answer.error_code)


@pytest.mark.parametrize("metadata", [b"", b"\0", b"\xff\xff", b"\0\0\0\0", b"\0\0\0\0\0\0"])
def test_a_subscription_that_cannot_be_read_is_the_members_own_business(
    wire: WireClient, group: str, metadata: bytes
) -> None:
    joined = wire.ask("JoinGroup", 3, **join_fields(group, metadata))
    assert (joined.error_code, joined.members[0].metadata) == (ErrorCode.none, metadata)


def test_assignments_for_strangers_and_twice_for_a_member(wire: WireClient, group: str) -> None:
    joined = wire.ask("JoinGroup", 3, **join_fields(group))
    synced = wire.ask(
        "SyncGroup",
        3,
        group_id=group,
        generation_id=1,
        member_id=joined.member_id,
        assignments=[
            {"member_id": member_id, "assignment": b"x"}
            for member_id in (joined.member_id, "stranger", joined.member_id)
        ],
    )
    assert (synced.error_code, synced.assignment) == (ErrorCode.none, b"x")


def test_an_assignment_that_no_record_can_hold(wire: WireClient, group: str) -> None:
    joined = wire.ask("JoinGroup", 3, **join_fields(group))
    assignments = [{"member_id": joined.member_id, "assignment": bytes(2_000_000)}]
    synced = wire.ask(
        "SyncGroup", 3, group_id=group, generation_id=1, member_id=joined.member_id, assignments=assignments
    )
    assert (synced.error_code, synced.assignment) == (ErrorCode.unknown_server_error, b"")
    # The generation has come to nothing: its member has to join the next one.
    assert heartbeat(wire, group, joined) == ErrorCode.rebalance_in_progress
    again = wire.ask("JoinGroup", 3, **join_fields(group, member_id=joined.member_id))
    assert (again.error_code, again.generation_id) == (ErrorCode.none, 2)


def test_a_commit_that_no_batch_can_hold(wire: WireClient, group: str, topic: str) -> None:
    # One record of 4 KB for each mention of the partition.
    partition = {"partition_index": 0, "committed_offset": 1, "committed_metadata": "x" * 4_000}
    answer = wire.ask(
        "OffsetCommit",
        7,
        group_id=group,
        generation_id_or_member_epoch=-1,
        topics=[{"name": topic, "partitions": [partition] * 400}],
    )
    codes = {each.error_code for answered in answer.topics for each in answered.partitions}
    assert codes == {ErrorCode.unknown_server_error}
    assert fetch_offsets(wire, group, topic, [0]) == {0: (-1, "")}


def test_the_longest_names(wire: WireClient, group: str, topic: str) -> None:
    longest = group + "x" * (32_767 - len(group))
    answer = wire.ask("Heartbeat", 3, group_id=longest, generation_id=1, member_id=longest, group_instance_id=longest)
    assert answer.error_code == ErrorCode.unknown_member_id
    partition = {"partition_index": 0, "committed_offset": 7, "committed_metadata": ""}
    committed = wire.ask(
        "OffsetCommit",
        7,
        group_id=longest,
        generation_id_or_member_epoch=-1,
        topics=[{"name": topic, "partitions": [partition]}],
    )
    assert committed.topics[0].partitions[0].error_code == ErrorCode.none
    assert fetch_offsets(wire, longest, topic, [0]) == {0: (7, "")}
    assert wire.ask("DeleteGroups", 1, groups_names=[longest]).results[0].error_code == ErrorCode.none


def test_a_client_that_leaves_while_its_join_waits(address: Address, wire: WireClient, group: str) -> None:
    """Its place is kept until its session ends; the group waits for it no longer than for any silent member."""
    first = wire.ask("JoinGroup", 3, **join_fields(group))
    assignments = [{"member_id": first.member_id, "assignment": b"x"}]
    wire.ask("SyncGroup", 3, group_id=group, generation_id=1, member_id=first.member_id, assignments=assignments)
    for is_reset in (False, True):
        with WireClient(address) as client:
            client.send("JoinGroup", 3, **join_fields(group))
            wait_until(lambda: heartbeat(wire, group, first) == ErrorCode.rebalance_in_progress, "a rebalance begins")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", is_reset, 0))
    (described,) = wire.ask("DescribeGroups", 5, groups=[group]).groups
    assert (described.group_state, len(described.members)) == ("PreparingRebalance", 3)
    again = wire.ask("JoinGroup", 3, **join_fields(group, member_id=first.member_id))
    assert (again.error_code, again.generation_id, again.leader) == (ErrorCode.none, 2, first.member_id)
    assert len(again.members) == 3


def test_what_waits_for_a_group_holds_up_its_own_connection_alone(
    address: Address, wire: WireClient, group: str
) -> None:
    first = wire.ask("JoinGroup", 3, **join_fields(group))
    with WireClient(address) as client:
        joining = client.send("JoinGroup", 3, **join_fields(group))
        behind = client.send("ApiVersions", 0)
        wait_until(lambda: heartbeat(wire, group, first) == ErrorCode.rebalance_in_progress, "a rebalance has begun")
        wire.ask("JoinGroup", 3, **join_fields(group, member_id=first.member_id))
        joined = client.receive("JoinGroup", 3, joining)
        assert (joined.error_code, joined.generation_id, joined.members) == (ErrorCode.none, 2, ())
        assert client.receive("ApiVersions", 0, behind).error_code == ErrorCode.none
