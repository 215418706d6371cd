"""Producer ids: never given twice, whatever restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.metadata.sqlite import SqliteStore
from broker.metadata.store import StoreError
from broker.producer_ids import BLOCK_SIZE, ProducerIdAllocator


async def test_ids_go_up_from_zero_and_blocks_follow_each_other(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "metadata.db"), durable=False)
    allocator = ProducerIdAllocator(store)
    assert allocator.try_next() is None
    assert [await allocator.next() for _ in range(2 * BLOCK_SIZE + 1)] == list(range(2 * BLOCK_SIZE + 1))
    assert allocator.try_next() == 2 * BLOCK_SIZE + 1
    assert (await store.range("")).revision == 3
    await store.close()


async def test_all_who_wait_for_a_block_share_it(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "metadata.db"), durable=False)
    allocator = ProducerIdAllocator(store)
    ids = await asyncio.gather(*(allocator.next() for _ in range(BLOCK_SIZE + 10)))
    assert sorted(ids) == list(range(BLOCK_SIZE + 10))
    assert (await store.range("")).revision == 2
    await store.close()


async def test_restarts_and_other_brokers_never_give_an_id_twice(tmp_path: Path) -> None:
    given: list[int] = []
    for _ in range(4):
        store = await SqliteStore.open(str(tmp_path / "metadata.db"), durable=False)
        allocators = [ProducerIdAllocator(store) for _ in range(3)]
        for _ in range(BLOCK_SIZE // 2 + 1):
            given += await asyncio.gather(*(allocator.next() for allocator in allocators))
        await store.close()
    assert len(set(given)) == len(given)


async def test_a_block_that_cannot_be_written_is_not_given_out(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "metadata.db"), durable=False)
    allocator = ProducerIdAllocator(store)
    await store.close()
    with pytest.raises(StoreError):
        await allocator.next()
    assert allocator.try_next() is None
