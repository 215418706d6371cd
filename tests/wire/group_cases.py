"""The APIs of consumer groups, in any of their versions."""

from __future__ import annotations

import io
import uuid
from types import SimpleNamespace
from typing import Any

import kio.serial
from kio.schema.consumer_protocol_subscription.v0.data import ConsumerProtocolSubscription
from kio.schema.errors import ErrorCode

from tests.support.groups_over_the_wire import commit, fetch_offsets
from tests.support.under_test import settled
from tests.support.wait import wait_until
from tests.support.wire import WireClient, milliseconds

NOWHERE = "no-such-topic"
STRANGER = uuid.UUID(int=1)  # the id of no topic
UNKNOWN_OPERATIONS = -(1 << 31)
GROUP_OPERATIONS = sum(1 << operation for operation in (3, 6, 8, 10, 11))

SESSION_MS = 30_000


def _subscription(topic: str, user_data: bytes = b"") -> bytes:
    """What a consumer of one topic says of itself when it joins, in version 0."""
    buffer = io.BytesIO()
    subscription = ConsumerProtocolSubscription(topics=(topic,), user_data=user_data)
    kio.serial.entity_writer(ConsumerProtocolSubscription)(buffer, subscription)
    return b"\0\0" + buffer.getvalue()


SUBSCRIPTION = _subscription(NOWHERE, b"by range")
PROTOCOLS = [
    {"name": "range", "metadata": SUBSCRIPTION},
    {"name": "roundrobin", "metadata": _subscription(NOWHERE, b"by roundrobin")},
]


