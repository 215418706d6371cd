"""The classic group protocol written by hand: requests as framed bytes, answers as tuples.

JoinGroup v5, SyncGroup v3, Heartbeat v3 and LeaveGroup v3 are what librdkafka sends: the last versions without compact
fields. OffsetCommit is v8, the first with them and with what clients of today commit.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.wire import frame

NO_ERROR = 0
COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16
UNKNOWN_MEMBER_ID = 25
REBALANCE_IN_PROGRESS = 27
MEMBER_ID_REQUIRED = 79

SESSION_TIMEOUT_MS = 45_000
REBALANCE_TIMEOUT_MS = 60_000

_OFFSET_COMMIT, _FIND_COORDINATOR, _JOIN_GROUP, _HEARTBEAT, _LEAVE_GROUP, _SYNC_GROUP = 8, 10, 11, 12, 13, 14
_CLIENT_ID = b"load"
_NULL_STRING = struct.pack(">h", -1)
_CORRELATION_BYTES = 4
_THROTTLE_BYTES = 4

# The answer to an OffsetCommit v8 of one partition: size, correlation id, the header's tag count, throttle time, topics
# count, name length; the name; partitions count, partition index; the error code.
_COMMIT_PREFIX_BYTES = 4 + _CORRELATION_BYTES + 1 + _THROTTLE_BYTES + 1 + 1
_COMMIT_BEFORE_ERROR_BYTES = 1 + 4


class Coordinator(NamedTuple):
    """The answer to FindCoordinator."""

    error_code: int
    host: str
    port: int


class Joined(NamedTuple):
    """The answer to JoinGroup; `members` is empty for all but the leader."""

    error_code: int
    generation: int
    leader: str
    member_id: str
    members: Sequence[str]


class Synced(NamedTuple):
    """The answer to SyncGroup."""

    error_code: int
    assignment: bytes


def find_coordinator_request(group_id: str) -> bytes:
    """Ask which broker coordinates a group."""
    return _request(_FIND_COORDINATOR, 1, _string(group_id), b"\0")


def read_coordinator(answer: bytes) -> Coordinator:
    """Read the answer to FindCoordinator v1."""
    fields = _answer(answer)
    error_code = fields.int16()
    fields.string()  # the message
    fields.int32()  # the broker's id
    return Coordinator(error_code, fields.string(), fields.int32())


def join_request(group_id: str, member_id: str, topic: str) -> bytes:
    """Join with one protocol, a subscription to one topic."""
    subscription = struct.pack(">hi", 0, 1) + _string(topic) + struct.pack(">i", -1)
    return _request(
        _JOIN_GROUP,
        5,
        _string(group_id),
        struct.pack(">ii", SESSION_TIMEOUT_MS, REBALANCE_TIMEOUT_MS),
        _string(member_id),
        _NULL_STRING,  # no instance id
        _string("consumer"),
        struct.pack(">i", 1),
        _string("range"),
        _bytes(subscription),
    )


def read_joined(answer: bytes) -> Joined:
    """Read the answer to JoinGroup v5."""
    fields = _answer(answer)
    error_code, generation = fields.int16(), fields.int32()
    fields.string()  # the protocol
    leader, member_id = fields.string(), fields.string()
    members = []
    for _ in range(fields.int32()):
        members.append(fields.string())
        fields.string()  # its instance id
        fields.blob()  # its subscription
    return Joined(error_code, generation, leader, member_id, members)


def sync_request(group_id: str, generation: int, member_id: str, assignments: Mapping[str, bytes]) -> bytes:
    """Ask for the member's assignment; the leader brings everybody's."""
    listed = [part for each, assignment in assignments.items() for part in (_string(each), _bytes(assignment))]
    return _request(
        _SYNC_GROUP, 3, _of_member(group_id, generation, member_id), struct.pack(">i", len(assignments)), *listed
    )


def read_synced(answer: bytes) -> Synced:
    """Read the answer to SyncGroup v3."""
    fields = _answer(answer)
    return Synced(fields.int16(), fields.blob())


def heartbeat_request(group_id: str, generation: int, member_id: str) -> bytes:
    """Say that the member lives."""
    return _request(_HEARTBEAT, 3, _of_member(group_id, generation, member_id))


def leave_request(group_id: str, member_ids: Sequence[str]) -> bytes:
    """Take members out of their group."""
    listed = [part for each in member_ids for part in (_string(each), _NULL_STRING)]
    return _request(_LEAVE_GROUP, 3, _string(group_id), struct.pack(">i", len(member_ids)), *listed)


def read_error_code(answer: bytes) -> int:
    """The error code of an answer to Heartbeat v3 or LeaveGroup v3; that of FindCoordinator v1 is in the same place."""
    return _answer(answer).int16()


def commit_request(group_id: str, generation: int, member_id: str, topic: str, partition: int, offset: int) -> bytes:
    """Commit one offset without metadata."""
    header = struct.pack(">hhih", _OFFSET_COMMIT, 8, 0, len(_CLIENT_ID)) + _CLIENT_ID + b"\0"
    body = b"".join(
        (
            _compact_string(group_id),
            struct.pack(">i", generation),
            _compact_string(member_id),
            b"\0",  # no instance id
            b"\2",  # one topic (compact counts are one more than the count)
            _compact_string(topic),
            b"\2",  # one partition
            struct.pack(">iqi", partition, offset, -1),  # no leader epoch
            b"\1",  # empty metadata
            b"\0\0\0",  # tags of the partition, the topic, the request
        )
    )
    return frame(header + body)


def commit_error_position(topic: str) -> int:
    """Where, in the framed answer to `commit_request`, the 2 bytes of the partition's error code are."""
    return _COMMIT_PREFIX_BYTES + len(topic.encode()) + _COMMIT_BEFORE_ERROR_BYTES


