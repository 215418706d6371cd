"""The connection alone: frames cut in every way, replies in order, pauses, spans, and bad clients."""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from broker.connection import Connection
from broker.frame_buffers import SCRATCH_BYTES, FrameBuffers
from broker.outbox import Outbox
from broker.rate_limited_log import RateLimitedLog
from broker.registry import Api
from broker.request_memory import RequestMemory
from broker.spinning import Spin
from broker.turns import Turns
from tests.support.manual_clock import ManualClock

PIPELINED_KEY, MUTING_KEY, URGENT_KEY = 100, 101, 102


class FakeRoute:
    """Answers with what the test's function makes of the request's bytes."""

    flexible_request = False
    flexible_response = False

    def __init__(self, key: int, handle: Callable[[Any, bytes], Any], repeated: Any) -> None:
        self.api = Api(
            key,
            "Echo",
            0,
            0,
            0,
            pipelined=key != MUTING_KEY,
            keeps_awake=key == URGENT_KEY,
            patient=key == MUTING_KEY,
        )
        self.handle = handle
        self.repeated = repeated

    @staticmethod
    def decode(frame: memoryview, position: int) -> tuple[bytes, int]:
        return bytes(frame[position:]), len(frame)

    @staticmethod
    def encode(reply: Any, parts: list[Any]) -> None:
        parts.append(reply)


