"""Staying awake for the next small request, where that pays.

To fall asleep and be woken takes an idle machine longer than a small request takes the broker, and a client that sends
one at a time waits for it each time. So the loop goes on looking for SPIN_MS after a small request before it sleeps.

That burns a processor, so it is done only where it helps. It is done behind producing and consuming alone
(`Api.keeps_awake`), where the wait is that of somebody's data. What else there is to ask has to cost little instead:
who commits offsets has seconds for it.

A counter predicts the next request as a processor predicts a branch: it rises where one came after a short wait, and
falls where there was no wait, since the broker is busy then anyway, or a long one. Whether waits are in fact shorter
awake is measured, by doing the other thing once in a while: where others want the processor they are not, since the
client has to wait for it then. Of what follows a large request nothing is learned: there throughput matters, and every
microsecond of processor time. A broker that nobody asks anything sleeps.
"""

from __future__ import annotations

import asyncio

from .clock import Clock

SPIN_MS = 0.1
SMALL_BYTES = 4 * 1024
"""What is received at once with a small request is no more than this."""

_WAIT_MIN_MS = 0.01  # what comes sooner was there before the broker would have slept
_WAIT_MAX_MS = 0.3  # so long it may take where the broker has to be woken for it
_TRUST_NEEDED = 16
_TRUST_MAX = 32
_TRUST_LOST = 8
_GAIN = 0.75  # how long waits may at most be, of what they are asleep
_WEIGHT = 1 / 8  # of the last wait in a mean
# The scheduler takes some requests to settle a client on the other processor, so that one alone tells nothing.
_TRIAL_REQUESTS = 16
_TRIAL_EVERY = 512


class Spin:
    """The spinning of one loop; used on its thread."""

    __slots__ = (
        "_allowed",
        "_asleep_ms",
        "_awake_ms",
        "_clock",
        "_count",
        "_end_ms",
        "_is_awake",
        "_is_spinning",
        "_loop",
        "_since_ms",
        "_trust",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, *, allowed: bool) -> None:
        """`allowed`: whether this process may use a processor beside the one on which its client runs."""
        self._allowed = allowed
        self._loop = loop
        self._clock = clock
        self._trust = 0
        self._since_ms = 0.0
        """When the last small request was done with; 0.0 where it is not known how long the next one took to come."""
        self._is_awake = False
        """Whether the next request is waited for awake."""
        self._awake_ms = self._asleep_ms = 0.0
        """How long short waits are, on an average, in which the loop spins, and in which it sleeps."""
        self._count = _TRIAL_REQUESTS  # not with a trial
        self._end_ms = 0.0
        self._is_spinning = False

    def before_read(self) -> None:
        """Something has arrived: learn how long it took to come."""
        since_ms = self._since_ms
        if not since_ms:
            return
        self._since_ms = 0.0
        waited_ms = self._clock.monotonic_ms() - since_ms
        if waited_ms > _WAIT_MAX_MS:
            self._trust = max(self._trust - _TRUST_LOST, 0)
        elif waited_ms < _WAIT_MIN_MS:
            self._trust = max(self._trust - 1, 0)
        else:
            self._trust = min(self._trust + 1, _TRUST_MAX)
            if self._is_awake:
                self._awake_ms += _WEIGHT * (waited_ms - self._awake_ms)
            else:
                self._asleep_ms += _WEIGHT * (waited_ms - self._asleep_ms)

    def after_small(self) -> None:
        """A small request is done with: stay awake where the next one is likely to come soon."""
        if not self._allowed:
            return
        self._since_ms = now_ms = self._clock.monotonic_ms()
        self._is_awake = self._trust >= _TRUST_NEEDED and self._is_worth_it()
        self._end_ms = now_ms + SPIN_MS if self._is_awake else 0.0
        if self._is_awake and not self._is_spinning:
            self._is_spinning = True
            self._loop.call_soon(self._look)

    def _is_worth_it(self) -> bool:
        self._count += 1
        is_trial = self._count % _TRIAL_EVERY < _TRIAL_REQUESTS
        return (self._awake_ms < _GAIN * self._asleep_ms) is not is_trial

    def _look(self) -> None:
        """Called in each turn of the loop, which therefore does not sleep before the next one."""
        if self._clock.monotonic_ms() < self._end_ms:
            self._loop.call_soon(self._look)
        else:
            self._is_spinning = False
