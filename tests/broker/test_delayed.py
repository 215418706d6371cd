"""Parked requests: one completion each, at the deadline, when woken, or never when cancelled."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc

import pytest

from broker.delayed import DelayedRequests, Waiter
from broker.turns import BUDGET_MS
from tests.support.manual_clock import ManualClock


class Noting(Waiter):
    """Notes its completions, and may do something more."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.also: list[Waiter] = []
        self.delayed: DelayedRequests | None = None

    def complete(self) -> None:
        self.log.append(self.name)
        for other in self.also:
            assert self.delayed is not None
            self.delayed.cancel(other)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def delayed(clock: ManualClock) -> DelayedRequests:
    return DelayedRequests(clock)


async def test_waiters_complete_in_the_order_of_their_deadlines(clock: ManualClock, delayed: DelayedRequests) -> None:
    log: list[str] = []
    for name, wait_ms in (("c", 300), ("a", 100), ("b", 200), ("a2", 100)):
        delayed.park(Noting(name, log), wait_ms)
    assert len(delayed) == 4
    clock.advance(99)
    delayed.complete_due()
    assert log == []
    clock.advance(101)
    delayed.complete_due()
    assert log == ["a", "a2", "b"]
    clock.advance(1000)
    delayed.complete_due()
    assert log == ["a", "a2", "b", "c"]
    assert len(delayed) == 0


async def test_the_timer_completes_without_anybody_calling() -> None:
    from broker.clock import Clock

    done = asyncio.Event()

    class Setting(Waiter):
        def complete(self) -> None:
            done.set()

    delayed = DelayedRequests(Clock())
    late: list[str] = []
    delayed.park(Noting("late", late), 60_000)
    delayed.park(Setting(), 5)
    await asyncio.wait_for(done.wait(), 10)
    assert late == []
    delayed.complete_all()


async def test_a_woken_waiter_completes_once_at_the_end_of_the_turn(delayed: DelayedRequests) -> None:
    log: list[str] = []
    waiter = Noting("a", log)
    delayed.park(waiter, 1000)
    delayed.wake(waiter)
    delayed.wake(waiter)
    assert log == []
    await asyncio.sleep(0)
    assert log == ["a"]
    delayed.complete_all()
    assert log == ["a"]


async def test_a_cancelled_waiter_never_completes(clock: ManualClock, delayed: DelayedRequests) -> None:
    log: list[str] = []
    by_time, woken, at_shutdown = (Noting(name, log) for name in ("by_time", "woken", "at_shutdown"))
    delayed.park(by_time, 10)
    delayed.park(woken, 1000)
    delayed.park(at_shutdown, 1000)
    delayed.wake(woken)
    assert delayed.cancel(by_time)
    assert delayed.cancel(woken)
    assert not delayed.cancel(woken)
    await asyncio.sleep(0)
    clock.advance(10)
    delayed.complete_due()
    delayed.cancel(at_shutdown)
    delayed.complete_all()
    assert log == []


async def test_a_completion_may_cancel_others_of_its_bucket(clock: ManualClock, delayed: DelayedRequests) -> None:
    log: list[str] = []
    first, second = Noting("first", log), Noting("second", log)
    first.also, first.delayed = [second], delayed
    delayed.park(first, 10)
    delayed.park(second, 10)
    clock.advance(10)
    delayed.complete_due()
    assert log == ["first"]


async def test_long_waits_that_are_cancelled_leave_nothing_behind(clock: ManualClock, delayed: DelayedRequests) -> None:
    log: list[str] = []
    delayed.park(Noting("last", log), 10_000_000)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            waiter = Noting("early", log)
            delayed.park(waiter, 2**31 - 1)
            clock.advance(1)
            assert delayed.cancel(waiter)
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    clock.advance(10_000_000)
    delayed.complete_due()
    assert log == ["last"]


async def test_what_is_parked_after_everything_was_completed_still_gets_its_time(
    clock: ManualClock, delayed: DelayedRequests
) -> None:
    log: list[str] = []
    delayed.park(Noting("a", log), 1000)
    delayed.complete_all()
    delayed.park(Noting("b", log), 10)
    clock.advance(10)
    delayed.complete_due()
    assert log == ["a", "b"]


async def test_many_that_wait_for_the_same_complete_over_several_turns(
    clock: ManualClock, delayed: DelayedRequests
) -> None:
    log: list[str] = []

    class Slow(Noting):
        def complete(self) -> None:
            clock.advance(1)
            super().complete()

    waiters = [Slow(str(number), log) for number in range(100)]
    for waiter in waiters:
        delayed.park(waiter, 60_000)
    for waiter in waiters:
        delayed.wake(waiter)
    completed = [0]
    while completed[-1] < 100:
        await asyncio.sleep(0)
        completed.append(len(log))
    assert max(after - before for before, after in itertools.pairwise(completed)) <= BUDGET_MS
    assert log == [str(number) for number in range(100)]


async def test_one_that_is_woken_by_another_completes_in_the_next_turn(delayed: DelayedRequests) -> None:
    log: list[str] = []

    class Waking(Noting):
        def complete(self) -> None:
            super().complete()
            delayed.wake(other)

    first, other = Waking("first", log), Noting("other", log)
    delayed.park(first, 60_000)
    delayed.park(other, 60_000)
    delayed.wake(first)
    await asyncio.sleep(0)
    assert log == ["first"]
    await asyncio.sleep(0)
    assert log == ["first", "other"]
