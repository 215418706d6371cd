"""A partition of a coordinator's topic that is led here: its state machine, its log, and what waits for either."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from protocol.errors import ErrorCode, KafkaError
from protocol.records import build_key_values

from ..clock import Clock
from ..core.result import Coordinator, Moment, Reply, Result, Ticket
from ..delayed import DelayedRequests, Waiter
from ..partition import ACKS_ALL, Partition, PartitionListener
from ..rate_limited_log import RateLimitedLog
from .turn_queue import TurnQueue

logger = logging.getLogger(__name__)

ShardT = TypeVar("ShardT", bound=Coordinator)
R = TypeVar("R")

Operation = Callable[[ShardT, Moment, Ticket], Result]
OnError = Callable[[ErrorCode], R]

# Kafka's backoff for a timer whose records could not be written.
_TIMER_RETRY_MS = 500

# What a coordinator's client is told where its records were refused with another error; as in Kafka.
_CODES_OF_REFUSALS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}


class ReadyReply(NamedTuple):
    """A reply on its way to the connection that waits for it."""

    future: asyncio.Future[Any]
    response: Any

    def send(self) -> None:
        """Hand it over, unless the connection has closed."""
        if not self.future.done():
            self.future.set_result(self.response)


class Timer(Waiter):
    """A timer of a state machine, on the broker's wheel until it is due and then in the queue of due ones."""

    __slots__ = ("_due", "key", "led")

    def __init__(self, led: LedPartition[Any], key: Hashable, due: TurnQueue[Timer]) -> None:
        self.led = led
        self.key = key
        self._due = due

    def complete(self) -> None:
        self._due.put(self)

    def fire(self) -> None:
        """Call the state machine, unless the timer was cancelled or set anew in the meantime."""
        self.led.on_timer(self)


class Services(NamedTuple):
    """What all partitions of a runtime use."""

    clock: Clock
    delayed: DelayedRequests
    ready_replies: TurnQueue[ReadyReply]
    due_timers: TurnQueue[Timer]
    refusals: RateLimitedLog
    commit_timeout_ms: int


class _WaitingRequest(NamedTuple):
    future: asyncio.Future[Any]
    on_error: OnError[Any]


class _HeldReplies(Waiter):
    """Replies that must not be seen before the high watermark has reached `end_offset`."""

    __slots__ = ("_led", "end_offset", "replies")

    def __init__(self, led: LedPartition[Any], end_offset: int, replies: Iterable[Reply]) -> None:
        self._led = led
        self.end_offset = end_offset
        self.replies = replies

    def complete(self) -> None:
        self._led.on_commit_timeout(self)