def find_coordinator(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    groups = [topic.new_name(), ""] if version >= 4 else [topic.new_name()]

    def ask(key_type: int = 0) -> list[Any]:
        answer = wire.ask(
            "FindCoordinator", version, key=groups[0], coordinator_keys=groups, key_type=key_type if version else 0
        )
        if version >= 1:
            assert milliseconds(answer.throttle_time) == 0
        if version < 4:
            return [answer]
        assert [coordinator.key for coordinator in answer.coordinators] == groups
        return list(answer.coordinators)

    assert settled(
        lambda: all(coordinator.error_code == ErrorCode.none for coordinator in ask()), "the groups' topic is there"
    )
    (broker,) = wire.ask("Metadata", 5, topics=[]).brokers
    for coordinator in ask():
        assert (coordinator.host, coordinator.port) == wire.socket.getpeername()[:2]
        assert coordinator.node_id == broker.node_id
    if version >= 1:
        share = [2] if version < 6 else []
        for key_type in [9, -1, *share]:
            for coordinator in ask(key_type):
                assert coordinator.error_code == ErrorCode.invalid_request
                assert (coordinator.node_id, coordinator.host, coordinator.port) == (-1, "", -1)


# --- members -------------------------------------------------------------------------------------------------------


def _join(wire: WireClient, version: int, group: str, **fields: Any) -> Any:
    """Join once and return the answer, whatever it is; the topic of groups is made if need be."""

    def ask() -> Any:
        answer = wire.ask(
            "JoinGroup",
            version,
            **{
                "group_id": group,
                "session_timeout_ms": SESSION_MS,
                "rebalance_timeout_ms": SESSION_MS,
                "member_id": "",
                "protocol_type": "consumer",
                "protocols": PROTOCOLS,
                **fields,
            },
        )
        if answer.error_code in (ErrorCode.not_coordinator, ErrorCode.coordinator_not_available):
            wire.ask("FindCoordinator", 2, key=group)
            return None
        return answer

    return wait_until(ask, "the coordinator takes members")


def _join_as_member(wire: WireClient, version: int, group: str, **fields: Any) -> Any:
    """Join as a new member, twice where the first answer is the member's id."""
    answer = _join(wire, version, group, **fields)
    if version >= 4 and not fields.get("group_instance_id"):
        assert answer.error_code == ErrorCode.member_id_required
        assert answer.member_id.startswith("wire-")
        answer = _join(wire, version, group, member_id=answer.member_id, **fields)
    assert answer.error_code == ErrorCode.none, answer
    return answer


def _sync(wire: WireClient, version: int, group: str, joined: Any, **fields: Any) -> Any:
    return wire.ask(
        "SyncGroup",
        version,
        **{
            "group_id": group,
            "generation_id": joined.generation_id,
            "member_id": joined.member_id,
            "protocol_type": "consumer",
            "protocol_name": "range",
            "assignments": [{"member_id": joined.member_id, "assignment": b"all of it"}],
            **fields,
        },
    )


def _stable_group(wire: WireClient, group: str, instance_id: str | None = None, **fields: Any) -> Any:
    """Make a group of one member, and return the answer to its JoinGroup."""
    joined = _join_as_member(wire, 5, group, group_instance_id=instance_id, **fields)
    assert _sync(wire, 3, group, joined).error_code == ErrorCode.none
    return joined


def join_group(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    group = topic.new_name()
    joined = _join_as_member(wire, version, group)
    assert joined.generation_id == 1
    assert joined.protocol_name == "range"
    assert joined.leader == joined.member_id
    (member,) = joined.members
    assert (member.member_id, member.metadata) == (joined.member_id, SUBSCRIPTION)
    if version >= 2:
        assert milliseconds(joined.throttle_time) == 0
    if version >= 5:
        assert member.group_instance_id is None
    if version >= 7:
        assert joined.protocol_type == "consumer"
    if version >= 9:
        assert joined.skip_assignment is False

    def refused(group_id: str = group, **fields: Any) -> ErrorCode:
        answer = _join(wire, version, group_id, **fields)
        assert (answer.generation_id, answer.leader, answer.members) == (-1, "", ())
        assert answer.protocol_name == (None if version >= 7 else "")
        assert answer.member_id == fields.get("member_id", "")
        if version >= 7:
            assert answer.protocol_type is None
        return ErrorCode(answer.error_code)

    assert refused("") == ErrorCode.invalid_group_id
    assert refused(session_timeout_ms=1) == ErrorCode.invalid_session_timeout
    assert refused(member_id="stranger") == ErrorCode.unknown_member_id
    assert refused(protocol_type="connect", member_id=joined.member_id) == ErrorCode.inconsistent_group_protocol
    assert refused(protocols=[]) == ErrorCode.inconsistent_group_protocol
    if version >= 5:
        static = _join_as_member(wire, version, topic.new_name(), group_instance_id="one")
        assert static.member_id.startswith("one-")
        assert static.members[0].group_instance_id == "one"
    if version >= 9:
        # A static member that comes back to a stable group leads it on with its old assignment (KIP-814).
        _stable_group(wire, other := topic.new_name(), "one")
        back = _join_as_member(wire, version, other, group_instance_id="one", reason="tests")
        assert (back.generation_id, back.skip_assignment, back.leader) == (1, True, back.member_id)


def sync_group(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    group = topic.new_name()
    joined = _join_as_member(wire, 5, group)

    def refused(group_id: str = group, **fields: Any) -> ErrorCode:
        answer = _sync(wire, version, group_id, joined, **fields)
        assert answer.assignment == b""
        if version >= 5:
            assert (answer.protocol_type, answer.protocol_name) == (None, None)
        return ErrorCode(answer.error_code)

    assert refused("") == ErrorCode.invalid_group_id
    assert refused(topic.new_name()) == ErrorCode.unknown_member_id
    assert refused(member_id="stranger") == ErrorCode.unknown_member_id
    assert refused(generation_id=7) == ErrorCode.illegal_generation
    if version >= 3:
        assert refused(group_instance_id="stranger") == ErrorCode.unknown_member_id
    if version >= 5:
        assert refused(protocol_name="roundrobin") == ErrorCode.inconsistent_group_protocol
        assert refused(protocol_name=None) == ErrorCode.inconsistent_group_protocol
        assert refused("", protocol_type=None) == ErrorCode.inconsistent_group_protocol
    for assignment in (b"all of it", b"too late to change"):
        answer = _sync(
            wire,
            version,
            group,
            joined,
            assignments=[{"member_id": joined.member_id, "assignment": assignment}],
        )
        assert (answer.error_code, answer.assignment) == (ErrorCode.none, b"all of it")
        if version >= 1:
            assert milliseconds(answer.throttle_time) == 0
        if version >= 5:
            assert (answer.protocol_type, answer.protocol_name) == ("consumer", "range")


def heartbeat(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    group = topic.new_name()
    instance_id = "one" if version >= 3 else None
    joined = _join_as_member(wire, 5, group, group_instance_id=instance_id)

    def beat(**fields: Any) -> ErrorCode:
        answer = wire.ask(
            "Heartbeat",
            version,
            **{
                "group_id": group,
                "generation_id": joined.generation_id,
                "member_id": joined.member_id,
                "group_instance_id": instance_id,
                **fields,
            },
        )
        if version >= 1:
            assert milliseconds(answer.throttle_time) == 0
        return ErrorCode(answer.error_code)

    assert beat() == ErrorCode.none  # while the group waits for the leader's assignment too
    assert _sync(wire, 3, group, joined).error_code == ErrorCode.none
    assert beat() == ErrorCode.none
    assert beat(generation_id=7) == ErrorCode.illegal_generation
    assert beat(group_id="") == ErrorCode.invalid_group_id
    assert beat(group_id=topic.new_name()) == ErrorCode.unknown_member_id
    if version >= 3:
        assert beat(member_id="stranger") == ErrorCode.fenced_instance_id
        assert beat(group_instance_id="stranger") == ErrorCode.unknown_member_id
    else:
        assert beat(member_id="stranger") == ErrorCode.unknown_member_id


def leave_group(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    group = topic.new_name()
    joined = _stable_group(wire, group, "one" if version >= 3 else None)

    def leave(*members: tuple[str, str | None], group_id: str = group) -> tuple[ErrorCode, list[Any]]:
        answer = wire.ask(
            "LeaveGroup",
            version,
            group_id=group_id,
            member_id=members[0][0],
            members=[
                {"member_id": member_id, "group_instance_id": instance_id, "reason": "tests"}
                for member_id, instance_id in members
            ],
        )
        if version >= 1:
            assert milliseconds(answer.throttle_time) == 0
        answered = answer.members if version >= 3 else ()
        return ErrorCode(answer.error_code), [
            (member.member_id, member.group_instance_id, member.error_code) for member in answered
        ]

    stranger = ("stranger", None)
    assert leave(stranger, group_id="") == (ErrorCode.invalid_group_id, [])
    if version < 3:
        for group_id in (group, topic.new_name()):
            assert leave(stranger, group_id=group_id) == (ErrorCode.unknown_member_id, [])
        assert leave((joined.member_id, None)) == (ErrorCode.none, [])
        assert leave((joined.member_id, None)) == (ErrorCode.unknown_member_id, [])
        return
    unknown = (*stranger, ErrorCode.unknown_member_id)
    assert leave(stranger, group_id=topic.new_name()) == (ErrorCode.none, [unknown])
    assert leave(stranger, ("stranger", "one"), ("", "one"), ("", "one")) == (
        ErrorCode.none,
        [
            unknown,
            ("stranger", "one", ErrorCode.fenced_instance_id),
            ("", "one", ErrorCode.none),
            ("", "one", ErrorCode.unknown_member_id),
        ],
    )


# --- offsets -------------------------------------------------------------------------------------------------------


def offset_commit(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    group = topic.new_name()
    _stable_group(wire, other := topic.new_name())

    def ask(group_id: str = group, metadata: str | None = "where it stands", **fields: Any) -> dict[Any, ErrorCode]:
        partitions = [
            {
                "partition_index": index,
                "committed_offset": 42,
                "committed_leader_epoch": 3,
                "committed_metadata": metadata,
            }
            for index in (0, 1, 9)
        ]
        answer = wire.ask(
            "OffsetCommit",
            version,
            **{
                "group_id": group_id,
                "generation_id_or_member_epoch": -1,
                "topics": [
                    {"name": topic.name, "topic_id": topic.id, "partitions": partitions},
                    {"name": NOWHERE, "topic_id": STRANGER, "partitions": partitions[:1]},
                ],
                **fields,
            },
        )
        if version >= 3:
            assert milliseconds(answer.throttle_time) == 0
        codes = {
            (answered.topic_id if version >= 10 else answered.name, partition.partition_index): partition.error_code
            for answered in answer.topics
            for partition in answered.partitions
        }
        there, nowhere = (topic.id, STRANGER) if version >= 10 else (topic.name, NOWHERE)
        unknown_topic = ErrorCode.unknown_topic_id if version >= 10 else ErrorCode.unknown_topic_or_partition
        assert codes.pop((nowhere, 0)) == unknown_topic
        assert codes.pop((there, 9)) == ErrorCode.unknown_topic_or_partition
        return {index: ErrorCode(code) for (name, index), code in codes.items() if name == there}

    assert ask() == {0: ErrorCode.none, 1: ErrorCode.none}
    assert fetch_offsets(wire, group, topic.name, [0, 1]) == dict.fromkeys((0, 1), (42, "where it stands"))
    assert ask(metadata=None) == {0: ErrorCode.none, 1: ErrorCode.none}
    assert fetch_offsets(wire, group, topic.name, [0]) == {0: (42, "")}
    assert set(ask(metadata="x" * 4_097).values()) == {ErrorCode.offset_metadata_too_large}
    members = {"member_id": "stranger", "generation_id_or_member_epoch": 1}
    assert set(ask(**members).values()) == {ErrorCode.unknown_member_id}
    nobody = ErrorCode.group_id_not_found if version >= 9 else ErrorCode.illegal_generation
    assert set(ask(topic.new_name(), **members).values()) == {nobody}
    assert set(ask(other).values()) == {ErrorCode.unknown_member_id}
    if version <= 4:
        assert set(ask(retention_time_ms=60_000).values()) == {ErrorCode.none}
    answer = wire.ask("OffsetCommit", version, group_id=group, generation_id_or_member_epoch=-1, topics=[])
    assert answer.topics == ()


def offset_fetch(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    group = topic.new_name()
    wait_until(lambda: not wire.ask("FindCoordinator", 2, key=group).error_code, "groups are served")
    commit(wire, group, topic.name, {1: 42}, "where it stands")

    def ask(group_id: str = group, everything: bool = False) -> dict[Any, tuple[int, int, str, ErrorCode]]:
        names = [
            {"name": topic.name, "topic_id": topic.id, "partition_indexes": [0, 1, 9]},
            {"name": NOWHERE, "topic_id": STRANGER, "partition_indexes": [0]},
        ]
        if version < 8:
            for name in names:
                del name["topic_id"]
        topics = None if everything else names
        if version >= 8:
            answer = wire.ask("OffsetFetch", version, groups=[{"group_id": group_id, "topics": topics}] * 2)
            answered, again = answer.groups
            assert answered == again
            assert answered.group_id == group_id
        else:
            answered = answer = wire.ask("OffsetFetch", version, group_id=group_id, topics=topics)
        if version >= 2:
            assert answered.error_code == ErrorCode.none
        if version >= 3:
            assert milliseconds(answer.throttle_time) == 0
        return {
            (each.topic_id if version >= 10 else each.name, partition.partition_index): (
                partition.committed_offset,
                partition.committed_leader_epoch if version >= 5 else -1,
                partition.metadata,
                partition.error_code,
            )
            for each in answered.topics
            for partition in each.partitions
        }

    there, nowhere = (topic.id, STRANGER) if version >= 10 else (topic.name, NOWHERE)
    committed = (42, -1, "where it stands", ErrorCode.none)
    none = (-1, -1, "", ErrorCode.none)
    unknown = (-1, -1, "", ErrorCode.unknown_topic_id if version >= 10 else ErrorCode.none)
    assert ask() == {(there, 0): none, (there, 1): committed, (there, 9): none, (nowhere, 0): unknown}
    assert ask(topic.new_name()) == {(there, 0): none, (there, 1): none, (there, 9): none, (nowhere, 0): unknown}
    if version >= 2:
        assert ask(everything=True) == {(there, 1): committed}
        assert ask(topic.new_name(), everything=True) == {}
    if version >= 7:
        groups = [{"group_id": group, "topics": None}]
        answer = wire.ask("OffsetFetch", version, group_id=group, topics=None, groups=groups, require_stable=True)
        answered = answer.groups[0] if version >= 8 else answer
        assert answered.error_code == ErrorCode.none
        assert len(answered.topics) == 1


def offset_delete(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    group = topic.new_name()
    wait_until(lambda: not wire.ask("FindCoordinator", 2, key=group).error_code, "groups are served")
    commit(wire, group, topic.name, {0: 1, 1: 2})

    def ask(group_id: str = group) -> tuple[ErrorCode, dict[tuple[str, int], ErrorCode]]:
        partitions = [{"partition_index": index} for index in (0, 9)]
        answer = wire.ask(
            "OffsetDelete",
            version,
            group_id=group_id,
            topics=[{"name": name, "partitions": partitions} for name in (topic.name, NOWHERE)],
        )
        assert milliseconds(answer.throttle_time) == 0
        return ErrorCode(answer.error_code), {
            (each.name, partition.partition_index): partition.error_code
            for each in answer.topics
            for partition in each.partitions
        }

    unknown = {(name, 9): ErrorCode.unknown_topic_or_partition for name in (topic.name, NOWHERE)}
    unknown[NOWHERE, 0] = ErrorCode.unknown_topic_or_partition
    assert ask() == (ErrorCode.none, {(topic.name, 0): ErrorCode.none, **unknown})
    assert fetch_offsets(wire, group, topic.name, [0, 1]) == {0: (-1, ""), 1: (2, "")}
    assert ask(topic.new_name()) == (ErrorCode.group_id_not_found, {})
    assert ask("") == (ErrorCode.invalid_group_id, {})
    reader, other = topic.new_name(), topic.new_name()
    _stable_group(wire, reader, protocols=[{"name": "range", "metadata": _subscription(topic.name)}])
    assert ask(reader) == (ErrorCode.none, {(topic.name, 0): ErrorCode.group_subscribed_to_topic, **unknown})
    _stable_group(wire, other)
    assert ask(other) == (ErrorCode.none, {(topic.name, 0): ErrorCode.none, **unknown})


# --- groups --------------------------------------------------------------------------------------------------------


def describe_groups(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    groups = [topic.new_name(), topic.new_name()]
    joined = _stable_group(wire, groups[0], "one")

    def ask(include: bool) -> list[Any]:
        answer = wire.ask("DescribeGroups", version, groups=groups, include_authorized_operations=include)
        if version >= 1:
            assert milliseconds(answer.throttle_time) == 0
        by_name = {group.group_id: group for group in answer.groups}
        return [by_name[name] for name in groups]

    stable, nothing = ask(include=False)
    assert stable.error_code == ErrorCode.none
    assert (stable.group_state, stable.protocol_type, stable.protocol_data) == ("Stable", "consumer", "range")
    (member,) = stable.members
    assert (member.member_id, member.client_id, member.client_host) == (joined.member_id, "wire", "/127.0.0.1")
    assert (member.member_metadata, member.member_assignment) == (SUBSCRIPTION, b"all of it")
    if version >= 4:
        assert member.group_instance_id == "one"
    assert (nothing.group_state, nothing.protocol_type, nothing.members) == ("Dead", "", ())
    if version >= 6:
        assert stable.error_message is None
        assert nothing.error_code == ErrorCode.group_id_not_found
        assert groups[1] in nothing.error_message
    else:
        assert nothing.error_code == ErrorCode.none
    if version >= 3:
        assert stable.authorized_operations == UNKNOWN_OPERATIONS
        operations = [group.authorized_operations for group in ask(include=True)]
        assert operations == [GROUP_OPERATIONS, UNKNOWN_OPERATIONS if version >= 6 else GROUP_OPERATIONS]


def list_groups(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    live, simple = topic.new_name(), topic.new_name()
    _stable_group(wire, live)
    commit(wire, simple, topic.name, {0: 1})

    def ask(**filters: list[str]) -> dict[str, Any]:
        answer = wire.ask("ListGroups", version, **filters)
        assert answer.error_code == ErrorCode.none
        if version >= 1:
            assert milliseconds(answer.throttle_time) == 0
        return {group.group_id: group for group in answer.groups if group.group_id in (live, simple)}

    listed = ask()
    assert {name: group.protocol_type for name, group in listed.items()} == {live: "consumer", simple: ""}
    if version >= 4:
        assert {name: group.group_state for name, group in listed.items()} == {live: "Stable", simple: "Empty"}
        for states, names in ((["Stable"], {live}), (["empty", "none such"], {simple}), (["none such"], set())):
            assert set(ask(states_filter=states)) == names
    if version >= 5:
        assert {group.group_type for group in listed.values()} == {"classic"}
        assert set(ask(types_filter=["Classic"])) == {live, simple}
        assert set(ask(types_filter=["consumer"])) == set()


def delete_groups(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    live, simple, nothing = (topic.new_name() for _ in range(3))
    _stable_group(wire, live)
    commit(wire, simple, topic.name, {0: 1})
    answer = wire.ask("DeleteGroups", version, groups_names=[live, simple, nothing, simple])
    assert milliseconds(answer.throttle_time) == 0
    assert len(answer.results) == 3
    assert {result.group_id: result.error_code for result in answer.results} == {
        live: ErrorCode.non_empty_group,
        simple: ErrorCode.none,
        nothing: ErrorCode.group_id_not_found,
    }
    assert fetch_offsets(wire, simple, topic.name, [0]) == {0: (-1, "")}
