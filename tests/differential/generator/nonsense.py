"""Makes a request wrong in one or two of its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from protocol.schema import Field, Struct

from ..batches import DAMAGES
from ..messages import RANGES, fields_of, request_class
from ..script import Call, Value
from .draw import Draw

TIMEOUTS: Final = (0, -1, -(2**31), 2**31 - 1)
ALLOWED: Final[Mapping[str, tuple[Value, ...]]] = {
    # What ends a wait at a moment of its own would make a script depend on how fast it runs.
    "Fetch.max_wait_ms": (0, -1, -(2**31), 20),
    "JoinGroup.session_timeout_ms": (0, -1, 5999, 1_800_001, 2**31 - 1),
    "JoinGroup.rebalance_timeout_ms": (),
    # What there are no transactions for ends a script.
    "FindCoordinator.key_type": (-1, 2, 3, 2, 3, 127, 1),
    "InitProducerId.transactional_id": ("", "", None, "t"),
    # With what has a version and cannot be read, a group of Kafka's never gets beyond joining.
    "JoinGroup.protocols.metadata": (b"", b"\0"),
    # At the largest number Kafka's next cursor is the smallest one.
    "DescribeTopicPartitions.cursor.partition_index": (-1, -(2**31), 0, 1, 100),
    # A sum of partitions that overflows passes Kafka's check, and would have it make them.
    "CreateTopics.topics.num_partitions": (-2, -1, 0, 20_000, -(2**31)),
    # Kafka makes any number of them at once where they are added to a topic, if it lives to see it.
    "CreatePartitions.topics.count": (-1, 0, -(2**31)),
    "CreateTopics.timeout_ms": TIMEOUTS,
    "DeleteTopics.timeout_ms": TIMEOUTS,
    "CreatePartitions.timeout_ms": TIMEOUTS,
    "ElectLeaders.timeout_ms": TIMEOUTS,
    "AlterPartitionReassignments.timeout_ms": TIMEOUTS,
    "UpdateFeatures.timeout_ms": TIMEOUTS,
    # The one broker that there is would be gone.
    "UnregisterBroker.broker_id": (0, 2, -1, 2**31 - 1),
}
"""Fields for which some nonsense would harm the comparison itself, and what is left of it."""

NEVER_TWICE: Final = (
    "AlterConfigs.resources",
    "IncrementalAlterConfigs.resources",
    "JoinGroup.protocols",
    "Produce.topic_data",
    "Produce.topic_data.partition_data",
)
"""Arrays with an element that stands there twice, which Kafka does not stand: see the departures."""

NEVER_NULL: Final = ("Produce.topic_data.partition_data.records",)
"""Fields that may be null, on which Kafka then never answers: see the departures."""


class Place(NamedTuple):
    """Where a value stands in a request."""

    holder: Any
    key: Any
    field: Field
    path: str

    @property
    def value(self) -> Value:
        """What stands there."""
        return self.holder[self.key]


def spoil(
    draw: Draw, api: str, version: int, body: dict[str, Value], allowed: Mapping[str, tuple[Value, ...]] = ALLOWED
) -> None:
    """Put something else into one field of the request, or into two."""
    for _ in range(1 if draw.chance(0.8) else 2):
        places = [place for place in _places(request_class(api), version, body, api) if allowed.get(place.path) != ()]
        if not places:
            return
        place = draw.pick(places)
        values = allowed.get(place.path)
        place.holder[place.key] = draw.pick(values) if values else _other(draw, place, version)


def _places(cls: type[Struct], version: int, values: dict[str, Value], path: str) -> Iterator[Place]:
    for field in fields_of(cls, version):
        if field.name not in values:
            values[field.name] = draw_default(field)
        yield from _within(Place(values, field.name, field, f"{path}.{field.name}"), version)


def draw_default(field: Field) -> Value:
    """What stands in a field that was left out, so that it can be spoiled, too."""
    from ..messages import implicit_default

    default = implicit_default(field)
    return list(default) if isinstance(default, list) else default


def _within(place: Place, version: int) -> Iterator[Place]:
    yield place
    value = place.value
    if isinstance(value, list) and place.field.kind == "array":
        for index, item in enumerate(value):
            if isinstance(place.field.element, Field):
                yield Place(value, index, place.field.element, place.path)
            elif isinstance(item, dict) and place.field.struct is not None:
                yield from _places(place.field.struct, version, item, place.path)
    elif isinstance(value, dict) and place.field.struct is not None:
        yield from _places(place.field.struct, version, value, place.path)


def _other(draw: Draw, place: Place, version: int) -> Value:
    field = place.field
    # A null where none may be is a frame that cannot be read.
    may_be_null = field.kind in ("string", "bytes", "array", "records") or (
        field.kind == "struct" and field.default is None
    )
    if may_be_null and place.path not in NEVER_NULL and draw.chance(0.4 if version in field.nullable else 0.06):
        return None
    return _NONSENSE[field.kind](draw, place)


def _number(draw: Draw, place: Place) -> Value:
    low, high = RANGES.get(place.field.kind, (0, 65535))
    near = [place.value + 1, place.value - 1] if isinstance(place.value, int) else []
    found = draw.pick([-1, 0, 1, 2, -2, low, high, *near, *near])
    return min(max(found, low), high)


def _text(draw: Draw, place: Place) -> Value:
    return draw.pick(["", "no-such", "s" * 300, "ümläut", " ", ".", "a/b", "*", "x=y", "\0", "1"])


def _array(draw: Draw, place: Place) -> Value:
    items = place.value
    if not items:
        return []
    item = draw.pick(items)
    match draw.number(0, 3):
        case 0:
            return []
        case 1 if place.path not in NEVER_TWICE:
            return [*items, dict(item) if isinstance(item, dict) else item]
        case 2:
            return list(reversed(items))
        case _:
            return items[1:]


def _records(draw: Draw, place: Place) -> Value:
    match draw.number(0, 5):
        case 0:
            return b""
        case 1:
            return draw.data(draw.number(1, 80))
        case 2:
            return [Call("batch", (1,)), Call("batch", (2,))]
        case _:
            return Call("batch", (draw.number(1, 3),), {"damage": draw.pick(sorted(DAMAGES))})


_NONSENSE: Final[Mapping[str, Callable[[Draw, Place], Value]]] = {
    "bool": lambda draw, place: not place.value,
    **dict.fromkeys(("int8", "int16", "uint16", "int32", "int64"), _number),
    "float64": lambda draw, place: draw.pick([0.0, -1.0, 0.5, 1e300, float("inf"), float("nan")]),
    "string": _text,
    "uuid": lambda draw, place: draw.pick([bytes(16), bytes([255] * 16), draw.data(16)]),
    "bytes": lambda draw, place: draw.pick([b"", b"\xff" * 5, draw.data(9)]),
    "records": _records,
    "array": _array,
    "struct": lambda draw, place: place.value,
}
