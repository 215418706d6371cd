"""What a commit of one offset costs: a member of a group commits again and again, one request on its way at a time.

Once on several connections, so that the broker always has something to do, and once on a single one, where each commit
has the broker fall asleep and wake up again. What that costs is the machine's affair: on a virtual one with nothing
else to do as much as the commit itself.
"""

import asyncio
import contextlib
import selectors
import socket
import uuid

from benchmarks.client import TIMEOUT_S, LoadError, Target, fresh_topic
from benchmarks.groups_member import Connections, Group, Member, find_coordinator, leave, run
from benchmarks.groups_wire import commit_error_position, commit_request
from benchmarks.meter import Cost, Meter
from benchmarks.targets import Finding
from benchmarks.wire import frame, read_frame

CPU_LIMIT_US = 60.0
CONNECTIONS = 8

_NO_ERROR = b"\0\0"
_WARM_UP_SHARE = 0.1


def commit(target: Target, rounds: int, commits: int) -> list[Finding]:
    """Commit so many offsets a round; without a pid the broker's CPU time is left out."""
    findings = []
    with fresh_topic(target, 1) as topic:
        for connections in (CONNECTIONS, 1):
            costs = run(_committed(target, topic, connections, rounds, commits))
            where = "1 connection" if connections == 1 else f"{connections} connections"
            cpu_us = [cost.broker_cpu_s / commits * 1e6 for cost in costs if cost.broker_cpu_s is not None]
            if cpu_us:
                findings.append(Finding(f"{where}: broker CPU of a commit, µs", cpu_us, CPU_LIMIT_US, 1))
            findings.append(Finding(f"{where}: commits/s", [commits / cost.seconds for cost in costs]))
    return findings


async def _committed(target: Target, topic: str, connections_count: int, rounds: int, commits: int) -> list[Cost]:
    group = Group(f"commit-{uuid.uuid4().hex[:12]}", topic, 1)
    address = await find_coordinator(target, group.group_id)
    with Connections(address) as connections:
        connection = await connections.open()
        member = Member(group, connection)
        await member.join()
        request = commit_request(group.group_id, member.generation, member.member_id, topic, 42)
        costs = await asyncio.to_thread(
            _rounds, target, address, connections_count, request, commit_error_position(topic), rounds, commits
        )
        await leave(connection, group, [member.member_id])
    return costs


def _rounds(
    target: Target,
    address: tuple[str, int],
    connections_count: int,
    request: bytes,
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
        _commit(selector, request, error_position, round(commits * _WARM_UP_SHARE))
        for _ in range(rounds):
            meter = Meter(target.pid)
            _commit(selector, request, error_position, commits)
            costs.append(meter.stop())
    return costs


def _commit(selector: selectors.BaseSelector, request: bytes, error_position: int, count: int) -> None:
    """Send the request so often, on each connection when its last one is answered; it keeps the session alive, too."""
    connections = [key.fileobj for key in selector.get_map().values()]
    sent = answered = 0
    for connection in connections[:count]:
        assert isinstance(connection, socket.socket)
        connection.sendall(request)
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
                connection.sendall(request)
                sent += 1