def divide(topic: str, partitions: int, member_ids: Sequence[str]) -> dict[str, bytes]:
    """What a leader with the range assignor makes of a topic: each member's assignment, encoded."""
    count = len(member_ids)
    assignments = {}
    for number, member_id in enumerate(member_ids):
        mine = range(partitions * number // count, partitions * (number + 1) // count)
        assignments[member_id] = b"".join(
            (
                struct.pack(">hi", 0, 1),
                _string(topic),
                struct.pack(f">i{len(mine)}i", len(mine), *mine),
                struct.pack(">i", -1),
            )
        )
    return assignments


def assigned_partitions(assignments: Iterable[bytes]) -> list[int]:
    """The partitions in some assignments of `divide`, sorted, each as often as it is there."""
    partitions: list[int] = []
    for assignment in assignments:
        fields = _Fields(assignment, struct.calcsize(">hi"))
        fields.string()
        partitions += [fields.int32() for _ in range(fields.int32())]
    return sorted(partitions)


class _Fields:
    """Reads one field after the other."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def int16(self) -> int:
        return int.from_bytes(self._take(2), "big", signed=True)

    def int32(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def string(self) -> str:
        """A string; a null one is read as an empty one."""
        return self._take(max(self.int16(), 0)).decode()

    def blob(self) -> bytes:
        return self._take(max(self.int32(), 0))

    def _take(self, count: int) -> bytes:
        taken = self._data[self._position : self._position + count]
        self._position += count
        return taken


def _answer(answer: bytes) -> _Fields:
    return _Fields(answer, _CORRELATION_BYTES + _THROTTLE_BYTES)


def _request(api_key: int, version: int, *body: bytes) -> bytes:
    return frame(b"".join((struct.pack(">hhih", api_key, version, 0, len(_CLIENT_ID)), _CLIENT_ID, *body)))


def _of_member(group_id: str, generation: int, member_id: str) -> bytes:
    return b"".join((_string(group_id), struct.pack(">i", generation), _string(member_id), _NULL_STRING))


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _compact_string(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 0x7F, "the length is one byte here"
    return bytes((len(data) + 1,)) + data


def _bytes(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data
