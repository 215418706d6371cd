"""Writing metadata: in as many transactions as the engine asks for, published before anybody is answered.

A controller plans a request against the current image under `lock`, hands what is to be written to `write`, and plans
again what another broker was faster with. A request is answered once the image of its revision is published, so a
client that was told of a change meets it at once. Plans are made one at a time, since two of them must not both find
a name free. Where an engine limits the operations of a transaction a request is written in several, which is as atomic
as its answer with one error code a resource.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from protocol.errors import ErrorCode, KafkaError

from .publisher import ImagePublisher
from .store import Change, Compare, MetadataStore, StoreError

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class Write(NamedTuple):
    """What one resource needs written, and what must not have changed meanwhile."""

    name: str
    compare: Compare
    changes: tuple[Change, ...]


class MetadataWriter:
    """Shared by all controllers of a broker."""

    def __init__(self, store: MetadataStore, images: ImagePublisher) -> None:
        self.lock = asyncio.Lock()
        """Held from planning to the published image."""
        self._store = store
        self._images = images
        self._running: set[asyncio.Task[Any]] = set()

    async def write(self, writes: Sequence[Write]) -> set[str]:
        """Write as many as can be, publish them, and return the names of those to be planned again.

        Those are what another broker was faster with, or what comes after that. Raises StoreError.
        """
        operations = max((len(write.changes) for write in writes), default=1)
        batch_size = self._store.operations_max // operations
        revision = 0
        written = 0
        while written < len(writes):
            batch = writes[written : written + batch_size]
            result = await self._store.txn(
                [write.compare for write in batch], [change for write in batch for change in write.changes]
            )
            revision = result.revision
            if not result.succeeded:
                break
            written += len(batch)
        await self._images.wait_for(revision)
        return {write.name for write in writes[written:]}

    async def within(self, timeout_ms: int, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for the work, no longer than it may take; it goes on then, and may succeed. 0 ms is no time at all.

        Raises KafkaError: REQUEST_TIMED_OUT, or KAFKA_STORAGE_ERROR where the store has failed.
        """
        if timeout_ms <= 0:
            work.close()
            raise KafkaError(ErrorCode.REQUEST_TIMED_OUT, "The request allows no time for what it asks for.")
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._finished)
        await asyncio.wait((task,), timeout=timeout_ms / 1000)
        if not task.done():
            raise KafkaError(ErrorCode.REQUEST_TIMED_OUT, f"The request is not finished after {timeout_ms} ms.")
        try:
            return task.result()
        except StoreError as error:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error

    async def close(self) -> None:
        """Wait for all that was begun, requests that were answered with a timeout included."""
        if self._running:
            await asyncio.wait(self._running)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("[metadata] A request failed: %s", error)
