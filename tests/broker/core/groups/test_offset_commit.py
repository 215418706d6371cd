"""OffsetCommit: who may commit, and what is written."""

from __future__ import annotations

from typing import Any

import pytest

from broker.core.groups.classic_group import ClassicGroup
from broker.core.groups.classic_state import ClassicGroupState
from broker.core.groups.shard import GroupShard
from protocol.codec import decode_versioned
from protocol.consumer_offsets import OffsetCommitKey, OffsetCommitValue
from protocol.errors import ErrorCode, KafkaError
from tests.support.offset_requests import (
    START,
    add_group,
    carry_out,
    commit,
    commit_request,
    committed,
    fetch,
    later,
    new_shard,
)

P0 = ("orders", 0)
TOPIC_ID = bytes(range(16))


def refusal(shard: GroupShard, group: str, api_version: int = 9, **fields: Any) -> ErrorCode:
    with pytest.raises(KafkaError) as error:
        shard.commit_offsets(commit_request(group, {P0: 1}, **fields), api_version, START)
    return error.value.code


# --- groups without members


def test_an_unknown_group_becomes_a_group_of_offsets_alone() -> None:
    shard = new_shard()
    assert commit(shard, "g", {P0: 5, ("orders", 1): 6, ("payments", 0): 7}) == {
        P0: ErrorCode.NONE,
        ("orders", 1): ErrorCode.NONE,
        ("payments", 0): ErrorCode.NONE,
    }
    assert committed(shard, "g") == {P0: 5, ("orders", 1): 6, ("payments", 0): 7}
    group = shard.groups.find("g")
    assert group is not None and group.state is ClassicGroupState.EMPTY and group.protocol_type is None
    assert not shard.groups.live


def test_the_group_with_an_empty_name_may_commit() -> None:
    shard = new_shard()
    assert commit(shard, "", {P0: 5}) == {P0: ErrorCode.NONE}
    assert committed(shard, "") == {P0: 5}


def test_a_member_id_without_a_generation_is_ignored_while_the_group_has_no_members() -> None:
    shard = new_shard()
    assert commit(shard, "g", {P0: 5}, member="m") == {P0: ErrorCode.NONE}
    assert commit(shard, "g", {P0: 6}, member="m", group_instance_id="i", generation=-7) == {P0: ErrorCode.NONE}
    assert committed(shard, "g") == {P0: 6}


@pytest.mark.parametrize(
    ("api_version", "code"), [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)]
)
def test_an_unknown_group_has_no_generation(api_version: int, code: ErrorCode) -> None:
    assert refusal(new_shard(), "g", api_version, generation=0) is code


def test_a_group_without_members_has_no_member() -> None:
    shard = new_shard()
    commit(shard, "g", {P0: 5})
    assert refusal(shard, "g", generation=0, member="m") is ErrorCode.UNKNOWN_MEMBER_ID


def test_while_the_first_member_is_expected_others_may_commit() -> None:
    shard = new_shard()
    group = ClassicGroup("g", START.wall_ms)
    group.pending_members.add("m")
    shard.groups.keep(group)
    assert commit(shard, "g", {P0: 5}) == {P0: ErrorCode.NONE}
    assert refusal(shard, "g", generation=0, member="m") is ErrorCode.UNKNOWN_MEMBER_ID


# --- groups with members


@pytest.mark.parametrize("state", [ClassicGroupState.STABLE, ClassicGroupState.PREPARING_REBALANCE])
def test_a_commit_is_a_sign_of_life(state: ClassicGroupState) -> None:
    shard = new_shard()
    member = add_group(shard, "g", state)
    now = later(START, 4_000)
    assert commit(shard, "g", {P0: 5}, now, member="m", generation=3) == {P0: ErrorCode.NONE}
    assert member.session_deadline_ms == now.monotonic_ms + member.session_timeout_ms
    assert committed(shard, "g") == {P0: 5}


def test_no_commit_while_members_wait_for_their_assignment() -> None:
    shard = new_shard()
    member = add_group(shard, "g", ClassicGroupState.COMPLETING_REBALANCE)
    deadline_ms = member.session_deadline_ms
    assert refusal(shard, "g", member="m", generation=3) is ErrorCode.REBALANCE_IN_PROGRESS
    assert member.session_deadline_ms == deadline_ms


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member": "x", "generation": 3}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member": "x"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member": "m"}, ErrorCode.ILLEGAL_GENERATION),
        ({"member": "m", "generation": 2}, ErrorCode.ILLEGAL_GENERATION),
        ({"member": "m", "generation": 4}, ErrorCode.ILLEGAL_GENERATION),
        ({"member": "m", "generation": 3, "group_instance_id": "other"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member": "x", "generation": 3, "group_instance_id": "i"}, ErrorCode.FENCED_INSTANCE_ID),
        ({"member": "", "generation": -1, "group_instance_id": "i"}, ErrorCode.FENCED_INSTANCE_ID),
    ],
)
@pytest.mark.parametrize("state", list(ClassicGroupState)[1:4])
def test_only_members_of_the_generation_commit(
    state: ClassicGroupState, fields: dict[str, Any], code: ErrorCode
) -> None:
    shard = new_shard()
    add_group(shard, "g", state, instance_id="i")
    assert refusal(shard, "g", **fields) is code