class Harness:
    """One connection over a socket pair, and the requests that its handler saw."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sockets: tuple[socket.socket, socket.socket] | None = None
    ) -> None:
        self.seen: list[bytes] = []
        self.answer: Callable[[bytes], Any] = lambda body: body
        self.loop = loop
        self.buffers = FrameBuffers()
        self.msg_more = socket.MSG_MORE
        self.request_bytes_max = 4 * 1024 * 1024
        self.log = logging.getLogger("bad clients")
        self.clock = ManualClock()
        self.turns = Turns(loop, self.clock)
        self.spin: Any = Spin(loop, self.clock, allowed=False)
        self.is_crowded = False
        self.bad_clients = RateLimitedLog(self.log, self.clock)
        self.request_memory = RequestMemory(loop, -1, self.bad_clients)
        self.broker = SimpleNamespace(clock=self.clock)
        self.repeated: Any = None
        self.forgotten = False
        self.client, ours = sockets or socket.socketpair()
        ours.setblocking(False)
        self.client.setblocking(False)
        self.router = self
        listener: Any = SimpleNamespace(name="PLAINTEXT", protocol="PLAINTEXT")
        server: Any = self
        self.connection = Connection(server, ours, listener, ("127.0.0.1", 50000), ("127.0.0.1", 9092))

    def find(self, key: int, _version: int) -> FakeRoute | None:
        return FakeRoute(key, self._handle, self.repeated) if key in (PIPELINED_KEY, MUTING_KEY, URGENT_KEY) else None

    def _handle(self, _context: Any, body: bytes) -> Any:
        self.seen.append(body)
        return self.answer(body)

    def forget(self, _connection: Connection) -> None:
        self.forgotten = True

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.client, data)

    async def receive(self, size: int) -> bytes:
        data = b""
        async with asyncio.timeout(10):
            while len(data) < size:
                chunk = await self.loop.sock_recv(self.client, size - len(data))
                if not chunk:
                    break
                data += chunk
        return data

    async def reply(self) -> tuple[int, bytes]:
        (size,) = struct.unpack(">i", await self.receive(4))
        data = await self.receive(size)
        return struct.unpack_from(">i", data)[0], data[4:]


def frame(correlation_id: int, body: bytes, key: int = PIPELINED_KEY) -> bytes:
    payload = struct.pack(">hhih", key, 0, correlation_id, -1) + body
    return struct.pack(">i", len(payload)) + payload


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    made = Harness(asyncio.get_running_loop())
    yield made
    made.connection.close()
    made.client.close()


async def test_many_requests_in_one_read_are_answered_in_order(harness: Harness) -> None:
    await harness.send(b"".join(frame(i, b"x" * i) for i in range(200)))
    assert [await harness.reply() for _ in range(200)] == [(i, b"x" * i) for i in range(200)]


async def test_a_request_may_arrive_byte_by_byte(harness: Harness) -> None:
    for byte in frame(7, b"slowly"):
        await harness.send(bytes([byte]))
        await asyncio.sleep(0)
    assert await harness.reply() == (7, b"slowly")


async def test_a_deferred_connection_is_read_from_in_a_later_turn(harness: Harness) -> None:
    class Other:
        deferred = False
        spent_ms = 0.0
        patient = False

        def take_turn(self) -> None:
            raise AssertionError("it has had its turn")

        def let_go(self) -> None:
            raise AssertionError("it has no reply")

    harness.is_crowded = True
    assert harness.turns.admits(Other())
    harness.clock.advance(1_000)
    await harness.send(frame(7, b"late"))
    harness.connection._on_readable()
    assert harness.connection.deferred
    assert await harness.reply() == (7, b"late")
    assert not harness.connection.deferred


async def test_in_a_crowd_small_replies_leave_when_the_turn_ends(harness: Harness) -> None:
    harness.is_crowded = True
    await harness.send(frame(1, b"a") + frame(2, b"b"))
    harness.connection._on_readable()
    assert harness.seen == [b"a", b"b"]
    with pytest.raises(BlockingIOError):
        harness.client.recv(1)
    await asyncio.sleep(0)
    assert [await harness.reply() for _ in range(2)] == [(1, b"a"), (2, b"b")]


async def test_in_a_crowd_large_replies_leave_at_once(harness: Harness) -> None:
    harness.is_crowded = True
    await harness.send(frame(1, b"x" * 5_000))
    harness.connection._on_readable()
    assert harness.client.recv(1)


async def test_who_is_half_closed_in_a_crowd_gets_its_answer_and_is_forgotten(harness: Harness) -> None:
    harness.is_crowded = True
    await harness.send(frame(1, b"last"))
    harness.client.shutdown(socket.SHUT_WR)
    harness.connection._on_readable()
    harness.connection.finish()
    assert not harness.forgotten
    assert await harness.reply() == (1, b"last")
    assert await harness.receive(1) == b""
    assert harness.forgotten


async def test_who_is_closed_in_a_crowd_has_its_answer_by_then(harness: Harness) -> None:
    harness.is_crowded = True
    await harness.send(frame(1, b"last"))
    harness.connection._on_readable()
    harness.connection.close()
    assert await harness.reply() == (1, b"last")
    await asyncio.sleep(0)  # the turn ends


async def test_what_is_unsent_takes_turns_too(harness: Harness) -> None:
    harness.answer = lambda body: body * 1_000
    harness.is_crowded = True
    await harness.send(frame(7, b"x" * 10_000))
    async with asyncio.timeout(10):
        while not harness.connection._writing:
            await asyncio.sleep(0)
    harness.connection._on_writable()
    assert harness.connection.deferred
    assert await harness.reply() == (7, b"x" * 10_000_000)


async def test_a_deferred_connection_may_close_meanwhile(harness: Harness) -> None:
    await harness.send(frame(7, b"never"))
    harness.turns.defer(harness.connection, 0.0)
    harness.connection.close()
    for _ in range(5):
        await asyncio.sleep(0)
    assert harness.seen == []


async def test_a_wake_up_without_data_loses_nothing(harness: Harness) -> None:
    request = frame(7, b"in two parts")
    await harness.send(request[:9])
    for _ in range(5):
        await asyncio.sleep(0)
    harness.connection._on_readable()
    await harness.send(request[9:])
    assert await harness.reply() == (7, b"in two parts")


@pytest.mark.parametrize(
    "size",
    [SCRATCH_BYTES // 4, SCRATCH_BYTES - 20, SCRATCH_BYTES, SCRATCH_BYTES + 100, SCRATCH_BYTES * 5 // 4, 2_000_000],
)
async def test_frames_of_every_size_around_the_scratch_buffer(harness: Harness, size: int) -> None:
    harness.answer = lambda body: struct.pack(">i", len(body))
    bodies = [os.urandom(size), b"small", os.urandom(size), b""]
    sending = asyncio.create_task(harness.send(b"".join(frame(i, body) for i, body in enumerate(bodies))))
    for i, body in enumerate(bodies):
        assert await harness.reply() == (i, struct.pack(">i", len(body)))
    await sending
    assert harness.seen == bodies


async def test_pipelined_replies_wait_for_the_ones_before_them(harness: Harness) -> None:
    futures: dict[bytes, asyncio.Future[bytes]] = {}

    def answer(body: bytes) -> Any:
        if body.startswith(b"later"):
            return futures.setdefault(body, harness.loop.create_future())
        return body

    harness.answer = answer
    await harness.send(frame(1, b"later 1") + frame(2, b"now") + frame(3, b"later 2") + frame(4, b"now"))
    async with asyncio.timeout(10):
        while len(harness.seen) < 4:
            await asyncio.sleep(0)
    futures[b"later 2"].set_result(b"second")
    await asyncio.sleep(0)
    futures[b"later 1"].set_result(b"first")
    assert [await harness.reply() for _ in range(4)] == [(1, b"first"), (2, b"now"), (3, b"second"), (4, b"now")]


class FakeRepeated:
    """Answers requests that begin with "again", but for "again nothing", and "again later" with a future."""

    later: asyncio.Future[bytes]

    @classmethod
    def after(cls, *_request: Any) -> FakeRepeated:
        return cls()

    @classmethod
    def answer(cls, request: memoryview) -> bytes | asyncio.Future[bytes] | None:
        body = bytes(request[10:])
        if not body.startswith(b"again"):
            return None
        if body == b"again later":
            return cls.later
        return b"" if body == b"again nothing" else struct.pack(">i", 4 + len(body)) + request[4:8] + body


async def test_a_repeated_request_is_no_more_patient_than_its_api(harness: Harness) -> None:
    harness.repeated = FakeRepeated
    assert harness.connection.patient, "it has asked for nothing yet"
    for number, (key, body, patient) in enumerate(
        (
            (PIPELINED_KEY, b"first", False),
            (MUTING_KEY, b"of a group", True),
            (PIPELINED_KEY, b"again", False),
        )
    ):
        await harness.send(frame(number, body, key))
        assert await harness.reply() == (number, body)
        assert harness.connection.patient == patient
    assert harness.seen == [b"first", b"of a group"], "the last one has taken the short way"


async def test_a_reply_that_cannot_be_encoded_at_the_end_leaves_no_socket_open(
    harness: Harness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: asyncio.Future[bytes] = harness.loop.create_future()
    second: asyncio.Future[bytes] = harness.loop.create_future()
    harness.answer = lambda body: first if body == b"first" else second
    await harness.send(frame(0, b"first") + frame(1, b"second"))
    async with asyncio.timeout(10):
        while len(harness.seen) < 2:
            await asyncio.sleep(0)

    def broken(reply: Any, parts: list[Any]) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(FakeRoute, "encode", staticmethod(broken))
    second.set_result(b"ready")
    harness.connection.close()
    assert first.cancelled()
    assert harness.forgotten
    assert await harness.receive(1) == b"", "the socket is closed"
    assert "cannot be encoded" in caplog.text


async def test_an_error_at_the_end_leaves_no_socket_open(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_outbox: Any) -> bool:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(Outbox, "send", broken)
    with pytest.raises(ValueError, match="mistake"):
        harness.connection.close()
    assert harness.forgotten
    assert await harness.receive(1) == b""


async def test_the_answers_of_a_short_way_wait_for_the_ones_before_them(harness: Harness) -> None:
    harness.repeated = FakeRepeated
    future: asyncio.Future[bytes] = harness.loop.create_future()
    harness.answer = lambda body: future if body == b"later" else body
    bodies = [b"first", b"again 1", b"later", b"again 2", b"again nothing", b"last", b"again 3"]
    await harness.send(b"".join(frame(number, body) for number, body in enumerate(bodies)))
    assert [await harness.reply() for _ in range(2)] == [(0, b"first"), (1, b"again 1")]
    assert harness.seen == [b"first", b"later", b"last"]
    future.set_result(b"late")
    assert [await harness.reply() for _ in range(4)] == [(2, b"late"), (3, b"again 2"), (5, b"last"), (6, b"again 3")]


@pytest.mark.parametrize("key", [PIPELINED_KEY, MUTING_KEY])
async def test_the_short_way_may_lead_to_an_answer_that_is_outstanding(harness: Harness, key: int) -> None:
    harness.repeated = FakeRepeated
    FakeRepeated.later = harness.loop.create_future()
    bodies = [b"first", b"again later", b"other"]
    await harness.send(b"".join(frame(number, body, key) for number, body in enumerate(bodies)))
    assert await harness.reply() == (0, b"first")
    assert harness.seen == ([b"first"] if key == MUTING_KEY else [b"first", b"other"])
    FakeRepeated.later.set_result(b"late")
    assert [await harness.reply() for _ in range(2)] == [(1, b"late"), (2, b"other")]


async def test_the_answer_of_a_short_way_is_cancelled_when_the_connection_closes(harness: Harness) -> None:
    harness.repeated = FakeRepeated
    FakeRepeated.later = harness.loop.create_future()
    await harness.send(frame(0, b"first") + frame(1, b"again later"))
    await harness.reply()
    harness.connection.close()
    assert FakeRepeated.later.cancelled()


async def test_it_stays_awake_only_behind_requests_that_are_worth_it(harness: Harness) -> None:
    awake_behind: list[bytes] = []
    sent: list[bytes] = []
    harness.spin = SimpleNamespace(before_read=lambda: None, after_small=lambda: awake_behind.append(sent[-1]))
    harness.repeated = FakeRepeated
    for key, body in [
        (URGENT_KEY, b"data"),
        (PIPELINED_KEY, b"other"),
        (URGENT_KEY, b"again the data"),
        (PIPELINED_KEY, b"another"),
    ]:
        sent.append(body)
        await harness.send(frame(1, body, key))
        await harness.reply()
    assert awake_behind == [b"data", b"again the data"]


async def test_a_request_that_waits_mutes_its_connection(harness: Harness) -> None:
    future: asyncio.Future[bytes] = harness.loop.create_future()
    harness.answer = lambda body: future if body == b"park" else body
    await harness.send(frame(1, b"park", MUTING_KEY) + frame(2, b"behind"))
    await harness.send(frame(3, b"later"))
    async with asyncio.timeout(10):
        while not harness.seen:
            await asyncio.sleep(0)
    assert harness.seen == [b"park"]
    future.set_result(b"done")
    assert [await harness.reply() for _ in range(3)] == [(1, b"done"), (2, b"behind"), (3, b"later")]


async def test_a_large_backlog_behind_a_pause_is_kept_and_handled(harness: Harness) -> None:
    future: asyncio.Future[bytes] = harness.loop.create_future()
    harness.answer = lambda body: future if body == b"park" else struct.pack(">i", len(body))
    bodies = [os.urandom(10_000) for _ in range(100)]
    everything = frame(0, b"park", MUTING_KEY) + b"".join(frame(i + 1, body) for i, body in enumerate(bodies))
    sending = asyncio.create_task(harness.send(everything))
    async with asyncio.timeout(10):
        while not harness.seen:
            await asyncio.sleep(0)
    future.set_result(b"done")
    assert await harness.reply() == (0, b"done")
    for i in range(100):
        assert await harness.reply() == (i + 1, struct.pack(">i", 10_000))
    await sending
    assert harness.seen[1:] == bodies


async def test_pauses_are_counted(harness: Harness) -> None:
    harness.connection.pause("quota")
    harness.connection.pause("quota")
    harness.connection.pause("disk")
    await harness.send(frame(1, b"hello"))
    harness.connection.resume("quota")
    harness.connection.resume("disk")
    for _ in range(20):
        await asyncio.sleep(0)
    assert harness.seen == []
    harness.connection.resume("quota")
    assert await harness.reply() == (1, b"hello")


async def test_a_half_closed_client_gets_its_answers(harness: Harness) -> None:
    future: asyncio.Future[bytes] = harness.loop.create_future()
    harness.answer = lambda body: future if body == b"park" else body
    await harness.send(frame(1, b"park") + frame(2, b"b"))
    harness.client.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(10):
        while len(harness.seen) < 2:
            await asyncio.sleep(0)
    future.set_result(b"done")
    assert [await harness.reply() for _ in range(2)] == [(1, b"done"), (2, b"b")]
    assert await harness.receive(1) == b""
    assert harness.forgotten


async def test_a_closed_connection_cancels_what_waits(harness: Harness) -> None:
    future: asyncio.Future[bytes] = harness.loop.create_future()
    harness.answer = lambda _: future
    await harness.send(frame(1, b"park", MUTING_KEY))
    async with asyncio.timeout(10):
        while not harness.seen:
            await asyncio.sleep(0)
    harness.connection.close()
    assert future.cancelled()


async def test_a_reader_that_stalls_stops_being_read(harness: Harness) -> None:
    harness.answer = lambda body: body * 100
    requests = 50
    sending = asyncio.create_task(harness.send(frame(1, b"x" * 10_000) * requests))
    async with asyncio.timeout(10):
        while not harness.connection._pauses["unsent"]:
            await asyncio.sleep(0)
    handled = len(harness.seen)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(harness.seen) == handled < requests
    for _ in range(requests):
        assert await harness.reply() == (1, b"x" * 1_000_000)
    await sending
    assert len(harness.seen) == requests


async def test_small_requests_for_large_replies_let_others_have_their_turn(harness: Harness) -> None:
    harness.answer = lambda _: b"x" * 20_000
    await harness.send(b"".join(frame(i, b"") for i in range(1_000)))
    seen_at_turns = [0]
    receiving = asyncio.create_task(harness.receive(1_000 * 20_008))
    while not receiving.done():
        await asyncio.sleep(0)
        seen_at_turns.append(len(harness.seen))
    assert len(harness.seen) == 1_000
    assert max(after - before for before, after in itertools.pairwise(seen_at_turns)) < 10


async def test_requests_that_take_long_let_others_have_their_turn(harness: Harness) -> None:
    def answer_after_a_millisecond(body: bytes) -> bytes:
        harness.clock.advance(1)
        return body

    harness.answer = answer_after_a_millisecond
    await harness.send(b"".join(frame(i, b"x") for i in range(200)))
    seen_at_turns = [0]
    receiving = asyncio.create_task(harness.receive(200 * 9))
    while not receiving.done():
        await asyncio.sleep(0)
        seen_at_turns.append(len(harness.seen))
    assert len(harness.seen) == 200
    assert max(after - before for before, after in itertools.pairwise(seen_at_turns)) < 10


async def test_small_requests_for_large_replies_are_handled_as_fast_as_the_client_reads(harness: Harness) -> None:
    harness.answer = lambda _: b"x" * 1_000_000
    await harness.send(b"".join(frame(i, b"") for i in range(100)))
    async with asyncio.timeout(10):
        while not harness.seen:
            await asyncio.sleep(0)
    assert len(harness.seen) < 10
    for i in range(100):
        assert await harness.reply() == (i, b"x" * 1_000_000)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">i", -1),
        struct.pack(">i", 2**31 - 1),
        struct.pack(">i", 0),
        struct.pack(">i", 3) + b"abc",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        frame(1, b"unknown key", key=9),
    ],
)
async def test_nonsense_closes_the_connection_and_says_who_and_why(
    harness: Harness, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await harness.send(frame(5, b"before") + data)
    assert await harness.reply() == (5, b"before")
    assert await harness.receive(1) == b""
    assert harness.forgotten
    assert "127.0.0.1" in caplog.text


async def test_an_internal_error_closes_its_connection_only(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: bytes) -> bytes:
        raise ZeroDivisionError("our bug")

    harness.answer = fail
    await harness.send(frame(1, b""))
    assert await harness.receive(1) == b""
    assert "our bug" in caplog.text


async def test_a_late_reply_that_cannot_be_encoded_closes_the_connection(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    future: asyncio.Future[object] = harness.loop.create_future()
    harness.answer = lambda _: future
    await harness.send(frame(1, b"park", MUTING_KEY))
    async with asyncio.timeout(10):
        while not harness.seen:
            await asyncio.sleep(0)
    future.set_result(object())
    assert await harness.receive(1) == b""
    assert harness.forgotten
    assert "Traceback" in caplog.text


async def test_spans_leave_between_bytes_and_are_unpinned(harness: Harness, tmp_path: Path) -> None:
    from storage.file_span import FileSpan

    class RecordingSpan(FileSpan):
        released = 0

        def __init__(self, content: bytes) -> None:
            self.content = content

        def __len__(self) -> int:
            return len(self.content)

        def send(self, sock_fd: int, position: int, count: int) -> int:
            return os.write(sock_fd, self.content[position : position + count])

        def is_cached(self, position: int, count: int, *, thorough: bool) -> bool:
            return True

        def read_cached(self) -> bytes:
            return self.content

        def release(self) -> None:
            RecordingSpan.released += 1

    contents = {b"a": os.urandom(3_000_000), b"b": os.urandom(5), b"c": b""}
    harness.answer = lambda body: RecordingSpan(contents[body])
    await harness.send(frame(1, b"a") + frame(2, b"b") + frame(3, b"c"))
    for i, body in enumerate(contents):
        assert await harness.reply() == (i + 1, contents[body])
    assert RecordingSpan.released == 3
    await harness.send(frame(4, b"a"))
    async with asyncio.timeout(10):
        while len(harness.seen) < 4:
            await asyncio.sleep(0)
    harness.connection.close()
    assert RecordingSpan.released == 4


def connected() -> tuple[socket.socket, socket.socket]:
    """Both ends of a TCP connection: no other kind can be reset."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        return client, listening.accept()[0]


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("size", [10_000, 200_000], ids=["in the scratch buffer", "in one of its own"])
def test_a_client_that_resets_its_connection_within_a_request(size: int) -> None:
    """uvloop tells of a reset once; what it calls then finds the beginning of the request."""

    async def scenario() -> None:
        harness = Harness(asyncio.get_running_loop(), connected())
        assert harness.client.send(frame(7, bytes(size))[:5_000]) == 5_000
        reset(harness.client)
        async with asyncio.timeout(10):
            while not harness.forgotten:
                await asyncio.sleep(0)
        assert harness.request_memory.granted_bytes == 0

    uvloop.run(scenario())


