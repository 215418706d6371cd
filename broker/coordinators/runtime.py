"""Runs the pure state machines of a coordinator: one for each led partition of its topic, whose log is its memory.

A request goes to the state machine, the records that come of it into the log as one batch and then, replayed, into the
state machine's persisted state; timers are armed on the broker's wheel, and replies released once the high watermark
has passed what they rest on. With a single replica that is at once: the reply is then returned without a future.

Everything that may come in thousands takes turns with the rest of the loop: loading, timers that are due together, the
replies of a large group's rebalance.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic

from protocol.errors import ErrorCode, KafkaError

from ..clock import Clock
from ..core.result import Moment, Result
from ..delayed import DelayedRequests
from ..partition import Partition
from ..rate_limited_log import RateLimitedLog
from .led_partition import LedPartition, OnError, Operation, R, ReadyReply, Services, ShardT, Timer
from .log_replay import LogReplay
from .pace import Pace
from .turn_queue import TurnQueue

logger = logging.getLogger(__name__)

# Each costs its connection some 50 µs to encode and send.
_REPLIES_PER_TURN = 64
# Most write a record and rearrange a group.
_TIMERS_PER_TURN = 16


class CoordinatorRuntime(Generic[ShardT]):
    """The led partitions of one coordinator's topic; all its methods run on the loop's thread.

    Args:
        name: what the log calls it.
        make_shard: makes the state machine of one partition, empty.
        commit_timeout_ms: how long a reply may wait for the high watermark before it becomes an error.
        load_chunk_bytes: how much of a log is read at once.
    """

    def __init__(
        self,
        name: str,
        make_shard: Callable[[], ShardT],
        clock: Clock,
        delayed: DelayedRequests,
        *,
        commit_timeout_ms: int,
        load_chunk_bytes: int,
    ) -> None:
        self._name = name
        self._make_shard = make_shard
        self._clock = clock
        self._load_chunk_bytes = load_chunk_bytes
        self._services = Services(
            clock,
            delayed,
            TurnQueue(ReadyReply.send, _REPLIES_PER_TURN),
            TurnQueue(Timer.fire, _TIMERS_PER_TURN),
            RateLimitedLog(logger, clock),
            commit_timeout_ms,
        )
        self._led: dict[int, LedPartition[ShardT]] = {}
        self._to_load: deque[LedPartition[ShardT]] = deque()
        self._loader: asyncio.Task[None] | None = None
        self._absence = ErrorCode.NOT_COORDINATOR

    @property
    def waiting_count(self) -> int:
        """How many requests wait for their reply."""
        return sum(led.waiting_count for led in self._led.values())

    # --- requests ----------------------------------------------------------------------------------------------

    def call(self, index: int, operation: Operation[ShardT], on_error: OnError[R]) -> R | asyncio.Future[R]:
        """Carry out an operation on the state machine of a partition, and return its reply or a future of it.

        Errors are what `on_error` makes of them: NOT_COORDINATOR and COORDINATOR_LOAD_IN_PROGRESS where the partition
        is not served here or not yet, COORDINATOR_NOT_AVAILABLE where its records are not replicated, the code of a
        KafkaError that the operation raises, UNKNOWN_SERVER_ERROR for anything else that it raises.
        """
        led = self._led.get(index)
        if led is None:
            return on_error(self._absence)
        if led.refusal is not None:
            return on_error(led.refusal)
        return led.call(operation, on_error)

    async def call_each(self, operation: Operation[ShardT], on_error: OnError[R]) -> list[R]:
        """Carry out an operation on the state machines of all partitions, in turns with the rest of the loop."""
        pace = Pace(self._clock)
        replies = []
        for index in list(self._led):
            await pace.keep()
            reply = self.call(index, operation, on_error)
            replies.append(await reply if isinstance(reply, asyncio.Future) else reply)
        return replies

    async def run_on_each(self, operation: Callable[[ShardT, Moment], Result]) -> None:
        """Carry out an operation that nobody waits for; on a partition that is being loaded, before it serves."""
        pace = Pace(self._clock)
        for led in list(self._led.values()):
            await pace.keep()
            led.run(operation)

    # --- partitions --------------------------------------------------------------------------------------------

    def follow(self, partitions: Mapping[int, Partition]) -> None:
        """Serve these partitions, which are the ones led here, from now on and no others.

        One whose log is empty is served at once, any other after its log has been read.
        """
        if self._absence is ErrorCode.COORDINATOR_NOT_AVAILABLE:
            return
        for index, led in list(self._led.items()):
            if partitions.get(index) is not led.partition:
                led.close()
        for index, partition in partitions.items():
            if index not in self._led:
                self._lead(index, partition)

    def _lead(self, index: int, partition: Partition) -> None:
        led = self._led[index] = LedPartition(partition, self._make_shard(), self._services, self._on_left)
        log = partition.log
        if log.log_start_offset < log.log_end_offset:
            self._to_load.append(led)
            if self._loader is None:
                self._loader = asyncio.get_running_loop().create_task(self._load_all(), name=f"load-{self._name}")
            return
        try:
            for _ in led.begin():
                pass
        except Exception:
            logger.exception("[%s] The coordinator cannot be started", led)
            led.close()

    def _on_left(self, led: LedPartition[ShardT]) -> None:
        del self._led[led.partition.index]
        with contextlib.suppress(ValueError):
            self._to_load.remove(led)

    async def close(self) -> None:
        """Serve no more: what waits is answered with NOT_COORDINATOR, new requests with COORDINATOR_NOT_AVAILABLE."""
        self._absence = ErrorCode.COORDINATOR_NOT_AVAILABLE
        for led in list(self._led.values()):
            led.close()
        if self._loader is not None:
            await self._loader

    # --- loading -----------------------------------------------------------------------------------------------

    async def _load_all(self) -> None:
        """Load one partition after the other: the first ones serve while the last ones wait for their turn."""
        pace = Pace(self._clock)
        started_ms = self._clock.monotonic_ms()
        partitions_count = records_count = size_bytes = 0
        while self._to_load:
            replay = await self._load(self._to_load.popleft(), pace)
            if replay is not None:
                partitions_count += 1
                records_count += replay.records_count
                size_bytes += replay.size_bytes
        self._loader = None
        logger.info(
            "[%s] %d partitions were loaded in %d ms: %d records, %d bytes",
            self._name,
            partitions_count,
            self._clock.monotonic_ms() - started_ms,
            records_count,
            size_bytes,
        )

    async def _load(self, led: LedPartition[ShardT], pace: Pace) -> LogReplay | None:
        """Load one partition and begin to serve it; None if that cannot be, or not any longer."""
        partition = led.partition
        replay = LogReplay(partition.log, led.shard.replay, pace, self._load_chunk_bytes, lambda: not led.closed)
        try:
            await replay.run()
            if led.closed:
                return None
            for _ in led.begin():
                await pace.keep()
        except OSError as error:
            logger.error("[%s] The coordinator cannot be loaded: %s", led, partition.storage_error(error))
        except KafkaError as error:
            logger.error("[%s] The coordinator cannot be loaded: %s", led, error)
        except Exception:
            logger.exception("[%s] The coordinator cannot be loaded", led)
        else:
            if replay.skipped_count:
                logger.warning(
                    "[%s] %d batches or records of the coordinator are unreadable, they stay and have no effect; %s",
                    led,
                    replay.skipped_count,
                    replay.skipped_reason,
                )
            return replay
        led.close()
        return None
