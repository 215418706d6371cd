"""The questions of which the conditions of departures are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..compare import MISSING, Difference
from ..script import Value
from ..side import CLOSED, SILENT
from .departure import Condition

if TYPE_CHECKING:
    from ..run import Exchange

UNKNOWN_SERVER_ERROR = -1


def both(*conditions: Condition) -> Condition:
    """All of them are fulfilled."""
    return lambda exchange, difference: all(condition(exchange, difference) for condition in conditions)


def either(*conditions: Condition) -> Condition:
    """One of them is fulfilled."""
    return lambda exchange, difference: any(condition(exchange, difference) for condition in conditions)


# --- the difference ------------------------------------------------------------------------------------------------


def in_field(*names: str) -> Condition:
    """It is in a field of one of these names."""
    return lambda exchange, difference: bool(difference.fields) and difference.fields[-1] in names


def under(*path: str) -> Condition:
    """It is in the field of that path, or in it somewhere."""
    return lambda exchange, difference: difference.fields[: len(path)] == path


def values(kafka: Value, ottla: Value) -> Condition:
    """It is between these two."""
    return lambda exchange, difference: (difference.kafka, difference.ottla) == (kafka, ottla)


def codes(kafka: int | tuple[int, ...], ottla: int | tuple[int, ...]) -> Condition:
    """It is between these error codes."""
    theirs = kafka if isinstance(kafka, tuple) else (kafka,)
    ours = ottla if isinstance(ottla, tuple) else (ottla,)
    return lambda exchange, difference: (
        difference.fields[-1:] == ("error_code",) and difference.kafka in theirs and difference.ottla in ours
    )


def ottla_lacks(exchange: Exchange, difference: Difference) -> bool:
    """An element of an array is missing in Ottla's answer."""
    return bool(difference.ottla == MISSING)


def kafka_lacks(exchange: Exchange, difference: Difference) -> bool:
    """An element of an array is missing in Kafka's answer."""
    return bool(difference.kafka == MISSING)


def key_at(position: int, difference: Difference) -> str:
    """The element of the array at that place of its path, as `orders` in `topics[orders].error_code`."""
    keys = [step[1:-1] for step in difference.path if step.startswith("[")]
    return keys[position].rstrip("'") if position < len(keys) else ""


# --- the answers ---------------------------------------------------------------------------------------------------


def kafka_is_silent(exchange: Exchange, difference: Difference) -> bool:
    """Kafka has not answered."""
    return exchange.kafka == SILENT


def kafka_closes(exchange: Exchange, difference: Difference) -> bool:
    """Kafka has closed the connection."""
    return exchange.kafka == CLOSED


def kafka_fails(exchange: Exchange, difference: Difference) -> bool:
    """Kafka's answer is that something went wrong."""
    return exchange.kafka.answer is not None and UNKNOWN_SERVER_ERROR in every(exchange.kafka.answer, "error_code")


def kafka_says(text: str) -> Condition:
    """Kafka's answer has a message with these words."""
    return lambda exchange, difference: text in str(exchange.kafka.answer)


def both_succeed(exchange: Exchange, difference: Difference) -> bool:
    """Neither answer is an error as a whole."""
    answers = (exchange.kafka.answer, exchange.ottla.answer)
    return all(answer is not None and answer["error_code"] == 0 for answer in answers)


# --- the request ---------------------------------------------------------------------------------------------------


def every(value: Value, name: str) -> Iterator[Value]:
    """All values of fields of that name."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == name:
                yield item
            yield from every(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from every(item, name)


def asks(name: str, condition: Callable[[Value], object]) -> Condition:
    """Some field of that name in the request fulfils the condition; one that is left out does not."""
    return lambda exchange, difference: any(condition(value) for value in every(exchange.step.fields, name))


def damaged(*damages: str) -> Condition:
    """Records of the request are damaged, in one of these ways if there are any."""

    def condition(exchange: Exchange, difference: Difference) -> bool:
        records = list(every(exchange.step.fields, "records"))
        if damages:
            return any(f"damage={damage!r}" in str(value) for value in records for damage in damages)
        return any("damage=" in str(value) or isinstance(value, bytes | list) for value in records)

    return condition


def names_twice(items: Value, key: str = "name") -> bool:
    """Whether two structures of an array have the same name."""
    names = [str(item.get(key, "")) for item in items or []]
    return len(names) > len(set(names))
