"""The short way of Produce answers and stores what the decoder and the handler of all requests do, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import gc
import logging
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.connection import Connection
from broker.frame_buffers import FrameBuffers
from broker.rate_limited_log import RateLimitedLog
from broker.registry import Route, Router
from broker.request_memory import RequestMemory
from broker.security.acl import AclOperation, ResourceType
from broker.spinning import Spin
from broker.turns import Turns
from protocol.codec import encoder
from protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from protocol.schema import ZERO_UUID
from storage.filesystem import Filesystem
from tests.support.hosted_topics import NODE_ID, OTHER_NODE_ID, HostedTopics, batch

TOPICS = ("a", "a-longer-name", "stamped", "__internal", "missing")
ZSTD, STAMPED, TRANSACTIONAL, CONTROL = 0x04, 0x08, 0x10, 0x20


class BadDisk(Filesystem):
    """Writes nothing while it is full, and fails for good after so many writes."""

    full = False
    writes_left = 1 << 60

    def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not self.writes_left:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.writes_left -= 1
        return super().pwrite(fd, data, position)


class FakeSocket:
    """Gives the connection what the client has sent, and keeps what it is answered."""

    def __init__(self) -> None:
        self.incoming = b""
        self.sent = b""

    def recv_into(self, buffer: memoryview) -> int:
        size_bytes = len(self.incoming)
        buffer[:size_bytes] = self.incoming
        return size_bytes

    def send(self, data: bytes, _flags: int = 0) -> int:
        self.sent += data
        return len(data)

    def close(self) -> None:
        return


class LongWay(Router):
    """Has every request decoded and handled as if none had been before."""

    def find(self, api_key: int, version: int) -> Route | None:
        route = super().find(api_key, version)
        if route is not None:
            route.repeated = None
        return route


class Side:
    """A broker with one connection, which is opened again when it was closed."""

    def __init__(self, directory: Path, router: Router) -> None:
        self.filesystem = BadDisk()
        self.broker = HostedTopics(directory, filesystem=self.filesystem)
        self.directory = directory
        loop: Any = SimpleNamespace(add_reader=lambda *_: None, remove_reader=lambda *_: None)
        bad_clients = RateLimitedLog(logging.getLogger("bad clients"), self.broker.clock)
        self.server: Any = SimpleNamespace(
            broker=self.broker,
            loop=loop,
            router=router,
            buffers=FrameBuffers(),
            msg_more=0,
            request_bytes_max=1 << 20,
            bad_clients=bad_clients,
            request_memory=RequestMemory(loop, -1, bad_clients),
            turns=Turns(loop, self.broker.clock),
            spin=Spin(loop, self.broker.clock, allowed=False),
            is_crowded=False,
            forget=lambda _connection: None,
        )
        self.connect()

    def connect(self) -> None:
        listener: Any = SimpleNamespace(name="PLAINTEXT", protocol="PLAINTEXT")
        self.socket: Any = FakeSocket()
        self.connection = Connection(self.server, self.socket, listener, ("127.0.0.1", 50000), ("127.0.0.1", 9092))

    def send(self, frames: bytes) -> tuple[bytes, bool]:
        """Return what comes back, and whether the connection was closed."""
        self.socket.incoming = frames
        self.connection.read()
        answer, self.socket.sent = self.socket.sent, b""
        closed = self.connection.closed
        if closed:
            self.connect()
        return answer, closed

    def logs(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.directory)): path.read_bytes() for path in self.directory.glob("*-[0-9]/*.log")
        }


@contextlib.contextmanager
def both_ways() -> Iterator[tuple[Side, Side]]:
    with (
        tempfile.TemporaryDirectory() as short,
        tempfile.TemporaryDirectory() as long,
        mock.patch("broker.connection.logger.exception", side_effect=AssertionError("an internal error")),
    ):
        sides = Side(Path(short), Router()), Side(Path(long), LongWay())
        try:
            yield sides
        finally:
            for side in sides:
                side.connection.close()
                side.broker.close()


async def make_topics(broker: HostedTopics) -> None:
    await broker.create("a", 3)
    await broker.create("a-longer-name", 3, leaders=(NODE_ID, OTHER_NODE_ID))
    await broker.create("stamped", 3, configs={"message.timestamp.type": "LogAppendTime"})
    await broker.create("__internal", 3)


@dataclasses.dataclass(frozen=True)
class Kind:
    """What requests have in common that a producer sends."""

    version: int
    client_id: str | None
    acks: int
    transactional_id: str | None
    topic: str


def records(kind: str, size: int, timestamp: int) -> bytes:
    """One batch, or what stands in its place."""
    values = [b"x" * size]
    attributes = {"zstd": ZSTD, "stamped": STAMPED, "transactional": TRANSACTIONAL, "control": CONTROL, "codec": 7}
    if kind == "idempotent":
        return bytes(batch(*values, timestamp=timestamp, producer_id=7, producer_epoch=0, base_sequence=size))
    made = batch(*values, timestamp=timestamp, attributes=attributes.get(kind, 0))
    if kind == "corrupt":
        made[-1] ^= 1
    elif kind == "old":
        made[16] = 1
    elif kind == "twice":
        made *= 2
    elif kind == "short":
        del made[40:]
    elif kind == "empty":
        made.clear()
    return bytes(made)


RECORDS = (
    *["good"] * 8,
    *(
        "zstd",
        "stamped",
        "transactional",
        "control",
        "codec",
        "idempotent",
        "corrupt",
        "old",
        "twice",
        "short",
        "empty",
    ),
)


def frame(kind: Kind, partitions: list[tuple[int, bytes | None]], correlation_id: int, topic_id: bytes) -> bytes:
    """A request without its length."""
    data = [PartitionProduceData(index=index, records=each) for index, each in partitions]
    topic = TopicProduceData(name=kind.topic, topic_id=topic_id, partition_data=data)
    return request_frame(kind, [topic], correlation_id)


def request_frame(kind: Kind, topics: list[TopicProduceData], correlation_id: int) -> bytes:
    version = kind.version
    request = ProduceRequest(transactional_id=kind.transactional_id, acks=kind.acks, timeout_ms=1000, topic_data=topics)
    parts: list[Any] = []
    encoder(ProduceRequest, version)(request, parts)
    client_id = None if kind.client_id is None else kind.client_id.encode()
    header = struct.pack(">hhih", 0, version, correlation_id, -1 if client_id is None else len(client_id))
    tags = b"\0" if ProduceRequest.has_flexible_header(version) else b""
    return header + (client_id or b"") + tags + b"".join(parts)


def framed(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


VERSIONS = st.one_of(st.integers(3, 13), st.integers(7, 13))
KINDS = st.builds(
    Kind,
    version=VERSIONS,
    client_id=st.sampled_from(["p", "a-producer", None, "__admin_client", ""]),
    acks=st.sampled_from([1, 1, 1, 1, -1, -1, 0, 2]),
    transactional_id=st.sampled_from([*[None] * 5, "t"]),
    topic=st.sampled_from([*["a"] * 3, *TOPICS]),
)
# Those of a pair mostly have nothing in common, but some differ in their version alone.
PAIRS = KINDS.flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.one_of(KINDS, VERSIONS.map(lambda version: dataclasses.replace(kind, version=version)))
    )
)
BATCHES = st.tuples(st.sampled_from(RECORDS), st.sampled_from([0, 1, 30, 40, 100, 5000]))
INDEXES = st.one_of(
    st.lists(st.sampled_from([-1, 0, 0, 0, 1, 1, 2, 3]), max_size=3),
    st.permutations(range(3)).flatmap(lambda some: st.integers(1, 3).map(lambda count: some[:count])),
)
PARTITIONS = INDEXES.flatmap(
    lambda indexes: st.tuples(*[BATCHES.map(lambda batch, index=index: (index, *batch)) for index in indexes]).map(list)
)
MANGLING = st.sampled_from([*["none"] * 10, "tagged", "one byte more", "one byte less"])
CHANGES = ("made again", "moved", "denied", "allowed", "no replicas", "full", "not full")
RUNS = st.integers(0, 1).flatmap(
    lambda number: st.lists(st.tuples(st.just(number), PARTITIONS, st.just("none")), min_size=2, max_size=5)
)
ACTIONS = st.one_of(
    RUNS,
    RUNS,
    st.lists(st.tuples(st.integers(0, 1), PARTITIONS, MANGLING), min_size=1, max_size=4),
    st.tuples(st.sampled_from(CHANGES), st.sampled_from(TOPICS[:3])),
)
"""Requests that arrive together, of which some begin the same; or a change that comes in between."""


async def change(side: Side, what: str, name: str) -> None:
    broker = side.broker
    topic = broker.images.current.topics[name]
    if what == "made again":
        await broker.delete(topic)
        await broker.create(name, len(topic.partitions), topic.configs)
    elif what == "moved":
        away = topic.partitions[0]._replace(leader=OTHER_NODE_ID)
        await broker.replace(topic, partitions=(away, *topic.partitions[1:]))
    elif what == "denied":
        broker.authorizer.denied.add((AclOperation.WRITE, ResourceType.TOPIC, name))
    elif what == "allowed":
        broker.authorizer.denied.clear()
    elif what == "no replicas":
        for partition in broker.partitions.led():
            partition.in_sync_missing = 1 - partition.in_sync_missing
    else:
        side.filesystem.full = what == "full"


async def play(kinds: tuple[Kind, Kind], actions: list[Any]) -> None:
    correlation_id = 0
    with both_ways() as sides:
        for side in sides:
            await make_topics(side.broker)
        for action in actions:
            if isinstance(action, tuple):
                for side in sides:
                    await change(side, *action)
                continue
            frames = b""
            for number, partitions, mangling in action:
                kind = kinds[number]
                image = sides[0].broker.images.current
                topic_id = image.topics[kind.topic].topic_id if kind.topic in image.topics else ZERO_UUID
                now_ms = sides[0].broker.clock.now_ms()
                made = [(index, records(what, size, now_ms)) for index, what, size in partitions]
                correlation_id += 1
                data = frame(kind, made, correlation_id, topic_id)
                if mangling == "tagged" and kind.version >= 9:
                    data = data[:-1] + b"\1\5\2xx"
                elif mangling == "one byte more":
                    data += b"\0"
                elif mangling == "one byte less":
                    data = data[:-1]
                frames += framed(data)
            short, long = [side.send(frames) for side in sides]
            assert short == long
            for side in sides:
                side.broker.clock.advance(1)
        assert sides[0].logs() == sides[1].logs()


@settings(max_examples=100, deadline=None)
@given(kinds=PAIRS, actions=st.lists(ACTIONS, min_size=3, max_size=12))
def test_both_ways_answer_and_store_the_same(kinds: tuple[Kind, Kind], actions: list[Any]) -> None:
    asyncio.run(play(kinds, actions))


@pytest.mark.parametrize("version", range(7, 14))
@pytest.mark.parametrize("acks", [-1, 0, 1])
async def test_requests_that_begin_the_same_are_not_decoded_again(version: int, acks: int) -> None:
    kind = Kind(version, "p", acks, None, "a")

    def decode(_frame: memoryview, _position: int) -> Any:
        raise AssertionError("it was decoded")

    with both_ways() as (side, _):
        await make_topics(side.broker)
        topic_id = side.broker.images.current.topics["a"].topic_id
        made = [records("good", size, side.broker.clock.now_ms()) for size in (0, 10, 1000)]
        side.send(framed(frame(kind, [(0, made[0])], 1, topic_id)))
        route = side.server.router.find(0, version)
        route.decode = decode
        for indexes in ([0], [1], [2], [0, 1], [2, 1, 0], [1, 2]):
            partitions = [[(index, each) for index in indexes] for each in made]
            _, closed = side.send(b"".join(framed(frame(kind, each, 2, topic_id)) for each in partitions))
            assert not closed
        ends = [side.broker.partition("a", index).high_watermark for index in range(3)]
        assert ends == [3 * len(made) + 1, 4 * len(made), 3 * len(made)]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("version", [7, 8, 9, 13])
async def test_damaged_frames_are_answered_alike(version: int, count: int) -> None:
    """A frame that ends too soon or too late, one with a wrong byte outside the records, or with tagged fields."""
    kind = Kind(version, "p", 1, None, "a")
    with both_ways() as sides:
        for side in sides:
            await make_topics(side.broker)
        topic_id = sides[0].broker.images.current.topics["a"].topic_id
        made = records("good", 100, sides[0].broker.clock.now_ms())
        good = frame(kind, [(index, made) for index in range(count)], 1, topic_id)
        pieces = good.split(made)
        damaged = [good[:end] for end in range(len(good))] + [good + b"\0" * more for more in (1, 3, 9)]
        for number, piece in enumerate(pieces):
            others = pieces[:number], pieces[number + 1 :]
            changed = [
                piece[:position] + bytes((value,)) + piece[position + 1 :]
                for position in range(8 if number == 0 else 0, len(piece))
                for value in (0, 1, piece[position] ^ 1, piece[position] + 1 & 0xFF, 0x7F, 0xFF)
            ]
            if number and version >= 9:
                changed.append(b"\1\5\2xx" + piece[1:])
            damaged += [made.join((*others[0], each, *others[1])) for each in changed]
        for each in damaged:
            short, long = [side.send(framed(good) + framed(each)) for side in sides]
            assert short == long
        assert sides[0].logs() == sides[1].logs()


@pytest.mark.parametrize("version", [7, 9, 13])
async def test_requests_for_no_topic_and_for_two_have_no_short_way(version: int) -> None:
    with both_ways() as sides:
        for side in sides:
            await make_topics(side.broker)
        topics = sides[0].broker.images.current.topics
        made = records("good", 1, sides[0].broker.clock.now_ms())
        data = [
            TopicProduceData(
                name=name,
                topic_id=topics[name].topic_id,
                partition_data=[PartitionProduceData(index=2, records=made)],
            )
            for name in ("a", "a-longer-name")
        ]
        for count in (0, 0, 2, 2, 1, 1, 2, 0, 1):
            request = request_frame(Kind(version, "p", 1, None, "a"), data[:count], 1)
            short, long = [side.send(framed(request)) for side in sides]
            assert short == long
        assert sides[0].logs() == sides[1].logs()


async def test_a_producer_that_must_not_write_any_more() -> None:
    produced = [(0, [(0, "good", 1), (1, "good", 1)], "none")] * 2
    await play((Kind(9, "p", 1, None, "a"),) * 2, [produced, ("denied", "a"), produced, ("allowed", "a"), produced])


@pytest.mark.parametrize("version", range(7, 14))
@pytest.mark.parametrize("acks", [-1, 0, 1])
async def test_a_disk_that_fails_between_two_partitions(version: int, acks: int) -> None:
    kind = Kind(version, "p", acks, None, "a")
    with both_ways() as sides:
        for side in sides:
            await make_topics(side.broker)
        topic_id = sides[0].broker.images.current.topics["a"].topic_id
        made = records("good", 1, sides[0].broker.clock.now_ms())
        data = framed(frame(kind, [(index, made) for index in (1, 0, 2)], 1, topic_id))
        for side in sides:
            side.send(data)
            side.filesystem.writes_left = 1
        short, long = [side.send(data) for side in sides]
        assert short == long
        assert short[1] == (acks == 0)
        await asyncio.sleep(0)
        assert sides[0].logs() == sides[1].logs()


async def test_a_producer_of_two_topics_finds_the_short_way_to_one_of_them() -> None:
    kinds = [Kind(9, "p", 1, None, topic) for topic in ("a", "a-longer-name")]
    with both_ways() as (side, _):
        await make_topics(side.broker)
        now_ms = side.broker.clock.now_ms()
        for number in range(100):
            side.send(framed(frame(kinds[number % 2], [(0, records("good", 1, now_ms))], number, ZERO_UUID)))
        assert side.broker.partition("a").high_watermark == side.broker.partition("a-longer-name").high_watermark == 50


async def test_the_same_bytes_in_another_version_are_another_request() -> None:
    actions = [
        [(0, [(0, "good", 1)], "none")] * 2,
        [(1, [(0, "good", 1)], "none")] * 2,
        [(0, [(1, "good", 1)], "none")],
    ]
    await play((Kind(7, "p", 1, None, "a"), Kind(8, "p", 1, None, "a")), actions)


async def test_a_closed_connection_leaves_no_cycle_behind() -> None:
    kind = Kind(9, "p", 1, None, "a")
    with both_ways() as (side, _):
        await make_topics(side.broker)
        for _ in range(3):
            side.send(framed(frame(kind, [(0, records("good", 1, side.broker.clock.now_ms()))], 1, ZERO_UUID)))
        closed = id(side.connection)
        gc.disable()
        try:
            side.connection.close()
            side.connection = None  # type: ignore[assignment]  # until it is opened again
            assert not any(id(each) == closed for each in gc.get_objects() if isinstance(each, Connection))
        finally:
            gc.enable()
            side.connect()
