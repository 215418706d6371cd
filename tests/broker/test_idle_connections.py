"""Connections that are silent for too long are closed, whatever they wait for; all others stay."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.core.controller.topic_creation import NewTopic
from broker.idle_connections import IdleConnections
from tests.support.manual_clock import ManualClock
from tests.support.running_broker import running
from tests.support.wait import wait_until
from tests.support.wire import ConnectionClosed, WireClient

MAX_IDLE_MS = 60_000


class Connection:
    def __init__(self) -> None:
        self.active = True
        self.idle_since_ms = 0.0
        self.closed = False
        self.is_reset = False

    def close(self, reason: str | None = None) -> None:
        assert reason is not None
        self.closed = True

    def close_if_reset(self) -> None:
        self.closed |= self.is_reset


class World:
    """Connections that are swept over at the interval that is asked for."""

    def __init__(self, max_idle_ms: int = MAX_IDLE_MS) -> None:
        self.clock = ManualClock()
        self.connections = [Connection() for _ in range(3)]
        self.idle = IdleConnections(self.connections, self.clock, max_idle_ms)

    async def pass_time(self, duration_ms: int, *busy: Connection) -> None:
        """Let time go on, with some connections that are used between any two sweeps."""
        for _ in range(duration_ms // self.idle.interval_ms):
            for connection in busy:
                connection.active = True
            self.clock.advance(self.idle.interval_ms)
            await self.idle.sweep()


async def test_nobody_is_closed_early_and_everybody_within_two_sweeps() -> None:
    world = World()
    busy, silent, _ = world.connections
    await world.pass_time(MAX_IDLE_MS, busy)
    assert not silent.closed
    await world.pass_time(2 * world.idle.interval_ms, busy)
    assert [each.closed for each in world.connections] == [False, True, True]
    await world.pass_time(10 * MAX_IDLE_MS, busy)
    assert not busy.closed
    await world.pass_time(MAX_IDLE_MS + 2 * world.idle.interval_ms)
    assert busy.closed


async def test_below_zero_nobody_is_closed() -> None:
    world = World(-1)
    await world.pass_time(100 * MAX_IDLE_MS)
    assert not any(each.closed for each in world.connections)


async def test_a_sweep_finds_those_whose_peers_have_left() -> None:
    world = World()
    gone, busy, silent = world.connections
    gone.is_reset = busy.is_reset = True
    await world.pass_time(2 * world.idle.interval_ms, busy)
    assert [gone.closed, busy.closed, silent.closed] == [True, False, False]


async def test_what_was_used_last_comes_last() -> None:
    world = World()
    first, second, third = world.connections
    await world.pass_time(world.idle.interval_ms, first, second, third)
    await world.pass_time(world.idle.interval_ms, first, third)
    await world.pass_time(world.idle.interval_ms, third)
    second.active = True
    assert list(world.idle.longest_idle_first()) == [first, third, second]


@pytest.mark.parametrize(
    ("max_idle_ms", "interval_ms"), [(101, 100), (60_000, 3_000), (600_000, 5_000), (1 << 62, 5_000), (-1, 5_000)]
)
def test_sweeps_are_as_rare_as_the_limit_allows(max_idle_ms: int, interval_ms: int) -> None:
    assert World(max_idle_ms).idle.interval_ms == interval_ms


async def test_a_broker_closes_silent_connections_even_if_they_wait_for_a_reply(tmp_path: Path) -> None:
    def scenario(address: tuple[str, int]) -> None:
        with WireClient(address) as silent, WireClient(address) as waiting, WireClient(address) as slow:
            partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1_000_000}
            fetch = {"replica_id": -1, "max_wait": 60_000, "min_bytes": 1, "max_bytes": 1_000_000, "isolation_level": 0}
            waiting.send("Fetch", 4, topics=[{"topic": "orders", "partitions": [partition]}], **fetch)
            slow.socket.sendall(b"\0\1\0\0")  # and a byte now and then: it is busy
            slow.socket.setblocking(False)

            def send_a_byte_and_see_who_is_closed() -> bool:
                slow.socket.send(b"\0")
                return is_closed(silent) and is_closed(waiting)

            wait_until(send_a_byte_and_see_who_is_closed, "those that are silent are closed")
            with pytest.raises(BlockingIOError):
                slow.socket.recv(1)

    def is_closed(client: WireClient) -> bool:
        client.socket.settimeout(0.001)
        try:
            return client.socket.recv(1) == b""
        except TimeoutError:
            return False

    async with running(tmp_path, settings={"connections.max.idle.ms": "1000"}) as broker:
        await broker.topics.create([NewTopic("orders")], may_create=lambda name: True, timeout_ms=30_000)
        await asyncio.to_thread(scenario, broker.endpoints()[0])


async def test_who_is_asked_for_nothing_is_told_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, settings={"connections.max.idle.ms": "101"}) as broker:
        with WireClient(broker.endpoints()[0]) as client, pytest.raises(ConnectionClosed):
            await asyncio.to_thread(client.receive_frame)
