"""Two answers, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from .messages import Plain
from .normal import FREE_ORDER
from .side import Outcome

MISSING: Final = "<missing>"


class Difference(NamedTuple):
    """A field that is not the same on both sides.

    `path` has the elements of arrays as `[3]`, or where their order is free as `[orders]`; it is empty where one side
    has no answer at all.
    """

    path: tuple[str, ...]
    kafka: Plain
    ottla: Plain

    @property
    def fields(self) -> tuple[str, ...]:
        """The path without the elements of arrays."""
        return tuple(step for step in self.path if not step.startswith("["))

    def __str__(self) -> str:
        return f"{'.'.join(self.path).replace('.[', '[') or 'outcome'}: Kafka {self.kafka!r}, Ottla {self.ottla!r}"


def compare(api: str, kafka: Outcome, ottla: Outcome) -> list[Difference]:
    """All differences between two normalized outcomes."""
    if kafka.answer is None or ottla.answer is None:
        if kafka == ottla:
            return []
        return [Difference((), kafka.absence or kafka.answer, ottla.absence or ottla.answer)]
    return list(_compare(api, (), kafka.answer, ottla.answer))


def _compare(api: str, path: tuple[str, ...], kafka: Plain, ottla: Plain) -> Iterator[Difference]:
    if kafka == ottla:
        return
    if isinstance(kafka, dict) and isinstance(ottla, dict):
        for name in kafka:
            yield from _compare(api, (*path, name), kafka[name], ottla[name])
    elif isinstance(kafka, list) and isinstance(ottla, list):
        keys = FREE_ORDER.get(api, {}).get(tuple(step for step in path if not step.startswith("[")))
        if keys is not None:
            yield from _compare_by_key(api, path, _by_key(kafka, keys), _by_key(ottla, keys))
        elif len(kafka) == len(ottla):
            for index, (theirs, ours) in enumerate(zip(kafka, ottla, strict=True)):
                yield from _compare(api, (*path, f"[{index}]"), theirs, ours)
        else:
            yield Difference(path, kafka, ottla)
    else:
        yield Difference(path, kafka, ottla)


def _by_key(items: list[Plain], keys: tuple[str, ...]) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    for item in items:
        key = " ".join(str(item[name]) for name in keys if name in item)
        while key in found:
            key += "'"
        found[key] = item
    return found


def _compare_by_key(
    api: str, path: tuple[str, ...], kafka: dict[str, Plain], ottla: dict[str, Plain]
) -> Iterator[Difference]:
    for key in dict.fromkeys([*kafka, *ottla]):
        yield from _compare(api, (*path, f"[{key}]"), kafka.get(key, MISSING), ottla.get(key, MISSING))
