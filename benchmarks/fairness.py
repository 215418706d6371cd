"""What one greedy client costs the others: how long somebody who produces to a schedule waits beside it.

python -m benchmarks.fairness
"""

import argparse
import asyncio
import os
import socket
import struct
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from confluent_kafka import Producer

from benchmarks.client import TIMEOUT_S, LoadError, Target, fresh_topic, payloads
from benchmarks.groups_member import Connections, Group, Member, find_coordinator, leave, run
from benchmarks.measurement import percentile
from benchmarks.open_loop import OpenLoopProducer, Phases, Sample
from benchmarks.ottla_process import named_or_own
from benchmarks.targets import Finding, judge
from benchmarks.wire import allow_many_files, api_versions_request, fetch_request

WAIT_LIMIT_MS = 20.0
"""How long a client may wait for what a broker does for others.

With the broker's process id that is its CPU time between a request and its answer, which is the same on a machine with
other things to do, as long as the producer saw its answer at once; else what the longest wait is beyond the longest one
in the quiet time before.
"""

_CLIENT_LATE_S = 0.001
"""A producer that had to wait longer for a processor saw its answer late, and the broker went on meanwhile."""

_NICENESS = 10
_MESSAGE_BYTES = 1024
_RECORD_BYTES = 900_000
_CONNECT_AT_ONCE = 50
_READ_BYTES = 1 << 20
_SIZE = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each greed a round has.

    Attributes:
        replies: how many large ones are read one after the other.
        requests: how many tiny ones are sent without waiting for an answer.
        crowd: connections that share as many of them between them.
        members: of a group, that join at once.
        quiet_s: how long the producer is alone before each greed.
        busy_s: how long each greed lasts at least; it is repeated until then.
        niceness: by how much this process, which stands for the greedy clients' machines, lowers its own priority.
    """

    rounds: int = 5
    replies: int = 40
    reply_bytes: int = 50_000_000
    requests: int = 100_000
    crowd: int = 100
    members: int = 1_000
    requests_per_s: float = 200
    quiet_s: float = 2.0
    busy_s: float = 2.0
    niceness: int = 0


def fairness(target: Target, plan: Plan) -> list[Finding]:
    """Run the plan; raises LoadError if a greedy client did not get what it asked for."""
    host, _, port = target.bootstrap.rpartition(":")
    address = (host.strip("[]"), int(port))
    phases = Phases()
    with fresh_topic(target, 1) as other_topic, fresh_topic(target, 1) as topic:
        _fill(target, topic, plan.reply_bytes)
        greeds: dict[str, Callable[[], Awaitable[None]]] = {
            f"{plan.reply_bytes / 1e6:g} MB replies": lambda: _read_large_replies(address, topic, plan),
            f"{plan.requests:,} requests at once": lambda: _send_all_at_once(address, plan.requests),
            f"the same from {plan.crowd:,} connections": lambda: _crowd(address, plan),
            f"{plan.members:,} members join": lambda: _join(target, topic, plan),
        }
        rate = plan.requests_per_s
        size, pid = _MESSAGE_BYTES, target.pid
        with OpenLoopProducer(
            address, other_topic, requests_per_s=rate, message_bytes=size, broker_pid=pid
        ) as producer:
            os.nice(plan.niceness)
            run(_rounds(plan, greeds, phases))
    return _findings(plan, list(greeds), phases, producer.samples, with_cpu=pid is not None)


async def _rounds(plan: Plan, greeds: Mapping[str, Callable[[], Awaitable[None]]], phases: Phases) -> None:
    for greedy in greeds.values():
        await greedy()  # what a broker does for the first time, it does once
    for number in range(plan.rounds):
        for name, greedy in greeds.items():
            with phases.span(_phase(name, number, quiet=True)):
                await asyncio.sleep(plan.quiet_s)
            with phases.span(_phase(name, number)):
                end_s = time.monotonic() + plan.busy_s
                await greedy()
                while time.monotonic() < end_s:
                    await greedy()


def _phase(name: str, number: int, *, quiet: bool = False) -> str:
    return f"{number} {'before ' if quiet else ''}{name}"


def _findings(
    plan: Plan, greeds: Sequence[str], phases: Phases, samples: Sequence[Sample], *, with_cpu: bool
) -> list[Finding]:
    findings: list[Finding] = []
    rounds = range(plan.rounds)
    for name in greeds:
        quiet = [phases.latencies_ms(samples, _phase(name, number, quiet=True)) for number in rounds]
        beside = [phases.latencies_ms(samples, _phase(name, number)) for number in rounds]
        if with_cpu:
            during = [phases.within(samples, _phase(name, number)) for number in rounds]
            prompt = [[each for each in samples if each.client_late_s < _CLIENT_LATE_S] for samples in during]
            if not all(prompt):
                raise LoadError("the producer saw no answer at once: the machine has no processor for it")
            work = [max(each.broker_cpu_s * 1e3 for each in samples) for samples in prompt]
            shares = [100 * len(kept) / len(samples) for kept, samples in zip(prompt, during, strict=True)]
            findings.append(Finding(f"{name}: most work of the broker before an answer, ms", work, WAIT_LIMIT_MS, 1))
            findings.append(Finding("  answers that the producer saw at once, %", shares))
        else:
            longer = [max(0.0, max(there) - max(here)) for here, there in zip(quiet, beside, strict=True)]
            findings.append(Finding(f"{name}: longest wait beyond the quiet one, ms", longer, WAIT_LIMIT_MS, 1))
        for title, values in (("quiet", quiet), ("beside it", beside)):
            for share, label in ((0.5, "p50"), (0.99, "p99"), (1.0, "max")):
                figures = [percentile(each, share) for each in values]
                findings.append(Finding(f"  {title}: produce {label}, ms", figures, digits=1))
    return findings


def _fill(target: Target, topic: str, size_bytes: int) -> None:
    """Produce enough for one large reply."""
    producer = Producer({"bootstrap.servers": target.bootstrap, "acks": "1", "log_level": 3})
    values = payloads(_RECORD_BYTES)
    for index in range(size_bytes // _RECORD_BYTES + 2):
        producer.produce(topic, values[index % len(values)])
        producer.poll(0)
    if producer.flush(TIMEOUT_S):
        raise LoadError(f"the topic was not filled within {TIMEOUT_S:.0f} s")


# --- the greedy clients --------------------------------------------------------------------------------------------


async def _read_large_replies(address: tuple[str, int], topic: str, plan: Plan) -> None:
    request = fetch_request(topic, 0, 0, plan.reply_bytes)
    async with _Greedy(address) as greedy:
        for _ in range(plan.replies):
            greedy.send(request)
            size = await greedy.receive_frame()
            # A reply ends with the last batch that is whole.
            if size < plan.reply_bytes - 2 * _RECORD_BYTES:
                raise LoadError(f"a reply had {size} bytes where {plan.reply_bytes} were asked for")


async def _send_all_at_once(address: tuple[str, int], count: int) -> None:
    request = api_versions_request()
    async with _Greedy(address) as greedy:
        greedy.send(request)
        answer_bytes = _SIZE.size + await greedy.receive_frame()
        greedy.send(request * count)
        await greedy.receive(count * answer_bytes)


async def _crowd(address: tuple[str, int], plan: Plan) -> None:
    await asyncio.gather(*(_send_all_at_once(address, plan.requests // plan.crowd) for _ in range(plan.crowd)))


async def _join(target: Target, topic: str, plan: Plan) -> None:
    """A group that is new comes and goes."""
    group = Group(f"fairness-{uuid.uuid4().hex[:12]}", topic, 1)
    with Connections(await find_coordinator(target, group.group_id)) as connections:
        members: list[Member] = []
        while len(members) < plan.members:
            opening = [connections.open() for _ in range(min(_CONNECT_AT_ONCE, plan.members - len(members)))]
            members += [Member(group, connection) for connection in await asyncio.gather(*opening)]
        leaver = await connections.open()
        async with asyncio.TaskGroup() as tasks:
            lives = [tasks.create_task(member.live()) for member in members]
            await group.stable(plan.members)
            for life in lives:
                life.cancel()
        await leave(leaver, group, [member.member_id for member in members])


class _Greedy:
    """A connection that takes what the broker gives it, as fast as it can; a context manager."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._sending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().sock_connect(self._socket, self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._sending is not None:
            await self._sending
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send it while answers are received; what was sent before has been answered."""
        self._sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(self._socket, data))

    async def receive_frame(self) -> int:
        """Receive one frame and return its size without the 4 bytes in front."""
        await self.receive(_SIZE.size)
        size = int(_SIZE.unpack_from(self._buffer)[0])
        await self.receive(size)
        return size

    async def receive(self, count: int) -> None:
        """Receive so many bytes."""
        loop = asyncio.get_running_loop()
        while count:
            received = await loop.sock_recv_into(self._socket, self._buffer[: min(count, _READ_BYTES)])
            if not received:
                raise LoadError("the broker closed the connection")
            count -= received


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one table, or JSON; exits with 1 when a wait is too long."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__.partition("\n")[0])
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running broker (default: start Ottla)")
    parser.add_argument("--pid", type=int, help="its process id, for its CPU time")
    parser.add_argument("--rounds", type=int, default=Plan().rounds, help="rounds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    allow_many_files()

    def measure() -> list[Finding]:
        with named_or_own(options.bootstrap, options.pid) as target:
            return fairness(target, Plan(rounds=options.rounds, niceness=_NICENESS))

    return judge(measure, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