def test_a_client_that_resets_its_connection_behind_a_request_without_a_reply() -> None:
    """There the sweep over idle connections finds it."""

    async def scenario() -> None:
        harness = Harness(asyncio.get_running_loop(), connected())
        harness.answer = lambda body: None
        harness.client.send(frame(7, b"unanswered"))
        reset(harness.client)
        async with asyncio.timeout(10):
            while not harness.seen:
                await asyncio.sleep(0)
        harness.connection.close_if_reset()
        assert harness.forgotten
        harness.connection.close_if_reset()

    uvloop.run(scenario())


async def test_a_connection_that_waits_for_memory_may_close(harness: Harness) -> None:
    memory = harness.request_memory = RequestMemory(harness.loop, 1, harness.bad_clients)
    assert memory.grant(1)
    await harness.send(frame(7, b"never")[:9])
    async with asyncio.timeout(10):
        while not memory._waiting:
            await asyncio.sleep(0)
    harness.connection.close()
    assert not memory._waiting


async def test_what_will_not_arrive_any_more_keeps_no_memory(harness: Harness) -> None:
    future: asyncio.Future[bytes] = harness.loop.create_future()
    harness.answer = lambda body: future
    await harness.send(frame(7, b"later") + frame(8, bytes(1_000_000))[:100])
    harness.client.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(10):
        while not harness.connection._finishing:
            await asyncio.sleep(0)
    assert harness.request_memory.granted_bytes == 0
    future.set_result(b"late")
    assert await harness.reply() == (7, b"late")
    assert await harness.receive(1) == b""


