"""Jobs that are repeated."""

from __future__ import annotations

import asyncio

import pytest

from broker.housekeeping import Housekeeping


async def test_a_failing_job_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0
    twice = asyncio.Event()

    async def job() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise OSError("no disk")
        twice.set()

    housekeeping = Housekeeping()
    housekeeping.every(0, "failing", job)
    async with asyncio.timeout(10):
        await twice.wait()
    await housekeeping.close()
    assert "no disk" in caplog.text


async def test_closing_waits_for_a_run_and_begins_no_other() -> None:
    started, may_end = asyncio.Event(), asyncio.Event()
    runs = ended = 0

    async def job() -> None:
        nonlocal runs, ended
        runs += 1
        started.set()
        await may_end.wait()
        ended += 1

    async def never() -> None:
        raise AssertionError

    housekeeping = Housekeeping()
    housekeeping.every(0, "slow", job)
    housekeeping.every(3_600_000, "in an hour", never)
    async with asyncio.timeout(10):
        await started.wait()
        closing = asyncio.create_task(housekeeping.close())
        await asyncio.sleep(0)
        assert not closing.done()
        may_end.set()
        await closing
    assert (runs, ended) == (1, 1)


async def test_the_first_run_may_come_earlier() -> None:
    ran = asyncio.Event()

    async def job() -> None:
        ran.set()

    housekeeping = Housekeeping()
    housekeeping.every(3_600_000, "in an hour, but for the first time", job, first_ms=0)
    async with asyncio.timeout(10):
        await ran.wait()
        await housekeeping.close()


class TestWhenDue:
    @pytest.fixture
    def housekeeping(self) -> Housekeeping:
        return Housekeeping()

    async def test_it_runs_at_once_and_then_when_it_says(self, housekeeping: Housekeeping) -> None:
        runs = 0
        thrice = asyncio.Event()

        async def job() -> int | None:
            nonlocal runs
            runs += 1
            if runs < 3:
                return 0
            thrice.set()
            return None

        housekeeping.when_due("often", job)
        async with asyncio.timeout(10):
            await thrice.wait()
            await housekeeping.close()
        assert runs == 3

    @pytest.mark.parametrize("wait_ms", [None, 3_600_000])
    async def test_it_runs_sooner_when_told(self, housekeeping: Housekeeping, wait_ms: int | None) -> None:
        runs: asyncio.Queue[None] = asyncio.Queue()

        async def job() -> int | None:
            runs.put_nowait(None)
            return wait_ms

        run_now = housekeeping.when_due("seldom", job)
        async with asyncio.timeout(10):
            for _ in range(3):
                await runs.get()
                run_now()
                run_now()
            await runs.get()
            await housekeeping.close()
        assert runs.empty()

    async def test_what_comes_during_a_run_is_not_missed(self, housekeeping: Housekeeping) -> None:
        runs = 0
        twice = asyncio.Event()

        async def job() -> int | None:
            nonlocal runs
            runs += 1
            if runs == 1:
                run_now()
                await asyncio.sleep(0)
            else:
                twice.set()
            return None

        run_now = housekeeping.when_due("seldom", job)
        async with asyncio.timeout(10):
            await twice.wait()
            await housekeeping.close()

    async def test_a_failed_run_is_tried_again(
        self, housekeeping: Housekeeping, caplog: pytest.LogCaptureFixture
    ) -> None:
        runs = 0
        twice = asyncio.Event()

        async def job() -> int | None:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise OSError("no disk")
            twice.set()
            return None

        housekeeping.when_due("failing", job)
        async with asyncio.timeout(10):
            await twice.wait()
            await housekeeping.close()
        assert "no disk" in caplog.text
