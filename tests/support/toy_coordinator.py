"""A coordinator's runtime around a toy state machine, on real logs whose high watermark a test may hold back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

from broker.coordinators.runtime import CoordinatorRuntime
from broker.core.result import CoordinatorRecord, Moment, Reply, Result, Ticket
from broker.delayed import DelayedRequests
from broker.partition import Partition
from protocol.errors import ErrorCode, KafkaError
from storage.filesystem import Filesystem
from storage.log import AppendResult, Log
from storage.log_config import LogConfig
from tests.support.manual_clock import ManualClock

TOPIC = "toys"
COMMIT_TIMEOUT_MS = 5_000


class Toys:
    """Counts by name, each the value of its last record; whoever waits for a count is answered when it is reached."""

    def __init__(self) -> None:
        self.counts: dict[bytes, int] = {}
        self.replayed: list[tuple[bytes, bytes | None]] = []
        self.fired: list[tuple[Any, Moment]] = []
        self.on_fire: Callable[[Any], Result] = lambda key: Result()
        self.loaded: list[Result] = []
        """What `on_loaded` yields."""
        self.loaded_at: Moment | None = None
        self._waiting: list[tuple[bytes, int, Ticket]] = []

    def replay(self, key: bytes, value: bytes | None) -> bool:
        if value is not None and not value.isdigit():
            return False
        self.replayed.append((key, value))
        if value is None:
            self.counts.pop(key, None)
        else:
            self.counts[key] = int(value)
        return True

    def on_loaded(self, now: Moment) -> Iterator[Result]:
        self.loaded_at = now
        yield from self.loaded

    def on_timer(self, key: Any, now: Moment) -> Result:
        self.fired.append((key, now))
        return self.on_fire(key)

    # Operations

    def add(self, *names: bytes) -> Result:
        """Count one more of each; the reply is the last one's new count."""
        counts = [(name, self.counts.get(name, 0) + 1) for name in names]
        result = Result(counts[-1][1], [CoordinatorRecord(name, b"%d" % count) for name, count in counts])
        for waiting in list(self._waiting):
            name, count, ticket = waiting
            if (name, count) in counts:
                self._waiting.remove(waiting)
                result.replies.append(Reply(ticket, count))
        return result

    def get(self, name: bytes) -> Result:
        return Result(self.counts.get(name, 0))

    def wait_for(self, name: bytes, count: int, ticket: Ticket) -> Result:
        self._waiting.append((name, count, ticket))
        return Result()

    def answer_all(self, response: Any) -> Result:
        """Answer all that wait, without a record."""
        result = Result(response)
        result.replies = [Reply(ticket, response) for _, _, ticket in self._waiting]
        self._waiting.clear()
        return result


class HeldBackPartition(Partition):
    """Refuses appends and holds back its high watermark if a test says so."""

    __slots__ = ("held_back", "refusal")

    held_back: bool
    refusal: KafkaError | None

    def append_as_leader(self, records: memoryview | bytes, now_ms: int, acks: int) -> AppendResult:
        if self.refusal is not None:
            raise self.refusal
        return super().append_as_leader(records, now_ms, acks)

    def _advance_high_watermark(self, offset: int, size_bytes: int) -> None:
        if not self.held_back:
            super()._advance_high_watermark(offset, size_bytes)

    def commit(self, offset: int | None = None) -> None:
        """Move the high watermark up to an offset, by default to the log's end."""
        super()._advance_high_watermark(self.log.log_end_offset if offset is None else offset, 0)


class ToyRuntime:
    """The runtime, its clock, and the partitions that it leads."""

    def __init__(self, directory: Path, config: LogConfig | None = None, filesystem: Filesystem | None = None) -> None:
        self.clock = ManualClock()
        self.delayed = DelayedRequests(self.clock)
        self.shards: list[Toys] = []
        """In the order in which they were made."""
        self.prepare_shard: Callable[[Toys], None] = lambda shard: None
        self.partitions: dict[int, HeldBackPartition] = {}
        self.storage_errors: list[OSError] = []
        self.runtime = CoordinatorRuntime(
            TOPIC,
            self._make_shard,
            self.clock,
            self.delayed,
            commit_timeout_ms=COMMIT_TIMEOUT_MS,
            load_chunk_bytes=1 << 16,
        )
        self._directory = directory
        self._config = config or LogConfig()
        self._filesystem = filesystem or Filesystem()

    def _make_shard(self) -> Toys:
        shard = Toys()
        self.prepare_shard(shard)
        self.shards.append(shard)
        return shard

    def _on_storage_error(self, partition: Partition, error: OSError) -> KafkaError:
        self.storage_errors.append(error)
        self.partitions.pop(partition.index).leave()
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error))

    def host(self, index: int = 0) -> HeldBackPartition:
        """Make a partition, on the log that there is or a new one; the runtime does not know of it yet."""
        directory = self._directory / f"{TOPIC}-{index}"
        if directory.exists():
            log = Log.open(str(directory), TOPIC, index, self._config, self._filesystem, now_ms=self.clock.now_ms())
        else:
            directory.mkdir()
            log = Log.create(str(directory), TOPIC, index, self._config, self._filesystem, now_ms=self.clock.now_ms())
        partition = HeldBackPartition(TOPIC, bytes(16), index, log, self.delayed, self._on_storage_error)
        partition.held_back = False
        partition.refusal = None
        partition.lead(1, 0)
        self.partitions[index] = partition
        return partition

    def lead(self, index: int = 0) -> HeldBackPartition:
        """Make a partition and have the runtime lead it."""
        partition = self.host(index)
        self.runtime.follow(self.partitions)
        return partition

    def leave(self, index: int = 0) -> None:
        """Close the partition's log and have the partition leave."""
        partition = self.partitions.pop(index)
        partition.leave()
        self.runtime.follow(self.partitions)
        partition.log.close()

    def call(self, operation: Callable[[Toys], Result], index: int = 0) -> Any:
        """Carry out an operation that needs no ticket; an error becomes its ErrorCode."""
        return self.runtime.call(index, lambda shard, now, ticket: operation(shard), _code)

    def wait_for(self, name: bytes, count: int, index: int = 0) -> asyncio.Future[Any]:
        reply = self.runtime.call(index, lambda shard, now, ticket: shard.wait_for(name, count, ticket), _code)
        assert isinstance(reply, asyncio.Future)
        return reply

    def arm(self, timers: dict[Hashable, int | None], index: int = 0) -> None:
        def operation(shard: Toys) -> Result:
            result = Result("armed")
            result.timers = timers
            return result

        assert self.call(operation, index) == "armed"

    async def advance(self, duration_ms: int) -> None:
        """Let time go on, and all that is due then be done."""
        self.clock.advance(duration_ms)
        self.delayed.complete_due()
        await turns()

    async def loaded(self) -> None:
        """Wait until nothing is being loaded."""
        async with asyncio.timeout(30):
            while self.call(lambda shard: shard.get(b"")) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
                await asyncio.sleep(0)

    async def close(self) -> None:
        await self.runtime.close()
        for partition in self.partitions.values():
            partition.log.close_files()


def _code(code: ErrorCode) -> ErrorCode:
    return code


async def turns(count: int = 5) -> None:
    """Let the loop go around a few times."""
    for _ in range(count):
        await asyncio.sleep(0)
