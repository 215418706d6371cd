"""Runs a GroupShard as the broker does, over a log that can refuse, lose its tail, and outlive the coordinator."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any, NamedTuple, Protocol

from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import Moment, Reply, Result, Ticket
from protocol.errors import ErrorCode, KafkaError

from .failure import require
from .log import SimulatedLog
from .requests import Request
from .schedule import Schedule

_TIMER_RETRY_MS = 500
_REFUSALS = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR, ErrorCode.UNKNOWN_SERVER_ERROR)
Cause = Request | tuple[Any, ...] | None
"""Of a result: a request, a timer's key, or None for the loading."""


class Waiting(NamedTuple):
    """A request whose answer is due."""

    request: Request
    since_ms: int


class Observer(Protocol):
    """Sees everything that the coordinator does."""

    def before(self, cause: Cause) -> None: ...

    def appended(self, cause: Cause, result: Result, base_offset: int) -> None:
        """Records are in the log and about to be replayed."""

    def answered(self, ticket: Ticket, request: Request, response: Any) -> None:
        """The state machine has answered; nobody has seen it yet."""

    def refused_whole(self, request: Request, response: Any) -> None:
        """The state machine has raised, or its records were refused and nothing of the result holds."""

    def released(self, request: Request, response: Any) -> None:
        """What the answer rests on is committed."""

    def after(self, cause: Cause) -> None: ...

    def died(self, end_offset: int) -> None:
        """The coordinator is gone, and with it all that it has not written."""

    def loaded(self) -> None: ...


def _as_it_is(result: Result, _shard: GroupShard, _now: Moment) -> Result:
    return result


