"""Types and valid values of settings, parsed and judged as Kafka's ConfigDef does, in its words.

Broker properties (config_table.py) and topic settings (topic_config_table.py) are both made of these. The messages
are Kafka's own, because they travel in responses to clients whose users search for them.
"""

from __future__ import annotations

import math
import re
from enum import IntEnum
from typing import Protocol, TypeAlias

SHORT_MAX = (1 << 15) - 1
INT_MAX = (1 << 31) - 1
LONG_MAX = (1 << 63) - 1

Value: TypeAlias = "bool | int | float | str | tuple[str, ...] | None"

# What Java's parsers take: no underscores, no inner space, and decimal digits only.
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BLANKS = "".join(map(chr, range(0x21)))  # what Java's trim() takes away, no more and no less
_COMMA = re.compile(r"\s*,\s*", re.ASCII)


class ConfigError(ValueError):
    """A setting's name or value is wrong; the message is Kafka's sentence about it."""


class ConfigType(IntEnum):
    """Type of a setting, with the code that DescribeConfigs gives it (KIP-569)."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class ConfigSource(IntEnum):
    """Where a value comes from, with the code that DescribeConfigs gives it (KIP-226); the smaller code holds."""

    TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5
    DYNAMIC_BROKER_LOGGER_CONFIG = 6


_BOUNDS = {ConfigType.SHORT: SHORT_MAX, ConfigType.INT: INT_MAX, ConfigType.LONG: LONG_MAX}


class Valid(Protocol):
    """What a parsed value must satisfy; as text, Kafka's notation for it, e.g. `[0,...]`."""

    def complaint(self, name: str, value: Value) -> str | None:
        """Return what is wrong with a value of the setting `name`, None for a valid one.

        Raises ConfigError where Kafka has a sentence of its own for it.
        """


# Plain classes, because a NamedTuple or dataclass costs the start of every broker a quarter of a millisecond.


class Between:
    """A number within bounds, both inclusive, the upper one perhaps missing; or else one other number."""

    __slots__ = ("high", "low", "other")

    def __init__(self, low: int, high: int | None, other: int | None = None) -> None:
        self.low = low
        self.high = high
        self.other = other

    def complaint(self, name: str, value: Value) -> str | None:
        assert isinstance(value, int | float)
        if value == self.other or (value >= self.low and (self.high is None or value <= self.high)):
            return None
        if self.other is not None:
            return f"Value must be between {self.low} and {self.high} or equal to {self.other}"
        if value < self.low:
            return f"Value must be at least {self.low}"
        return f"Value must be no more than {self.high}"

    def __str__(self) -> str:
        bounds = f"[{self.low},...]" if self.high is None else f"[{self.low},...,{self.high}]"
        return bounds if self.other is None else f"{bounds} or {self.other}"


def at_least(low: int) -> Between:
    """A number not below the bound."""
    return Between(low, None)


class OneOf:
    """One of a few strings, in this case of letters."""

    __slots__ = ("choices",)

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def complaint(self, name: str, value: Value) -> str | None:
        return None if value in self.choices else f"String must be one of: {', '.join(self.choices)}"

    def __str__(self) -> str:
        return f"[{', '.join(self.choices)}]"


class ListOf:
    """A list whose items are not empty strings and, if there are any choices, among them."""

    __slots__ = ("choices", "may_be_empty")

    def __init__(self, *choices: str, may_be_empty: bool = False) -> None:
        self.choices = choices
        self.may_be_empty = may_be_empty

    def complaint(self, name: str, value: Value) -> str | None:
        assert isinstance(value, tuple)
        if not value and not self.may_be_empty:
            raise ConfigError(f"Configuration '{name}' must not be empty. Valid values include: any non-empty value")
        if "" in value:
            raise ConfigError(f"Configuration '{name}' values must not be empty.")
        for item in value:
            if self.choices and item not in self.choices:
                raise _invalid(name, item, f"String must be one of: {', '.join(self.choices)}")
        return None

    def __str__(self) -> str:
        return f"list of [{', '.join(self.choices)}]" if self.choices else "not empty"


def parse(name: str, kind: ConfigType, valid: Valid | None, text: str) -> Value:
    """Return the value that a setting's text stands for; raises ConfigError for a bad one."""
    trimmed = text.strip(_BLANKS)
    value: Value
    match kind:
        case ConfigType.BOOLEAN:
            if trimmed.lower() not in ("true", "false"):
                raise _invalid(name, text, "Expected value to be either true or false")
            value = trimmed.lower() == "true"
        case ConfigType.SHORT | ConfigType.INT | ConfigType.LONG:
            bound = _BOUNDS[kind]
            # The length comes first: Python refuses to turn thousands of digits into a number, Java a twentieth.
            if len(trimmed) > 40 or not _INTEGER.fullmatch(trimmed) or not -bound - 1 <= int(trimmed) <= bound:
                raise _invalid(name, text, f"Not a number of type {kind.name}")
            value = int(trimmed)
        case ConfigType.DOUBLE:
            if not _DECIMAL.fullmatch(trimmed) or math.isinf(float(trimmed)):
                raise _invalid(name, text, "Not a number of type DOUBLE")
            value = float(trimmed)
        case ConfigType.LIST:
            # Kafka drops what is repeated.
            value = tuple(dict.fromkeys(_COMMA.split(trimmed))) if trimmed else ()
        case ConfigType.STRING | ConfigType.CLASS | ConfigType.PASSWORD:
            value = trimmed
    if valid is not None and (complaint := valid.complaint(name, value)):
        raise _invalid(name, text, complaint)
    return value


def to_text(value: Value) -> str | None:
    """Return a value as Kafka writes it; the inverse of `parse`, None for None."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def _invalid(name: str, text: str, complaint: str) -> ConfigError:
    # A client may send a megabyte of value; its answer quotes what a person would read of it.
    quoted = text if len(text) <= 200 else text[:200] + "..."
    return ConfigError(f"Invalid value {quoted} for configuration {name}: {complaint}")