async def test_without_memory_for_a_large_request_its_connection_closes(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed as well if it asks for that behind requests that had to wait for their turn."""

    def take(size_bytes: int) -> memoryview:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(harness.buffers, "take", take)
    harness.answer = lambda body: body * 2
    await harness.send(frame(1, bytes(50_000)) + frame(2, b"") + frame(3, bytes(1_000_000))[:100])
    async with asyncio.timeout(10):
        while not harness.forgotten:
            await harness.receive(1)
    assert harness.seen == [bytes(50_000), b""]
    assert harness.request_memory.granted_bytes == 0


async def test_bad_clients_of_different_kinds_are_all_told_of(caplog: pytest.LogCaptureFixture) -> None:
    bad_clients: RateLimitedLog | None = None
    for sent in (frame(1, b"", key=24), frame(1, b"", key=68), frame(1, b"", key=24), b"\x16\x03\x01\x02\x00\x01"):
        harness = Harness(asyncio.get_running_loop())
        bad_clients = harness.bad_clients = bad_clients or harness.bad_clients
        await harness.send(sent)
        assert await harness.receive(1) == b""
        harness.client.close()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    for line, words in zip(told, ("24 (AddPartitionsToTxn)", "68 (ConsumerGroupHeartbeat)", "like TLS"), strict=True):
        assert line.startswith("Closing the connection of 127.0.0.1:50000: ")
        assert words in line
