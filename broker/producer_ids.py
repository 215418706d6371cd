"""Producer ids, unique in the cluster for ever: a broker reserves them in blocks and gives them out one by one.

A block is reserved by moving the counter in the store past it. What is left of a block when the broker stops is
lost, so no id is given twice whatever happens; with 63 bits there is no need to be thrifty.
"""

from __future__ import annotations

import asyncio

from .metadata.keys import PRODUCER_IDS_NEXT
from .metadata.records import decode_number, encode_number
from .metadata.store import Compare, MetadataStore, Put

BLOCK_SIZE = 1000  # as Kafka


class ProducerIdAllocator:
    """Gives out this broker's blocks."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self._next = 0
        self._end = 0  # exclusive
        self._lock = asyncio.Lock()

    def try_next(self) -> int | None:
        """A producer id out of the block at hand, None if it is used up and `next` must be awaited."""
        if self._next == self._end:
            return None
        self._next += 1
        return self._next - 1

    async def next(self) -> int:
        """A producer id; raises StoreError if no block can be reserved."""
        async with self._lock:  # one reservation serves all who wait
            producer_id = self.try_next()
            while producer_id is None:
                await self._reserve_block()
                producer_id = self.try_next()
            return producer_id

    async def _reserve_block(self) -> None:
        while True:
            counter = await self._store.get(PRODUCER_IDS_NEXT)
            first = 0 if counter is None else decode_number(counter.value)
            compare = Compare(PRODUCER_IDS_NEXT, 0 if counter is None else counter.mod_revision)
            change = Put(PRODUCER_IDS_NEXT, encode_number(first + BLOCK_SIZE))
            if (await self._store.txn([compare], [change])).succeeded:
                self._next, self._end = first, first + BLOCK_SIZE
                return
