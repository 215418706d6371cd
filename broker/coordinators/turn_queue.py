"""Work that comes in thousands, done a few a turn of the loop so that others have theirs in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TurnQueue(Generic[T]):
    """First in, first out; an item is handed to `work` in the next turn of the loop at the earliest."""

    def __init__(self, work: Callable[[T], None], items_per_turn: int) -> None:
        self._work = work
        self._items_per_turn = items_per_turn
        self._items: deque[T] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Have the item worked on once all before it have been."""
        self._items.append(item)
        self._schedule()

    def _schedule(self) -> None:
        if self._items and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._scheduled = False
        try:
            for _ in range(min(self._items_per_turn, len(self._items))):
                self._work(self._items.popleft())
        finally:
            self._schedule()
