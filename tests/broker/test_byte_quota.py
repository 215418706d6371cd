"""The quota of bytes per second."""

from __future__ import annotations

import pytest

from broker.byte_quota import ByteQuota
from tests.support.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_what_was_moved_is_waited_for(clock: ManualClock) -> None:
    quota = ByteQuota(clock)
    assert quota.wait_seconds(1000) == 0
    quota.spend(3000)
    assert quota.wait_seconds(1000) == 3
    clock.advance(1000)
    assert quota.wait_seconds(1000) == 2
    quota.spend(1000)
    assert quota.wait_seconds(1000) == 3
    clock.advance(3000)
    assert quota.wait_seconds(1000) == 0


def test_another_rate_holds_from_then_on(clock: ManualClock) -> None:
    quota = ByteQuota(clock)
    quota.spend(3000)
    assert quota.wait_seconds(1) == 3000
    clock.advance(1000)
    assert quota.wait_seconds(1000) == 2
    assert quota.wait_seconds(1_000_000) == 0.002


def test_without_a_quota_nothing_is_owed(clock: ManualClock) -> None:
    quota = ByteQuota(clock)
    quota.spend(3000)
    quota.forgive()
    assert quota.wait_seconds(1) == 0


def test_idle_time_is_not_saved_up(clock: ManualClock) -> None:
    quota = ByteQuota(clock)
    clock.advance(60_000)
    quota.spend(1000)
    assert quota.wait_seconds(1000) == 1