def test_a_static_member_commits() -> None:
    shard = new_shard()
    add_group(shard, "g", instance_id="i")
    assert commit(shard, "g", {P0: 5}, member="m", generation=3, group_instance_id="i") == {P0: ErrorCode.NONE}


# --- what is written


def test_leader_epoch_metadata_and_topic_id_are_stored() -> None:
    shard = new_shard()
    request = commit_request("g", {P0: 5}, "häß", 7, {"orders": TOPIC_ID})
    ((key, value),) = shard.commit_offsets(request, 10, START).records
    assert decode_versioned(OffsetCommitKey, key) == OffsetCommitKey(group="g", topic="orders", partition=0)
    assert key[:2] == b"\x00\x01"
    assert value is not None and value[:2] == b"\x00\x04"
    assert decode_versioned(OffsetCommitValue, value) == OffsetCommitValue(
        offset=5, leader_epoch=7, metadata="häß", commit_timestamp=START.wall_ms, topic_id=TOPIC_ID
    )


@pytest.mark.parametrize(
    ("retention_ms", "value"),
    [
        (-1, "0004 000000000000000f 00000003 07 68c3a9 68c3a9 0000018bcfe56800 01 00 10" + TOPIC_ID.hex()),
        (60_000, "0001 000000000000000f 0006 68c3a9 68c3a9 0000018bcfe56800 0000018bcfe65260"),
    ],
)
def test_the_bytes_are_those_that_kafka_writes(retention_ms: int, value: str) -> None:
    request = commit_request("g", {P0: 15}, "héhé", 3, {"orders": TOPIC_ID}, retention_time_ms=retention_ms)
    (record,) = new_shard().commit_offsets(request, 4, START).records
    assert record.key.hex() == bytes.fromhex("0001 0001 67 0006 6f7264657273 00000000").hex()
    assert record.value is not None and record.value.hex() == bytes.fromhex(value).hex()


def test_the_answer_names_topics_as_the_request_does() -> None:
    shard = new_shard()
    request = commit_request("g", {P0: 5}, topic_ids={"orders": TOPIC_ID})
    (topic,) = carry_out(shard, shard.commit_offsets(request, 10, START)).topics
    assert (topic.name, topic.topic_id) == ("orders", TOPIC_ID)


def test_no_metadata_is_stored_as_an_empty_one() -> None:
    shard = new_shard()
    commit(shard, "g", {P0: 5}, metadata=None)
    assert fetch(shard, "g") == {P0: (5, -1, "")}


def test_a_retention_time_is_stored_as_the_end_of_it() -> None:
    shard = new_shard()
    request = commit_request("g", {P0: 5}, "where", 7, {"orders": TOPIC_ID}, retention_time_ms=60_000)
    ((_, value),) = shard.commit_offsets(request, 4, START).records
    assert value is not None and value[:2] == b"\x00\x01"
    assert decode_versioned(OffsetCommitValue, value) == OffsetCommitValue(
        offset=5, metadata="where", commit_timestamp=START.wall_ms, expire_timestamp=START.wall_ms + 60_000
    )


@pytest.mark.parametrize("retention_ms", [2**63 - 1, 0, -2, -(2**63)])
def test_no_retention_time_is_too_strange(retention_ms: int) -> None:
    shard = new_shard()
    assert commit(shard, "g", {P0: 5}, api_version=2, retention_time_ms=retention_ms) == {P0: ErrorCode.NONE}
    assert committed(shard, "g") == {P0: 5}


@pytest.mark.parametrize(
    ("metadata", "fits"),
    [("x" * 10, True), ("x" * 11, False), ("ä" * 10, True), ("ä" * 11, False), ("😀" * 5, True), ("😀" * 6, False)],
)
def test_metadata_is_measured_as_java_does(metadata: str, fits: bool) -> None:
    shard = new_shard(offset_metadata_bytes_max=10)
    code = ErrorCode.NONE if fits else ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert commit(shard, "g", {P0: 5}, metadata=metadata) == {P0: code}
    assert committed(shard, "g") == ({P0: 5} if fits else {})


def test_metadata_that_is_too_long_is_refused_for_its_partition_alone() -> None:
    shard = new_shard(offset_metadata_bytes_max=10)
    request = commit_request("g", {P0: 5, ("orders", 1): 6})
    request.topics[0].partitions[0].committed_metadata = "x" * 11
    response = carry_out(shard, shard.commit_offsets(request, 9, START))
    codes = [partition.error_code for partition in response.topics[0].partitions]
    assert codes == [ErrorCode.OFFSET_METADATA_TOO_LARGE, ErrorCode.NONE]
    assert committed(shard, "g") == {("orders", 1): 6}


def test_a_commit_of_nothing_writes_nothing() -> None:
    shard = new_shard()
    result = shard.commit_offsets(commit_request("g", {}), 9, START)
    assert not result.records
    assert result.reply.topics == []
    assert shard.groups.find("g") is None
