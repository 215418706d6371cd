"""What a commit of one offset costs: a member of a group commits again and again, one request on its way at a time.

Once on several connections, so that the broker always has something to do, and once on a single one, where each commit
has the broker fall asleep and wake up again. What that costs is the machine's affair: on a virtual one with nothing
else to do as much as the commit itself.

Most consumers commit the same partitions each time, with other offsets; a broker may make use of that. So there are
rounds, too, in which each commit is of another partition than the one before on its connection.
"""

import asyncio
import contextlib
import itertools
import selectors
import socket
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.client import TIMEOUT_S, LoadError, Target, fresh_topic
from benchmarks.groups_member import Connections, Group, Member, find_coordinator, leave, run
from benchmarks.groups_wire import commit_error_position, commit_request
from benchmarks.meter import Cost, Meter
from benchmarks.targets import Finding
from benchmarks.wire import frame, read_frame

CPU_LIMIT_US = 60.0
CONNECTIONS = 8
PARTITIONS = 16

_NO_ERROR = b"\0\0"
_WARM_UP_SHARE = 0.1


class _Case(NamedTuple):
    name: str
    connections: int
    partitions: int
    """How many there are to commit offsets of, in turn."""


_CASES = (
    _Case(f"{CONNECTIONS} connections", CONNECTIONS, 1),
    _Case(f"{CONNECTIONS} connections, other partitions each time", CONNECTIONS, PARTITIONS),
    _Case("1 connection", 1, 1),
)


def commit(target: Target, rounds: int, commits: int) -> list[Finding]:
    """Commit so many offsets a round; without a pid the broker's CPU time is left out."""
    findings = []
    with fresh_topic(target, PARTITIONS) as topic:
        for case in _CASES:
            costs = run(_committed(target, topic, case, rounds, commits))
            cpu_us = [cost.broker_cpu_s / commits * 1e6 for cost in costs if cost.broker_cpu_s is not None]
            if cpu_us:
                findings.append(Finding(f"{case.name}: broker CPU of a commit, µs", cpu_us, CPU_LIMIT_US, 1))
            findings.append(Finding(f"{case.name}: commits/s", [commits / cost.seconds for cost in costs]))
    return findings


async def _committed(target: Target, topic: str, case: _Case, rounds: int, commits: int) -> list[Cost]:
    group = Group(f"commit-{uuid.uuid4().hex[:12]}", topic, 1)
    address = await find_coordinator(target, group.group_id)
    with Connections(address) as connections:
        connection = await connections.open()
        member = Member(group, connection)
        await member.join()
        requests = (
            commit_request(group.group_id, member.generation, member.member_id, topic, partition, offset)
            # The same offset for as many connections as there are: each goes through all partitions.
            for offset in itertools.count()
            for partition in range(case.partitions)
            for _ in range(case.connections)
        )
        costs = await asyncio.to_thread(
            _rounds, target, address, case.connections, requests, commit_error_position(topic), rounds, commits
        )
        await leave(connection, group, [member.member_id])
    return costs


def _rounds(
    target: Target,
    address: tuple[str, int],
    connections_count: int,
    requests: Iterator[bytes],
    error_position: int,
    rounds: int,
    commits: int,
) -> list[Cost]:
    costs = []
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(connections_count):
            connection = stack.enter_context(socket.create_connection(address, TIMEOUT_S))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ)
        _commit(selector, requests, error_position, round(commits * _WARM_UP_SHARE))
        for _ in range(rounds):
            meter = Meter(target.pid)
            _commit(selector, requests, error_position, commits)
            costs.append(meter.stop())
    return costs


def _commit(selector: selectors.BaseSelector, requests: Iterator[bytes], error_position: int, count: int) -> None:
    """Send so many requests, each when the last one of its connection is answered; it keeps the session alive, too."""
    connections = [key.fileobj for key in selector.get_map().values()]
    sent = answered = 0
    for connection in connections[:count]:
        assert isinstance(connection, socket.socket)
        connection.sendall(next(requests))
        sent += 1
    while answered < count:
        ready = selector.select(TIMEOUT_S)
        if not ready:
            raise LoadError(f"no commit was answered for {TIMEOUT_S:.0f} s after {answered}")
        for key, _ in ready:
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            answer = frame(read_frame(connection))
            error = answer[error_position : error_position + 2]
            if error != _NO_ERROR:
                code = int.from_bytes(error, "big", signed=True)
                raise LoadError(f"OffsetCommit was answered with error code {code}")
            answered += 1
            if sent < count:
                connection.sendall(next(requests))
                sent += 1
