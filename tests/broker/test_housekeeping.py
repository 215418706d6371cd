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