class Faults:
    """How often what goes wrong; all of it is off in the end of a simulation."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.on = True
        self._refusal_share = random.choice((0, 0.05, 0.05, 0.3))
        self._death_share = random.choice((0, 0.002, 0.002, 0.02))
        self._lag_share = random.choice((0, 0.3, 0.9))

    def refuses(self) -> bool:
        return self.on and self._random.random() < self._refusal_share

    def kills(self) -> bool:
        return self.on and self._random.random() < self._death_share

    def lags(self) -> bool:
        """Whether a follower takes its time."""
        return self.on and self._random.random() < self._lag_share


class _Died(Exception):
    pass


class SimulatedCoordinator:
    """One partition's coordinator in its lives.

    Attributes:
        shard: None while nobody coordinates.
        timers: when each is due, by key.
        waiting: requests that the state machine has yet to answer.
    """

    def __init__(
        self,
        schedule: Schedule,
        random: Random,
        settings: Callable[[], GroupSettings],
        new_uuid: Callable[[], str],
        faults: Faults,
        observer: Observer,
    ) -> None:
        self.log = SimulatedLog()
        self.shard: GroupShard | None = None
        self.settings = settings()
        self.timers: dict[Hashable, int] = {}
        self.waiting: dict[Ticket, Waiting] = {}
        self._schedule = schedule
        self._random = random
        self._make_settings = settings
        self._new_uuid = new_uuid
        self._faults = faults
        self._observer = observer
        self._last_ticket = 0
        self._held: deque[tuple[int, Request, Any]] = deque()

    # Requests

    def receive(self, request: Request) -> None:
        """Carry out a request; its answer may come later, or never."""
        shard = self.shard
        if shard is None:
            request.respond(request.on_error(ErrorCode.NOT_COORDINATOR))
            return
        self._last_ticket += 1
        ticket = Ticket(self._last_ticket)
        observer = self._observer
        observer.before(request)
        self.waiting[ticket] = Waiting(request, self._schedule.monotonic_ms)
        try:
            result = self._write(request.carry_out(shard, self._schedule.now, ticket), request)
        except KafkaError as error:
            del self.waiting[ticket]
            response = request.on_error(error.code)
            observer.refused_whole(request, response)
            request.respond(response)
        except _Died:
            self.die()
            return
        else:
            self._arm(result.timers)
            replies = result.replies if result.reply is None else [*result.replies, Reply(ticket, result.reply)]
            self._reply(replies)
        observer.after(request)

    def run(self, request: Request) -> None:
        """Carry out what nobody waits for."""
        if self.shard is not None:
            self._carry_out(request, lambda shard, now: request.carry_out(shard, now, Ticket(0)))

    # Results

    def _write(self, result: Result, cause: Cause) -> Result:
        if not result.records:
            return result
        if self._faults.kills():
            raise _Died
        if self._faults.refuses():
            code = self._random.choice(_REFUSALS)
            if result.on_refused is None:
                raise KafkaError(code)
            instead = result.on_refused(code)
            require(not instead.records, "a result that sets right needs records")
            return instead
        base_offset = self.log.append(result.records)
        self._observer.appended(cause, result, base_offset)
        if self._faults.kills():
            raise _Died
        shard = self.shard
        assert shard is not None
        for record in result.records:
            require(shard.replay(*record), "a record of its own that it cannot read", record)
        if not self._faults.lags():
            self._commit()
        elif len(self.log.batches_not_committed) == 1:
            self._schedule.after(self._random.randint(1, 80), self._commit)
        return result

    def _commit(self) -> None:
        self.log.commit()
        while self._held and self._held[0][0] <= self.log.high_watermark:
            _, request, response = self._held.popleft()
            self._release(request, response)

    def _carry_out(self, cause: Cause, step: Callable[[GroupShard, Moment], Result]) -> bool:
        shard = self.shard
        assert shard is not None
        self._observer.before(cause)
        try:
            result = self._write(step(shard, self._schedule.now), cause)
        except KafkaError:
            return False
        except _Died:
            self.die()
            return True
        self._arm(result.timers)
        self._reply(result.replies)
        self._observer.after(cause)
        return True

    def _reply(self, replies: Iterable[Reply]) -> None:
        for ticket, response in replies:
            waiting = self.waiting.pop(ticket, None)
            require(waiting is not None, "a reply to a request that does not wait", ticket, response)
            assert waiting is not None
            self._observer.answered(ticket, waiting.request, response)
            if self.log.high_watermark >= self.log.end_offset:
                self._release(waiting.request, response)
            else:
                self._held.append((self.log.end_offset, waiting.request, response))

    def _release(self, request: Request, response: Any) -> None:
        self._observer.released(request, response)
        request.respond(response)

    # Timers

    def _arm(self, timers: Mapping[Hashable, int | None]) -> None:
        for key, delay_ms in timers.items():
            if delay_ms is None:
                self.timers.pop(key, None)
                continue
            require(delay_ms >= 0, "a timer in the past", key, delay_ms)
            self.timers[key] = due_ms = self._schedule.monotonic_ms + delay_ms
            self._schedule.after(delay_ms, partial(self._on_timer, key, due_ms))

    def _on_timer(self, key: Hashable, due_ms: int) -> None:
        if self.timers.get(key) != due_ms:
            return  # cancelled or set anew
        del self.timers[key]
        assert isinstance(key, tuple)
        if not self._carry_out(key, lambda shard, now: shard.on_timer(key, now)):
            self._arm({key: _TIMER_RETRY_MS})
            self._observer.after(key)

    # Life

    def die(self) -> None:
        """Be gone in the middle of anything; some who wait are told so, others hear nothing."""
        self.shard = None
        self.timers.clear()
        silent = self._random.random() < 0.5
        unanswered = [waiting.request for waiting in self.waiting.values()] + [request for _, request, _ in self._held]
        self.waiting.clear()
        self._held.clear()
        self._observer.died(self.log.lose_tail(self._random))
        for request in unanswered:
            request.respond(None if silent else request.on_error(ErrorCode.NOT_COORDINATOR))
        self._schedule.after(self._random.choice((1, 100, 3_000, 30_000)), self.load)

    def load(self) -> None:
        """Begin a life: read the log, which may have been compacted, and serve."""
        if self._random.random() < 0.5:
            self.log.compact(self._random)
        self.settings = self._make_settings()
        self.shard = shard = self.fresh_shard()
        self._observer.loaded()
        for result in shard.on_loaded(self._schedule.now):
            self._carry_out(None, partial(_as_it_is, result))
            if self.shard is not shard:
                return  # it has died

    def fresh_shard(self) -> GroupShard:
        """A state machine that has replayed the log."""
        shard = GroupShard(self.settings, self._new_uuid)
        for _, key, value in self.log.records:
            shard.replay(key, value)
        return shard
