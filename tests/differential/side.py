"""One of the two brokers as a script sees it: connections, and the values that this broker has given out."""

from __future__ import annotations

import socket
import struct
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from broker.registry import Api
from protocol.errors import MalformedFrame
from tests.support.wait import wait_until

from .batches import batch
from .messages import API_BY_NAME, Plain, decode_response, encode_request
from .peers import Peer
from .script import Call, Reference, Step, Value
from .subscription import subscription

SILENCE_S = 20.0
"""How long an answer is waited for; far more than anything takes that works."""

CONTROL: Final = "control"
"""The connection over which a side looks after itself."""

_SIZE = struct.Struct(">i")
_STRANGER = uuid.UUID(int=0x5EED)
_ABSENT: Final[Mapping[str, Value]] = {
    "member_id": "nobody",
    "generation_id": 99,
    "producer_id": 4_000_000,
    "session_id": 99,
}
"""What a reference stands for if there is no such answer."""


@dataclass(frozen=True)
class Outcome:
    """What has become of a request: an answer, or the sentence that says why there is none."""

    answer: dict[str, Plain] | None
    absence: str = ""


CLOSED: Final = Outcome(None, "the connection is closed")
SILENT: Final = Outcome(None, "no answer comes")
NOTHING_DUE: Final = Outcome(None, "nothing is answered, and the connection goes on")


class _Outstanding(NamedTuple):
    correlation_id: int
    step: Step


