"""Makes a failing script short: fewer requests, and fewer things in each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from .script import Script, Step, Value

BUDGET_S: Final = 120.0
"""How long shrinking may take; what it has come to by then is good enough."""


def shrink(script: Script, fails: Callable[[Script], bool], budget_s: float = BUDGET_S) -> list[Step]:
    """Return a script that still fails, and from which nothing can be taken away, if there is time enough for that."""
    end = time.monotonic() + budget_s

    def still_fails(candidate: Script) -> bool:
        return time.monotonic() < end and fails(candidate)

    return _with_simpler_steps(_with_fewer_steps(list(script), still_fails), still_fails)


def _with_fewer_steps(steps: list[Step], fails: Callable[[Script], bool]) -> list[Step]:
    """Leave out runs of steps, half of them at first, in the end one at a time."""
    size = max(1, len(steps) // 2)
    while True:
        start = 0
        while start < len(steps):
            candidate = steps[:start] + steps[start + size :]
            if candidate and fails(candidate):
                steps = candidate
            else:
                start += size
        if size == 1:
            return steps
        size //= 2


def _with_simpler_steps(steps: list[Step], fails: Callable[[Script], bool]) -> list[Step]:
    """Take elements out of arrays and fields out of structures, as long as any of it goes."""
    index = 0
    while index < len(steps):
        for simpler in _simpler_fields(steps[index].fields):
            candidate = [*steps[:index], replace(steps[index], fields=simpler), *steps[index + 1 :]]
            if fails(candidate):
                steps = candidate
                break
        else:
            index += 1
    return steps


def _simpler_fields(fields: Mapping[str, Value]) -> Iterator[Mapping[str, Value]]:
    for name, value in fields.items():
        yield {other: fields[other] for other in fields if other != name}
        for simpler in _simpler(value):
            yield {**fields, name: simpler}


def _simpler(value: Value) -> Iterator[Value]:
    if isinstance(value, Mapping):
        yield from _simpler_fields(value)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield value[:index] + value[index + 1 :]
        for index, item in enumerate(value):
            for simpler in _simpler(item):
                yield [*value[:index], simpler, *value[index + 1 :]]
