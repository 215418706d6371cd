"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 30.0
"""Far longer than anything takes that works, so that a loaded machine fails no test."""

_PAUSE_S = 0.01

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], what: str, deadline_s: float = DEADLINE_S, *, pause_s: float = _PAUSE_S
) -> T:
    """Ask again and again, with pauses between, until `condition` returns something true, and return that.

    Raises AssertionError, naming `what` was waited for, once `deadline_s` seconds are over.
    """
    pause = threading.Event()
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {deadline_s:g} s in vain: {what}"
        pause.wait(pause_s)
