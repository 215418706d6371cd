"""All messages of the protocol, hypothesis strategies for them, and short cuts through their codecs."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st

import protocol.messages
from protocol.codec import decoder, encoder
from protocol.errors import ErrorCode
from protocol.schema import ZERO_UUID, Field, Message, Struct, Versioned

V = TypeVar("V", bound=Versioned)

UNKNOWN_TO_KAFKA_PYTHON = {"ShareAcknowledge", "ShareFetch", "UnregisterBroker"}
"""APIs for which it has neither codecs nor Kafka's definitions."""

INTEGER_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


def _all_messages() -> list[type[Message]]:
    messages = {}
    for module_info in pkgutil.iter_modules(protocol.messages.__path__):
        module = importlib.import_module(f"protocol.messages.{module_info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Message) and value is not Message:
                messages[value.__name__] = value
    return sorted(messages.values(), key=lambda cls: (cls.API_KEY, cls.__name__))


MESSAGES = _all_messages()
REQUESTS = [cls for cls in MESSAGES if cls.__name__.endswith("Request")]
RESPONSES = [cls for cls in MESSAGES if cls.__name__.endswith("Response")]


def versions(classes: Sequence[type[V]]) -> list[tuple[type[V], int]]:
    return [(cls, version) for cls in classes for version in range(cls.VERSIONS.first, cls.VERSIONS.last + 1)]


def name_of(value: object) -> str:
    """A readable id of a parameter: `ProduceRequest`, `9`."""
    return value.__name__ if isinstance(value, type) else str(value)


def encode(message: Message, version: int) -> bytes:
    parts: list[Any] = []
    encoder(type(message), version)(message, parts)
    return b"".join(parts)


def decode(cls: type[Message], version: int, body: bytes) -> Message:
    message, position = decoder(cls, version)(memoryview(body), 0)
    assert position == len(body)
    return message


@cache
def structs(cls: type[Struct], version: int) -> st.SearchStrategy[Any]:
    """Objects with random values in all the fields that the version has."""
    present = {field.name: values(field, version) for field in cls.__fields__ if version in field.versions}
    return st.fixed_dictionaries(present).map(lambda keywords: cls(**keywords))


# A length of 127 fits one byte of a compact length, one of 128 does not.
TEXTS = st.text(max_size=6) | st.sampled_from(["", "orders", "ö" * 63, "x" * 126, "x" * 127, "x" * 300])
BLOBS = st.binary(max_size=20) | st.sampled_from([b"", bytes(126), bytes(127), bytes(20_000)])
UUIDS = st.binary(min_size=16, max_size=16) | st.just(ZERO_UUID)


def values(field: Field, version: int) -> st.SearchStrategy[Any]:
    strategy = _non_null_values(field, version)
    if field.tag is not None:
        strategy = st.just(field.default) | strategy
    return st.none() | strategy if version in field.nullable else strategy


def _non_null_values(field: Field, version: int) -> st.SearchStrategy[Any]:
    if field.name.endswith("error_code"):
        return st.sampled_from(ErrorCode).map(int)
    if field.name == "log_append_time_ms":  # kio takes whole seconds only
        return st.just(-1) | st.integers(0, 2**37).map(lambda seconds: seconds * 1000)
    if field.name in ("retention_time_ms", "session_lifetime_ms"):  # floats of milliseconds on kio's way
        return st.just(-1) | st.integers(0, 2**40)
    if field.kind in INTEGER_BITS:
        half = 2 ** (INTEGER_BITS[field.kind] - 1)
        return st.integers(-half, half - 1) | st.sampled_from([0, -1, half - 1, -half])
    if field.kind == "array":
        element = field.element
        assert element is not None
        elements = values(element, version) if isinstance(element, Field) else structs(element, version)
        return st.lists(elements, max_size=3)
    if field.kind == "struct":
        assert field.struct is not None
        return structs(field.struct, version)
    if field.kind == "uint16":
        return st.integers(0, 2**16 - 1)
    if field.kind == "float64":
        return st.floats(allow_nan=False)  # which is not equal to itself
    return {"bool": st.booleans(), "string": TEXTS, "bytes": BLOBS, "records": BLOBS, "uuid": UUIDS}[field.kind]


@cache
def sample(cls: type[Struct], version: int) -> Any:
    """One object with something in every field that the version has, tagged ones too."""
    kinds: dict[str, Any] = {
        "bool": True,
        "string": "orders",
        "bytes": b"12345678",
        "records": b"12345678",
        "uuid": bytes(range(16)),
    }

    def value(field: Field) -> Any:
        if field.kind == "array":
            return [value(field.element) if isinstance(field.element, Field) else sample(field.struct, version)] * 2
        if field.kind == "struct":
            return sample(field.struct, version)
        return kinds.get(field.kind, 7)

    return cls(**{field.name: value(field) for field in cls.__fields__ if version in field.versions})
