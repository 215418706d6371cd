"""Members of a group on raw connections: each step of the protocol is a call, so that tests decide what meets what."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Self

import kio.serial
from kio.schema.consumer_protocol_assignment.v0.data import ConsumerProtocolAssignment, TopicPartition
from kio.schema.consumer_protocol_subscription.v0.data import ConsumerProtocolSubscription
from kio.schema.errors import ErrorCode
from kio.schema.types import TopicName
from kio.static.primitive import i32

from tests.support.groups_over_the_wire import decode_assignment
from tests.support.wait import wait_until
from tests.support.wire import WireClient

PROTOCOL = "by-turns"
SESSION_TIMEOUT_MS = 30_000
REBALANCE_TIMEOUT_MS = 30_000
_VERSION_0 = b"\0\0"

_JOIN, _SYNC, _HEARTBEAT, _LEAVE, _COMMIT = 9, 5, 4, 5, 8
"""Versions of the requests."""


class GroupError(Exception):
    """The coordinator's refusal."""

    def __init__(self, api: str, code: ErrorCode) -> None:
        super().__init__(f"{api}: {code.name}")
        self.code = code


class RawMember:
    """One member, a context manager; to leave is a call of its own, for closing the connection is no leave.

    Args:
        member_id: that of a member that comes back; else the first join asks for one.
        rebalance_timeout_ms: how long the others wait for it when it does not come.
    """

    def __init__(
        self,
        address: tuple[str, int],
        group: str,
        topic: str,
        partitions: int,
        member_id: str = "",
        rebalance_timeout_ms: int = REBALANCE_TIMEOUT_MS,
    ) -> None:
        self.member_id = member_id
        self.generation = -1
        self.leader = ""
        self.assignment: tuple[int, ...] = ()
        self._group = group
        self._topic = topic
        self._partitions = partitions
        self._rebalance_timeout_ms = rebalance_timeout_ms
        self._member_ids: Sequence[str] = ()
        self._client = WireClient(address)
        self._sent = 0

    @property
    def leads(self) -> bool:
        """Whether it is the one that assigns."""
        return self.leader == self.member_id

    def send_join(self) -> None:
        """Ask to join; a member without an id asks for one first."""
        if not self.member_id:
            answer = self._client.ask("JoinGroup", _JOIN, **self._join_fields())
            if answer.error_code != ErrorCode.member_id_required:
                raise GroupError("JoinGroup", answer.error_code)
            self.member_id = answer.member_id
        self._sent = self._client.send("JoinGroup", _JOIN, **self._join_fields())

    def receive_join(self) -> None:
        """Wait for the new generation."""
        answer = self._client.receive("JoinGroup", _JOIN, self._sent)
        _check("JoinGroup", answer.error_code)
        assert answer.member_id == self.member_id
        self.generation, self.leader = answer.generation_id, answer.leader
        self._member_ids = [member.member_id for member in answer.members]

    def send_sync(self) -> None:
        """Ask for the assignment; the leader deals the partitions out, one by one in turns, beginning with itself."""
        assignments = []
        if self.leads:
            member_ids = sorted(self._member_ids, key=lambda member_id: member_id != self.member_id)
            for number, member_id in enumerate(member_ids):
                mine = range(number, self._partitions, len(member_ids))
                assignments.append({"member_id": member_id, "assignment": _encode_assignment(self._topic, mine)})
        self._sent = self._client.send(
            "SyncGroup",
            _SYNC,
            protocol_type="consumer",
            protocol_name=PROTOCOL,
            assignments=assignments,
            **self._identity(),
        )

    def receive_sync(self) -> None:
        """Wait for the assignment."""
        answer = self._client.receive("SyncGroup", _SYNC, self._sent)
        _check("SyncGroup", answer.error_code)
        self.assignment = tuple(index for _, index in decode_assignment(answer.assignment))

    def heartbeat(self) -> None:
        """Say that it lives; raises GroupError with REBALANCE_IN_PROGRESS where it shall join again."""
        _check("Heartbeat", self._client.ask("Heartbeat", _HEARTBEAT, **self._identity()).error_code)

    def is_called(self) -> bool:
        """Whether a heartbeat tells it to join again."""
        answer = self._client.ask("Heartbeat", _HEARTBEAT, **self._identity())
        return bool(answer.error_code == ErrorCode.rebalance_in_progress)

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets by partition."""
        partitions = [
            {"partition_index": index, "committed_offset": offset, "committed_metadata": ""}
            for index, offset in offsets.items()
        ]
        answer = self._client.ask(
            "OffsetCommit",
            _COMMIT,
            group_id=self._group,
            generation_id_or_member_epoch=self.generation,
            member_id=self.member_id,
            topics=[{"name": self._topic, "partitions": partitions}],
        )
        for partition in answer.topics[0].partitions:
            _check("OffsetCommit", partition.error_code)

    def leave(self) -> None:
        """Leave the group."""
        self.remove(self.member_id)
        self.member_id = ""

    def remove(self, member_id: str) -> None:
        """Take a member, this one or another, out of the group."""
        members = [{"member_id": member_id, "reason": "test"}]
        answer = self._client.ask("LeaveGroup", _LEAVE, group_id=self._group, members=members)
        _check("LeaveGroup", answer.error_code)
        _check("LeaveGroup", answer.members[0].error_code)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _identity(self) -> dict[str, Any]:
        return {"group_id": self._group, "generation_id": self.generation, "member_id": self.member_id}

    def _join_fields(self) -> dict[str, Any]:
        return {
            "group_id": self._group,
            "session_timeout_ms": SESSION_TIMEOUT_MS,
            "rebalance_timeout_ms": self._rebalance_timeout_ms,
            "member_id": self.member_id,
            "protocol_type": "consumer",
            "protocols": [{"name": PROTOCOL, "metadata": _encode_subscription(self._topic)}],
        }


def rebalance(members: Sequence[RawMember]) -> int:
    """Take all members of a group, some of which may be new, to the next generation, and return that."""
    # Newcomers bring one about; without any, the leader does. Others that joined before it would stay where they are.
    callers = [member for member in members if member.generation < 0] or [member for member in members if member.leads]
    for member in callers:
        member.send_join()
    for member in members:
        if member not in callers:
            wait_until(member.is_called, "a heartbeat tells the member to join again")
            member.send_join()
    for member in members:
        member.receive_join()
    for member in members:
        member.send_sync()
    for member in members:
        member.receive_sync()
    (generation,) = {member.generation for member in members}
    return generation


def _encode_subscription(topic: str) -> bytes:
    buffer = io.BytesIO()
    kio.serial.entity_writer(ConsumerProtocolSubscription)(buffer, ConsumerProtocolSubscription(topics=(topic,)))
    return _VERSION_0 + buffer.getvalue()


def _encode_assignment(topic: str, partitions: Sequence[int]) -> bytes:
    buffer = io.BytesIO()
    listed = TopicPartition(topic=TopicName(topic), partitions=tuple(i32(index) for index in partitions))
    assignment = ConsumerProtocolAssignment(assigned_partitions=(listed,))
    kio.serial.entity_writer(ConsumerProtocolAssignment)(buffer, assignment)
    return _VERSION_0 + buffer.getvalue()


def _check(api: str, code: ErrorCode) -> None:
    if code != ErrorCode.none:
        raise GroupError(api, code)
