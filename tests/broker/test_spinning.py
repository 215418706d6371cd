"""Spinning: only where the next small request comes soon and is waited for longer asleep, and never for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from broker.clock import Clock
from broker.spinning import SPIN_MS, Spin

TURN_MS = 0.01


class Machine(Clock):
    """A loop whose turns take TURN_MS, its time, and clients that wait longer for one that sleeps."""

    def __init__(self, *, allowed: bool = True, wake_up_ms: float = 0.1) -> None:
        self.time_ms = 1_000.0
        self.wake_up_ms = wake_up_ms
        self.ready: deque[Callable[[], None]] = deque()
        loop: Any = SimpleNamespace(call_soon=self.ready.append)
        self.spin = Spin(loop, self, allowed=allowed)

    def monotonic_ms(self) -> float:
        return self.time_ms

    def request(self, after_ms: float) -> bool:
        """Have a small request come after this time; returns whether the loop was awake then."""
        start_ms = self.time_ms
        while self.ready and self.time_ms < start_ms + after_ms:
            self.time_ms += TURN_MS
            self.ready.popleft()()
        awake = bool(self.ready)
        self.time_ms = max(self.time_ms, start_ms + after_ms + (0.0 if awake else self.wake_up_ms))
        self.spin.before_read()
        self.spin.after_small()
        return awake

    def requests(self, count: int, after_ms: float) -> int:
        """Have so many come; returns for how many of them the loop was awake."""
        return sum(self.request(after_ms) for _ in range(count))


def test_a_client_that_sends_one_after_another_finds_the_broker_awake() -> None:
    machine = Machine()
    machine.requests(30, 0.05)
    assert machine.requests(1_000, 0.05) >= 960


def test_it_sleeps_once_nothing_comes() -> None:
    machine = Machine()
    machine.requests(50, 0.05)
    start_ms = machine.time_ms
    while machine.ready:
        machine.time_ms += TURN_MS
        machine.ready.popleft()()
    assert machine.time_ms - start_ms <= SPIN_MS + 2 * TURN_MS
    assert machine.requests(100, 1_000) == 0


def test_requests_now_and_then_are_slept_for() -> None:
    assert Machine().requests(200, 1.0) == 0


def test_short_bursts_are_not_worth_it() -> None:
    machine = Machine()
    for _ in range(50):
        assert machine.requests(5, 0.05) == 0
        assert not machine.request(5.0)


def test_a_busy_broker_does_not_spin() -> None:
    machine = Machine()
    machine.requests(50, 0.05)
    machine.wake_up_ms = 0.0
    machine.requests(50, 0.001)
    assert machine.requests(50, 0.001) == 0


def test_what_is_no_small_request_says_nothing_of_the_next_one() -> None:
    machine = Machine()
    machine.requests(15, 0.05)
    for _ in range(50):
        machine.time_ms += 0.05
        machine.spin.before_read()
    assert not machine.ready


def test_where_it_is_not_allowed_it_does_not_spin() -> None:
    assert Machine(allowed=False).requests(200, 0.05) == 0


def test_where_waits_are_not_shorter_it_sleeps_but_for_a_trial() -> None:
    machine = Machine(wake_up_ms=0.0)
    machine.requests(200, 0.05)
    assert machine.requests(1_000, 0.05) <= 40


def test_it_finds_out_when_waits_become_shorter_and_when_they_no_longer_are() -> None:
    machine = Machine(wake_up_ms=0.0)
    machine.requests(200, 0.05)
    machine.wake_up_ms = 0.1
    machine.requests(2_000, 0.05)
    assert machine.requests(1_000, 0.05) >= 960
    machine.wake_up_ms = 0.0
    machine.requests(2_000, 0.05)
    assert machine.requests(1_000, 0.05) <= 40