class LedPartition(PartitionListener, Generic[ShardT]):
    """One partition's coordinator, from the beginning of its loading until `close`."""

    __slots__ = (
        "_end_offset",
        "_held",
        "_last_ticket",
        "_on_left",
        "_operations_once_loaded",
        "_services",
        "_timers",
        "_timers_once_loaded",
        "_waiting",
        "partition",
        "refusal",
        "shard",
    )

    def __init__(
        self,
        partition: Partition,
        shard: ShardT,
        services: Services,
        on_left: Callable[[LedPartition[ShardT]], None],
    ) -> None:
        self.partition = partition
        self.shard = shard
        self.refusal: ErrorCode | None = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        """What to answer requests with; None while they are served."""
        self._services = services
        self._on_left = on_left
        self._end_offset = 0
        """The offset after the last record that was replayed."""
        self._last_ticket = 0
        self._waiting: dict[Ticket, _WaitingRequest] = {}
        self._held: deque[_HeldReplies] = deque()
        self._timers: dict[Hashable, Timer] = {}
        self._timers_once_loaded: dict[Hashable, int | None] = {}
        self._operations_once_loaded: list[Callable[[ShardT, Moment], Result]] = []
        partition.watch(self)

    def __str__(self) -> str:
        return str(self.partition)

    @property
    def closed(self) -> bool:
        """Whether it serves no more."""
        return self.refusal is ErrorCode.NOT_COORDINATOR

    @property
    def waiting_count(self) -> int:
        """How many requests wait for their reply."""
        return len(self._waiting)

    # --- requests ----------------------------------------------------------------------------------------------

    def call(self, operation: Operation[ShardT], on_error: OnError[R]) -> R | asyncio.Future[R]:
        """Carry out an operation that somebody waits for, once loaded; see `CoordinatorRuntime.call`."""
        self._last_ticket += 1
        ticket = Ticket(self._last_ticket)
        now = self._now()
        try:
            result = operation(self.shard, now, ticket)
            if result.records:
                result = self._write(result, now.wall_ms)
        except KafkaError as error:
            return on_error(error.code)
        except Exception:
            logger.exception("[%s] A request to the coordinator failed", self)
            return on_error(ErrorCode.UNKNOWN_SERVER_ERROR)
        if result.timers:
            self._arm(result.timers)
        if result.notes:
            self._log(result.notes)
        reply: R | None = result.reply
        if reply is not None and self.partition.high_watermark >= self._end_offset:
            if result.replies:
                self._release(result.replies)
            return reply
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        future.add_done_callback(partial(self._on_done, ticket))
        self._waiting[ticket] = _WaitingRequest(future, on_error)
        self._reply([*result.replies, Reply(ticket, reply)] if reply is not None else result.replies)
        return future

    def run(self, operation: Callable[[ShardT, Moment], Result]) -> None:
        """Carry out an operation that nobody waits for, once loaded."""
        if self.refusal is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            self._operations_once_loaded.append(operation)
        elif self.refusal is None:
            self._carry_out(partial(operation, self.shard))

    def _on_done(self, ticket: Ticket, future: asyncio.Future[Any]) -> None:
        """Forget the request of a connection that has closed: it has cancelled the future."""
        if future.cancelled():
            self._waiting.pop(ticket, None)

    # --- results -----------------------------------------------------------------------------------------------

    def _write(self, result: Result, now_ms: int) -> Result:
        """Append the records, replay them, and return what of the result is still to be done.

        Raises KafkaError with the caller's code where they are refused and nothing has to be set right.
        """
        batch = build_key_values(result.records, now_ms)
        try:
            appended = self.partition.append_as_leader(batch, now_ms, ACKS_ALL)
        except KafkaError as error:
            code = _CODES_OF_REFUSALS.get(error.code, error.code)
            self._services.refusals.warning("[%s] Records of the coordinator were refused: %s", self, error)
            if result.on_refused is None or self.closed:
                raise KafkaError(code, error.message) from error
            refused = result.on_refused(code)
            assert not refused.records
            return refused
        self._end_offset = appended.last_offset + 1
        replay = self.shard.replay
        for key, value in result.records:
            replay(key, value)
        return result

    def _carry_out(self, step: Callable[[Moment], Result]) -> bool:
        """Do what nobody waits for; False if it has failed."""
        now = self._now()
        try:
            result = step(now)
            if result.records:
                result = self._write(result, now.wall_ms)
        except KafkaError:
            return False  # logged where the records were refused
        except Exception:
            logger.exception("[%s] The coordinator failed", self)
            return False
        self._arm(result.timers)
        self._log(result.notes)
        self._reply(result.replies)
        return True

    def _log(self, notes: Iterable[str]) -> None:
        for note in notes:
            # Clients choose the names in it, and shall not write lines of their own.
            logger.info("%s", note if note.isprintable() else ascii(note))

    def _now(self) -> Moment:
        clock = self._services.clock
        # Made so, it takes a third of the time: one for each commit.
        now: Moment = tuple.__new__(Moment, (clock.now_ms(), int(clock.monotonic_ms())))
        return now

    # --- replies -----------------------------------------------------------------------------------------------

    def _reply(self, replies: Iterable[Reply]) -> None:
        """Release the replies once all that was replayed up to now is committed."""
        if self.partition.high_watermark >= self._end_offset:
            self._release(replies)
        elif replies:
            held = _HeldReplies(self, self._end_offset, replies)
            self._held.append(held)
            self._services.delayed.park(held, self._services.commit_timeout_ms)

    def _release(self, replies: Iterable[Reply]) -> None:
        for ticket, response in replies:
            waiting = self._waiting.pop(ticket, None)
            if waiting is not None:
                self._services.ready_replies.put(ReadyReply(waiting.future, response))

    def _refuse(self, tickets: Iterable[Ticket], code: ErrorCode) -> None:
        self._release([Reply(ticket, self._waiting[ticket].on_error(code)) for ticket in tickets])

    def on_committed(self, size_bytes: int) -> None:
        held = self._held
        while held and held[0].end_offset <= self.partition.high_watermark:
            first = held.popleft()
            self._services.delayed.cancel(first)
            self._release(first.replies)

    def on_commit_timeout(self, held: _HeldReplies) -> None:
        """Tell who waits for these replies that the records are not committed in time; they may yet be."""
        self._held.remove(held)
        self._refuse(
            [reply.ticket for reply in held.replies if reply.ticket in self._waiting],
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
        )

    # --- timers ------------------------------------------------------------------------------------------------

    def _arm(self, timers: Mapping[Hashable, int | None]) -> None:
        if self.refusal is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            self._timers_once_loaded.update(timers)
            return
        delayed = self._services.delayed
        for key, wait_ms in timers.items():
            timer = self._timers.pop(key, None)
            if timer is not None and not delayed.cancel(timer):
                timer = None  # it is due, and must find when its turn comes that it does not hold any more
            if wait_ms is not None:
                timer = timer or Timer(self, key, self._services.due_timers)
                self._timers[key] = timer
                delayed.park(timer, wait_ms)

    def on_timer(self, timer: Timer) -> None:
        """A timer is due; where what it does fails, it is tried again."""
        key = timer.key
        if self._timers.get(key) is not timer:
            return
        del self._timers[key]
        if not self._carry_out(partial(self.shard.on_timer, key)) and self.refusal is None:
            self._arm({key: _TIMER_RETRY_MS})

    # --- life --------------------------------------------------------------------------------------------------

    def begin(self) -> Iterator[None]:
        """Begin to serve what was replayed; in steps, none of them long."""
        self._end_offset = self.partition.log.log_end_offset
        for result in self.shard.on_loaded(self._now()):
            self._carry_out(partial(_at_hand, result))
            yield
            if self.closed:
                return
        self.refusal = None
        self._arm(self._timers_once_loaded)
        self._timers_once_loaded = {}
        for operation in self._operations_once_loaded:
            self.run(operation)
        self._operations_once_loaded = []

    def on_changed(self, partition: Partition) -> None:
        if not partition.hosted:
            self.close()

    def close(self) -> None:
        """Serve no more: whoever waits is answered with NOT_COORDINATOR, and no timer fires."""
        if self.closed:
            return
        self.refusal = ErrorCode.NOT_COORDINATOR
        self.partition.unwatch(self)
        delayed = self._services.delayed
        for timer in self._timers.values():
            delayed.cancel(timer)
        self._timers.clear()
        for held in self._held:
            delayed.cancel(held)
        self._held.clear()
        self._refuse(list(self._waiting), ErrorCode.NOT_COORDINATOR)
        self._on_left(self)


def _at_hand(result: Result, now: Moment) -> Result:
    return result
