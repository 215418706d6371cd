"""Chance, in the few forms in which scripts need it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """All chance of one script; the same seed draws the same."""

    def __init__(self, seed: str) -> None:
        # A text is hashed by itself, not by hash(), which is another in each process.
        self._random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        """True so often."""
        return self._random.random() < probability

    def number(self, first: int, last: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(first, last)

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return self._random.choice(items)

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys, as often as its weight says."""
        return self._random.choices(list(weights), list(weights.values()))[0]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """So many different ones, or all that there are, in any order."""
        return self._random.sample(items, min(count, len(items)))

    def data(self, size: int) -> bytes:
        """So many bytes."""
        return self._random.randbytes(size)