class _Connection:
    def __init__(self, address: tuple[str, int], silence_s: float) -> None:
        self.socket = socket.create_connection(address, silence_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.outstanding: deque[_Outstanding] = deque()
        self.correlation_id = 0

        # A new connection is accepted in a thread of its own; once it is answered it keeps its place among the others.
        self.send(encode_request(API_BY_NAME["ApiVersions"], 0, 0, "", {}))
        self.receive()

    def send(self, frame: bytes) -> None:
        self.socket.sendall(_SIZE.pack(len(frame)) + frame)

    def receive(self) -> bytes:
        (size,) = _SIZE.unpack(self._receive(_SIZE.size))
        return self._receive(size)

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("end of file")
            data += piece
        return bytes(data)


class Side:
    """A broker, its connections, and what its answers were called.

    Args:
        peer: the broker.
    """

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.now_ms = 0
        """The moment at which both sides take the script to have begun."""
        self.silence_s = SILENCE_S
        """How long an answer to a script is waited for."""
        self.answers: dict[str, dict[str, Plain]] = {}
        self.topic_ids: dict[str, uuid.UUID] = {}
        """Of the topics that there are."""
        self.names_of_ids: dict[uuid.UUID, str] = {}
        """`orders#2` for the second topic of that name, of all that there have been."""
        self.names_of_texts: dict[str, str] = {}
        """Member ids, by the names of the answers that gave them."""
        self.names_of_producers: dict[int, str] = {}
        self.member_ids: set[str] = set()
        """All that were given out."""
        self._lives: dict[str, int] = {}
        self._first_directories: dict[tuple[str, int, int], int] = {}
        self._connections: dict[str, _Connection] = {}
        self._calls: Mapping[str, Callable[..., Value]] = {
            "batch": lambda *arguments, **keywords: batch(*arguments, now_ms=self.now_ms, **keywords),
            "log_dir_of": lambda topic, partition: self.peer.log_directories[self._log_directory(topic, partition)],
            "log_dir_beside": lambda topic, partition: self.peer.log_directories[
                1 - self._log_directory(topic, partition)
            ],
            "now": lambda offset_ms: self.now_ms + offset_ms,
            "topic_id": lambda name: self.topic_ids.get(name, _STRANGER).bytes,
            "old_topic_id": self._old_topic_id,
            "subscription": subscription,
        }

    def close(self) -> None:
        """Close all connections."""
        for name in list(self._connections):
            self.drop(name)

    def forget(self) -> None:
        """Begin a new script: no connections, no answers, topics as they are."""
        self.close()
        self.answers.clear()
        self.names_of_ids.clear()
        self.names_of_texts.clear()
        self.member_ids.clear()
        self.names_of_producers.clear()
        self._lives.clear()
        self._first_directories.clear()
        self.topic_ids.clear()

    # --- requests and answers ------------------------------------------------------------------------------------

    def send(self, step: Step) -> None:
        """Send a request; over a connection that is closed by now, this shows in what is received."""
        connection = self._connections.get(step.connection)
        if connection is None:
            silence_s = SILENCE_S if step.connection == CONTROL else self.silence_s
            connection = self._connections[step.connection] = _Connection(self.peer.address, silence_s)
        connection.correlation_id += 1
        frame = self._frame(API_BY_NAME[step.api], step, connection.correlation_id)
        connection.outstanding.append(_Outstanding(connection.correlation_id, step))
        try:
            connection.send(frame)
        except ConnectionError:
            return

    def outstanding(self, name: str) -> Step | None:
        """The oldest request of a connection that has no outcome so far."""
        connection = self._connections.get(name)
        return connection.outstanding[0].step if connection and connection.outstanding else None

    def socket(self, name: str) -> socket.socket:
        """The socket of a connection, to be waited for."""
        return self._connections[name].socket

    @property
    def connections(self) -> list[str]:
        """The names of the connections that are open."""
        return list(self._connections)

    def receive(self, name: str) -> tuple[Step, Outcome] | None:
        """Return the oldest outstanding request of a connection and its outcome, or None if there is none."""
        connection = self._connections.get(name)
        if connection is None or not connection.outstanding:
            return None
        correlation_id, step = connection.outstanding.popleft()
        outcome = self._await(connection, correlation_id, step)
        if outcome.answer is not None:
            self._remember(step.label, outcome.answer)
        return step, outcome

    def ask(self, api: str, version: int, **fields: Value) -> dict[str, Plain]:
        """Ask over the control connection, where an answer must come."""
        self.send(Step(CONTROL, api, version, fields))
        received = self.receive(CONTROL)
        assert received is not None
        _, outcome = received
        assert outcome.answer is not None, f"{self.peer.name}, {api} v{version}: {outcome.absence}"
        return outcome.answer

    def _frame(self, api: Api, step: Step, correlation_id: int) -> bytes:
        options = step.fields
        frame = encode_request(
            api,
            step.version,
            correlation_id,
            options.get("_client_id", step.connection),
            self.resolve(step.body),
            key=options.get("_key"),
        )
        return frame[: len(frame) - options.get("_cut", 0)] + bytes(options.get("_append", b""))

    def _await(self, connection: _Connection, correlation_id: int, step: Step) -> Outcome:
        if step.api == "Produce" and step.fields.get("acks", 0) == 0:
            # Whatever comes next is the answer to the question behind it, or the end.
            connection.correlation_id += 1
            try:
                connection.send(encode_request(API_BY_NAME["ApiVersions"], 0, connection.correlation_id, "", {}))
                answered = int.from_bytes(connection.receive()[:4], signed=True)
            except TimeoutError:
                return SILENT
            except ConnectionError:
                return CLOSED
            return NOTHING_DUE if answered == connection.correlation_id else Outcome(None, "acks=0 is answered")
        try:
            frame = connection.receive()
        except TimeoutError:
            return SILENT
        except ConnectionError:
            return CLOSED
        try:
            received, answer = decode_response(step.api, step.version, frame)
        except (MalformedFrame, ValueError, AssertionError) as error:
            return Outcome(None, f"an answer that cannot be decoded: {error}")
        if received != correlation_id:
            return Outcome(None, "an answer to another request")
        return Outcome(answer)

    def drop(self, name: str) -> None:
        """Close a connection, and have a new one made at its next use."""
        self._connections.pop(name).socket.close()

    # --- values that are this broker's own -----------------------------------------------------------------------

    def resolve(self, value: Value) -> Plain:
        """Make plain values of what a script says."""
        if isinstance(value, Reference):
            absent = _ABSENT.get(value.field, 0)
            return self.answers.get(value.label, {}).get(value.field, absent)
        if isinstance(value, Call):
            arguments = map(self.resolve, value.arguments)
            keywords = {name: self.resolve(item) for name, item in value.keywords.items()}
            return self._calls[value.name](*arguments, **keywords)
        if isinstance(value, Mapping):
            return {
                name: self._records(item) if name == "records" else self.resolve(item) for name, item in value.items()
            }
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        return value

    def _records(self, value: Value) -> Plain:
        return b"".join(map(self.resolve, value)) if isinstance(value, list) else self.resolve(value)

    def _remember(self, label: str, answer: dict[str, Plain]) -> None:
        member_id = answer.get("member_id")
        if member_id:
            self.member_ids.add(member_id)
        if not label:
            return
        self.answers[label] = answer
        if member_id:
            self.names_of_texts.setdefault(member_id, f"{label}.member_id")
        if answer.get("producer_id", -1) >= 0:
            self.names_of_producers.setdefault(answer["producer_id"], f"{label}.producer_id")

    def _old_topic_id(self, name: str) -> bytes:
        current = self.topic_ids.get(name)
        former = [
            topic_id
            for topic_id, known in self.names_of_ids.items()
            if known.rpartition("#")[0] == name and topic_id != current
        ]
        return (former[-1] if former else _STRANGER).bytes

    def _log_directory(self, topic: str, partition: int) -> int:
        """The number of the directory in which a partition's log lies, 0 if it is nowhere."""
        answer = self.ask("DescribeLogDirs", 4, topics=[{"topic": topic, "partitions": [partition]}])
        for result in answer["results"]:
            for found in result["topics"]:
                for log in found["partitions"]:
                    if not log["is_future_key"]:
                        return self.first_directory(found["name"], log["partition_index"], result["log_dir"])[1]
        return 0

    def first_directory(self, topic: str, partition: int, directory: str) -> tuple[int, int]:
        """Where a partition's log was when it was first looked for, and where it is now, by number."""
        now = self.peer.log_directories.index(directory)
        return self._first_directories.setdefault((topic, self._lives.get(topic, 0), partition), now), now

    def look_up_topics(self) -> None:
        """Learn which topics there are by now."""
        answer = self.ask("Metadata", 12, topics=None, allow_auto_topic_creation=False)
        self.topic_ids = {topic["name"]: topic["topic_id"] for topic in answer["topics"]}
        for name in sorted(self.topic_ids):
            if (topic_id := self.topic_ids[name]) not in self.names_of_ids:
                self._lives[name] = self._lives.get(name, 0) + 1
                self.names_of_ids[topic_id] = f"{name}#{self._lives[name]}"

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait with a deadline, asking again and again."""
        wait_until(condition, f"{self.peer.name}: {what}", pause_s=0.002)


def now_ms() -> int:
    """The time, as both sides are told it."""
    return time.time_ns() // 1_000_000
