"""Members of a classic group on raw connections: they do what a client library does, for less CPU."""

import asyncio
import random
import struct
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, Self, TypeVar

import uvloop

from benchmarks.client import TIMEOUT_S, LoadError, Target
from benchmarks.groups_wire import (
    COORDINATOR_LOAD_IN_PROGRESS,
    COORDINATOR_NOT_AVAILABLE,
    MEMBER_ID_REQUIRED,
    NO_ERROR,
    NOT_COORDINATOR,
    REBALANCE_IN_PROGRESS,
    UNKNOWN_MEMBER_ID,
    Joined,
    assigned_partitions,
    divide,
    find_coordinator_request,
    heartbeat_request,
    join_request,
    leave_request,
    read_coordinator,
    read_error_code,
    read_joined,
    read_synced,
    sync_request,
)

HEARTBEAT_S = 3.0
"""The `heartbeat.interval.ms` that all clients have by default."""

# A coordinator that still reads its log says yes to every heartbeat, blindly.
_NOT_YET = (NO_ERROR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR)
_SIZE = struct.Struct(">i")

R = TypeVar("R")


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run it on a uvloop; whatever fails in one of its tasks is raised as itself, not as a group."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(work)
        except BaseExceptionGroup as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from group


async def answered(reply: Awaitable[R], what: str) -> R:
    """Wait for something as long as a run may stand still; raises LoadError when it does not come."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await reply
    except TimeoutError:
        raise LoadError(f"{what} took longer than {TIMEOUT_S:.0f} s") from None


class Connection(asyncio.Protocol):
    """One connection with one request on its way at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is one, and no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < _SIZE.size:
            return
        (size,) = _SIZE.unpack_from(self._received)
        if len(self._received) >= _SIZE.size + size and self._waiting is not None:
            answer = bytes(self._received[_SIZE.size :])
            self._received.clear()
            waiting, self._waiting = self._waiting, None
            if not waiting.done():
                waiting.set_result(answer)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the broker closed the connection"))

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a framed request; the future is its answer without the size."""
        assert self._transport is not None
        assert self._waiting is None, "a request is on its way"
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        """Close it; an answer still due is not waited for."""
        assert self._transport is not None
        self._transport.abort()


class Connections:
    """Connections to one address, closed at the end of the context."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._open: list[Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open:
            connection.close()

    async def open(self) -> Connection:
        """Connect once more."""
        _, connection = await asyncio.get_running_loop().create_connection(Connection, *self._address)
        self._open.append(connection)
        return connection


class Group:
    """A group as its members see it, all of one process.

    Attributes:
        heartbeat_s: how long a member waits between two heartbeats.
        stable_at: the monotonic time at which the last of them got its assignment.
        heard_at: the monotonic time at which a heartbeat last told a member to join again.
    """

    def __init__(self, group_id: str, topic: str, partitions: int, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.group_id = group_id
        self.topic = topic
        self.partitions = partitions
        self.heartbeat_s = heartbeat_s
        self.stable_at = 0.0
        self.heard_at = 0.0
        self._assignments: dict[int, list[bytes]] = {}
        self._changed = asyncio.Event()

    def synced(self, generation: int, assignment: bytes) -> None:
        """A member has its assignment."""
        self.stable_at = time.monotonic()
        self._assignments.setdefault(generation, []).append(assignment)
        self._changed.set()

    async def stable(self, members: int) -> None:
        """Wait until so many members have their assignments in one generation.

        Raises:
            LoadError: it takes too long, or the assignments are not each partition once.
        """
        await answered(self._stable(members), f"a stable group of {members} members")

    async def _stable(self, members: int) -> None:
        while len(self._assignments.get(newest := max(self._assignments, default=0), ())) < members:
            self._changed.clear()
            await self._changed.wait()
        if assigned_partitions(self._assignments[newest]) != list(range(self.partitions)):
            raise LoadError(f"generation {newest} does not have each of {self.partitions} partitions once")
        self._assignments.clear()


class Member:
    """One member of a group.

    Attributes:
        member_id: empty until the broker has given it one.
    """

    def __init__(self, group: Group, connection: Connection) -> None:
        self.member_id = ""
        self.generation = -1
        self._group = group
        self._connection = connection

    async def live(self) -> None:
        """Join, and heartbeat until cancelled; where a heartbeat says so, join again.

        Heartbeats begin at a random moment of their interval: those of a big group would all fall on one otherwise.
        """
        group = self._group
        await self.join()
        await asyncio.sleep(random.random() * group.heartbeat_s)
        while True:
            request = heartbeat_request(group.group_id, self.generation, self.member_id)
            error_code = read_error_code(await self._connection.ask(request))
            if error_code == REBALANCE_IN_PROGRESS:
                group.heard_at = time.monotonic()
                await self.join()
                await asyncio.sleep(random.random() * group.heartbeat_s)
                continue
            _check(error_code, "Heartbeat")
            await asyncio.sleep(group.heartbeat_s)

    async def join(self) -> None:
        """Join and sync, again if need be, until there is an assignment."""
        group = self._group
        while True:
            joined = await self._join()
            self.generation = joined.generation
            leads = joined.leader == joined.member_id
            assignments = divide(group.topic, group.partitions, joined.members) if leads else {}
            request = sync_request(group.group_id, joined.generation, joined.member_id, assignments)
            synced = read_synced(await self._connection.ask(request))
            if synced.error_code != REBALANCE_IN_PROGRESS:
                _check(synced.error_code, "SyncGroup")
                group.synced(joined.generation, synced.assignment)
                return

    async def _join(self) -> Joined:
        while True:
            request = join_request(self._group.group_id, self.member_id, self._group.topic)
            joined = read_joined(await self._connection.ask(request))
            self.member_id = joined.member_id
            if joined.error_code != MEMBER_ID_REQUIRED:
                _check(joined.error_code, "JoinGroup")
                return joined


async def leave(connection: Connection, group: Group, member_ids: list[str]) -> None:
    """Take members out of the group, over a connection that is none of theirs."""
    answer = await answered(connection.ask(leave_request(group.group_id, member_ids)), "LeaveGroup")
    _check(read_error_code(answer), "LeaveGroup")


async def find_coordinator(target: Target, group_id: str) -> tuple[str, int]:
    """Find the broker that coordinates a group, and wait until it does so; returns its address."""
    host, _, port = target.bootstrap.rpartition(":")
    answer = await _ask_until((host.strip("[]"), int(port)), find_coordinator_request(group_id), NO_ERROR)
    coordinator = read_coordinator(answer)
    address = (coordinator.host, coordinator.port)
    # That nobody is a member, only a coordinator that has the group knows.
    await _ask_until(address, heartbeat_request(group_id, 0, "nobody"), UNKNOWN_MEMBER_ID)
    return address


async def _ask_until(address: tuple[str, int], request: bytes, expected: int) -> bytes:
    """Ask until the coordinator is there, and has read its log: the answer with the error code that is expected."""
    deadline = time.monotonic() + TIMEOUT_S
    with Connections(address) as connections:
        connection = await connections.open()
        while True:
            answer = await answered(connection.ask(request), "an answer of the coordinator")
            error_code = read_error_code(answer)
            if error_code == expected:
                return answer
            if error_code not in _NOT_YET or time.monotonic() > deadline:
                raise LoadError(f"there is no coordinator: error code {error_code}")
            await asyncio.sleep(0.01)


def _check(error_code: int, api: str) -> None:
    if error_code != NO_ERROR:
        raise LoadError(f"{api} was answered with error code {error_code}")
