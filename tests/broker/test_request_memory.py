"""queued.max.request.bytes: requests that are arriving have memory granted, the others wait and lose nothing."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.broker import Broker
from broker.frame_buffers import SCRATCH_BYTES
from broker.rate_limited_log import RateLimitedLog
from broker.request_memory import RequestMemory
from tests.support.manual_clock import ManualClock
from tests.support.running_broker import running
from tests.support.wait import wait_until
from tests.support.wire import WireClient, encode_request

MAX_BYTES = 4 * 1024 * 1024
LARGE = {"socket.request.max.bytes": str(MAX_BYTES), "queued.max.request.bytes": str(MAX_BYTES)}


class Loop:
    def __init__(self) -> None:
        self._soon: list[Callable[[], Any]] = []

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self._soon.append(callback)

    def run(self) -> None:
        while self._soon:
            self._soon.pop(0)()


class Waiter:
    """Takes memory as soon as it is read from."""

    def __init__(self, memory: RequestMemory, size_bytes: int) -> None:
        self.pauses = 0
        self.has_grant = False
        self._memory = memory
        self._size_bytes = size_bytes

    def pause(self, reason: str) -> None:
        self.pauses += 1

    def resume(self, reason: str) -> None:
        self.pauses -= 1

    def read(self) -> None:
        self.has_grant = self._memory.grant(self._size_bytes)


def made(bytes_max: int) -> tuple[RequestMemory, Loop]:
    loop = Loop()
    log = RateLimitedLog(logging.getLogger("clients"), ManualClock())
    return RequestMemory(loop, bytes_max, log), loop  # type: ignore[arg-type]


def test_a_grant_may_be_larger_than_what_is_left_and_nothing_is_granted_after_that() -> None:
    memory, _ = made(100)
    assert memory.grant(99)
    assert memory.grant(100)
    assert memory.is_used_up
    assert not memory.grant(1)
    memory.give_back(99)
    assert memory.is_used_up
    memory.give_back(100)
    assert not memory.is_used_up
    assert memory.granted_bytes == 0


def test_without_a_limit_all_is_granted() -> None:
    for no_limit in (-1, 0):
        memory, _ = made(no_limit)
        assert all(memory.grant(1 << 40) for _ in range(100))


def test_those_who_wait_go_on_one_by_one_as_memory_allows() -> None:
    memory, loop = made(100)
    assert memory.grant(100)
    waiters = [Waiter(memory, 60) for _ in range(3)]
    for waiter in waiters:
        memory.wait(waiter)
    loop.run()
    assert [waiter.pauses for waiter in waiters] == [1, 1, 1]
    memory.give_back(100)
    loop.run()
    assert [waiter.has_grant for waiter in waiters] == [True, True, False]
    assert [waiter.pauses for waiter in waiters] == [0, 0, 1]
    memory.give_back(60)
    loop.run()
    assert waiters[2].has_grant


# --- a broker with little memory -----------------------------------------------------------------------------------


def api_versions() -> bytes:
    frame = encode_request("ApiVersions", 0, 1)
    return struct.pack(">i", len(frame)) + frame


def metadata_of_many(size_bytes: int) -> bytes:
    """A request of about that many bytes: metadata of one topic, again and again."""
    names = [{"name": "orders" * 40}] * (size_bytes // 242)
    frame = encode_request("Metadata", 4, 1, topics=names, allow_auto_topic_creation=False)
    return struct.pack(">i", len(frame)) + frame


def used_up(broker: Broker) -> bool:
    return broker.server.request_memory.is_used_up


def granted_bytes(broker: Broker) -> int:
    return broker.server.request_memory.granted_bytes


async def test_while_a_large_request_is_arriving_the_others_wait(tmp_path: Path) -> None:
    """One client sends the beginning of all the memory there is; others, small and cut off, are served after it."""

    def scenario(broker: Broker) -> None:
        address = broker.endpoints()[0]
        whole = metadata_of_many(MAX_BYTES - 1000)
        beginning = struct.pack(">i", MAX_BYTES)
        with WireClient(address) as early, WireClient(address) as greedy, WireClient(address) as small:
            early.ask("ApiVersions", 0)
            greedy.socket.sendall(beginning + whole[4:300_000])
            wait_until(lambda: used_up(broker), "the memory is used up")
            small.socket.sendall(api_versions())
            early.socket.sendall(whole[:300_000])
            wait_until(lambda: len(broker.server.request_memory._waiting) == 2, "two wait")
            assert granted_bytes(broker) == MAX_BYTES + 4
            greedy.close()
            small.receive("ApiVersions", 0, 1)
            early.socket.sendall(whole[300_000:])
            assert len(early.receive("Metadata", 4, 1).topics) == 1
        wait_until(lambda: granted_bytes(broker) == 0, "all is given back")

    async with running(tmp_path, settings=LARGE) as broker:
        await asyncio.to_thread(scenario, broker)


async def test_requests_that_do_not_fit_together_are_all_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Large ones and small ones that are cut off, from more connections than the memory is enough for."""

    async def ask(address: tuple[str, int], request: bytes) -> int:
        reader, writer = await asyncio.open_connection(*address)
        for position in range(0, 2 * len(request), 100_000):
            writer.write((request * 2)[position : position + 100_000])  # the second one begins where the first one ends
            await writer.drain()
            await asyncio.sleep(0)
        sizes = []
        for _ in range(2):
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            sizes.append(len(await reader.readexactly(size)))
        writer.close()
        await writer.wait_closed()
        return len(set(sizes))

    async with running(tmp_path, settings=LARGE) as broker:
        requests = [metadata_of_many(size) for size in (3_000_000, SCRATCH_BYTES // 2, 1_000_000, 2_000) * 5]
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(ask(broker.endpoints()[0], request) for request in requests))
            assert answers == [1] * len(requests)
            while granted_bytes(broker):
                await asyncio.sleep(0)
    assert "queued.max.request.bytes is used up by requests that are still arriving; others wait." in caplog.text
