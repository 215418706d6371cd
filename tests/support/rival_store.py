"""A metadata store that another broker uses, too, and that holds few operations a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from broker.metadata.store import Change, Compare, MetadataStore, TxnResult


class RivalStore:
    """Passes everything on to a store, on which the rival makes the next of its `moves` right before a transaction."""

    operations_max = 4

    def __init__(self, store: MetadataStore) -> None:
        self._store = store
        self.moves: list[list[Change]] = []
        self.sizes: list[int] = []
        """How many comparisons, or changes if there were more, each transaction held."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def txn(self, compares: Sequence[Compare], changes: Sequence[Change]) -> TxnResult:
        """Let the rival move first."""
        self.sizes.append(max(len(compares), len(changes)))
        if self.moves:
            await self._store.txn([], self.moves.pop(0))
        return await self._store.txn(compares, changes)
