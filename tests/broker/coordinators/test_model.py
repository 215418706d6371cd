"""Any sequence of requests, commits, refusals and restarts: each request has one answer, and none too early."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import ErrorCode, KafkaError
from tests.support.toy_coordinator import COMMIT_TIMEOUT_MS, ToyRuntime, turns

NAMES = st.sampled_from([b"a", b"b"])
STEPS = st.one_of(
    st.tuples(st.just("add"), NAMES),
    st.tuples(st.just("get"), NAMES),
    st.tuples(st.just("wait_for"), NAMES, st.integers(1, 6)),
    st.tuples(st.just("hold_back"), st.booleans()),
    st.tuples(st.just("commit"), st.integers(0, 8)),
    st.tuples(st.just("refuse"), st.booleans()),
    st.tuples(st.just("advance"), st.sampled_from([1, COMMIT_TIMEOUT_MS // 2, COMMIT_TIMEOUT_MS])),
    st.tuples(st.just("abandon"), st.integers(0, 20)),
    st.tuples(st.just("restart")),
)
FAILURES = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR)


class Asked:
    """A request: its reply, the count to answer unless it fails, and the offset up to which all must be committed."""

    def __init__(self, reply: Any, count: int, end_offset: int | None) -> None:
        self.reply = reply
        self.count = count
        self.end_offset = end_offset
        """None while nothing was written that answers it."""
        self.checked = False


class World:
    """The toys, and what was asked of them since the last restart."""

    def __init__(self, directory: Path) -> None:
        self.toys = ToyRuntime(directory)
        self.partition = self.toys.lead()
        self.partition.held_back = True  # or few of the examples had anything to wait for
        self.asked: list[Asked] = []
        self.waits: dict[tuple[bytes, int], list[Asked]] = {}

    @property
    def counts(self) -> dict[bytes, int]:
        return self.toys.shards[-1].counts

    def add(self, name: bytes) -> None:
        count = self.counts.get(name, 0) + 1
        reply = self.toys.call(lambda shard: shard.add(name))
        if self.partition.refusal is not None:
            assert reply is ErrorCode.COORDINATOR_NOT_AVAILABLE
            # As if it had not been asked, but for those whom the toy has told that they are answered.
            self.waits.pop((name, count), None)
            return
        end_offset = self.partition.log.log_end_offset
        self.asked.append(Asked(reply, count, end_offset))
        for wait in self.waits.pop((name, count), ()):
            wait.end_offset = end_offset

    def get(self, name: bytes) -> None:
        count = self.counts.get(name, 0)
        reply = self.toys.call(lambda shard: shard.get(name))
        self.asked.append(Asked(reply, count, self.partition.log.log_end_offset))

    def wait_for(self, name: bytes, count: int) -> None:
        wait = Asked(self.toys.wait_for(name, count), count, None)
        self.asked.append(wait)
        self.waits.setdefault((name, count), []).append(wait)

    def hold_back(self, held_back: bool) -> None:
        self.partition.held_back = held_back

    def commit(self, count: int) -> None:
        offset = min(self.partition.high_watermark + count, self.partition.log.log_end_offset)
        self.partition.commit(offset)

    def refuse(self, refused: bool) -> None:
        self.partition.refusal = KafkaError(ErrorCode.NOT_ENOUGH_REPLICAS) if refused else None

    async def advance(self, duration_ms: int) -> None:
        await self.toys.advance(duration_ms)

    def abandon(self, index: int) -> None:
        if index < len(self.asked) and isinstance(self.asked[index].reply, asyncio.Future):
            self.asked[index].reply.cancel()

    async def restart(self) -> None:
        lived = dict(self.counts)
        self.toys.leave()
        await self.check()
        assert all(asked.checked for asked in self.asked)
        self.asked.clear()
        self.waits.clear()
        self.partition = self.toys.lead()
        await self.toys.loaded()
        assert self.counts == lived

    async def check(self) -> None:
        """Nobody has an answer that is wrong or too early, and whoever has none is known to wait."""
        await turns()
        waiting_count = 0
        for asked in self.asked:
            reply = asked.reply
            if asked.checked or (isinstance(reply, asyncio.Future) and not reply.done()):
                waiting_count += not asked.checked
                continue
            asked.checked = True
            if isinstance(reply, asyncio.Future) and reply.cancelled():
                continue
            answer = reply.result() if isinstance(reply, asyncio.Future) else reply
            if answer not in FAILURES or not isinstance(answer, ErrorCode):
                assert answer == asked.count
                assert asked.end_offset is not None
                assert asked.end_offset <= self.partition.high_watermark
        assert self.toys.runtime.waiting_count == waiting_count

    async def end(self) -> None:
        """All that was written is committed and answered; the others hear that it is over."""
        self.commit(1 << 30)
        await self.check()
        assert all(asked.checked or asked.end_offset is None for asked in self.asked)
        assert len(self.toys.delayed) == 0
        await self.toys.close()
        await self.check()
        assert all(asked.checked for asked in self.asked)


@settings(deadline=None, max_examples=150)
@given(st.lists(STEPS, max_size=40))
def test_each_request_has_one_answer_and_none_too_early(steps: list[tuple[Any, ...]]) -> None:
    async def run(directory: str) -> None:
        world = World(Path(directory))
        for name, *arguments in steps:
            done = getattr(world, name)(*arguments)
            if done is not None:
                await done
            await world.check()
        await world.end()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(directory))
