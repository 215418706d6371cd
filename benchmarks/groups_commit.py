"""What a commit of one offset costs: a member of a group commits again and again, one request at a time."""

import asyncio
import socket
import uuid

from benchmarks.client import TIMEOUT_S, LoadError, Target, fresh_topic
from benchmarks.groups_member import Connections, Group, Member, find_coordinator, leave, run
from benchmarks.groups_wire import commit_error_position, commit_request
from benchmarks.meter import Cost, Meter
from benchmarks.targets import Finding
from benchmarks.wire import frame, read_frame

CPU_LIMIT_US = 60.0

_NO_ERROR = b"\0\0"
_WARM_UP_SHARE = 0.1


def commit(target: Target, rounds: int, commits: int) -> list[Finding]:
    """Commit so many offsets a round; without a pid the broker's CPU time is left out."""
    with fresh_topic(target, 1) as topic:
        costs = run(_committed(target, topic, rounds, commits))
    findings = [Finding("commits/s", [commits / cost.seconds for cost in costs])]
    cpu_s = [cost.broker_cpu_s for cost in costs if cost.broker_cpu_s is not None]
    if cpu_s:
        cpu_us = [each / commits * 1e6 for each in cpu_s]
        findings.insert(0, Finding("broker CPU of a commit, µs", cpu_us, CPU_LIMIT_US, 1))
    return findings


async def _committed(target: Target, topic: str, rounds: int, commits: int) -> list[Cost]:
    group = Group(f"commit-{uuid.uuid4().hex[:12]}", topic, 1)
    address = await find_coordinator(target, group.group_id)
    with Connections(address) as connections:
        connection = await connections.open()
        member = Member(group, connection)
        await member.join()
        request = commit_request(group.group_id, member.generation, member.member_id, topic, 42)
        costs = await asyncio.to_thread(
            _rounds, target, address, request, commit_error_position(topic), rounds, commits
        )
        await leave(connection, group, [member.member_id])
    return costs


def _rounds(
    target: Target, address: tuple[str, int], request: bytes, error_position: int, rounds: int, commits: int
) -> list[Cost]:
    costs = []
    with socket.create_connection(address, TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _commit(connection, request, error_position, round(commits * _WARM_UP_SHARE))
        for _ in range(rounds):
            meter = Meter(target.pid)
            _commit(connection, request, error_position, commits)
            costs.append(meter.stop())
    return costs


def _commit(connection: socket.socket, request: bytes, error_position: int, count: int) -> None:
    """Send the request so often, each when the one before is answered; a commit keeps the member's session alive."""
    for _ in range(count):
        connection.sendall(request)
        answer = frame(read_frame(connection))
        error = answer[error_position : error_position + 2]
        if error != _NO_ERROR:
            raise LoadError(f"OffsetCommit was answered with error code {int.from_bytes(error, 'big', signed=True)}")
