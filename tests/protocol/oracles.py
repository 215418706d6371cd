"""Two independent codecs to compare with: kio's, and those of kafka-python 3.

Both are driven by looking at their classes, so that nothing here names a message or a field. kio drops `_ms` and has
timedeltas, datetimes and UUIDs where we have numbers and bytes; kafka-python renames the sets of authorized operations.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import io
import types
import typing
from functools import cache
from typing import Any
from uuid import UUID

import kafka.protocol.api_message
import kio.index
import kio.serial
from kafka.protocol.schemas.fields.codecs import BitField
from kio.schema.errors import ErrorCode
from kio.static.constants import EntityType

from protocol.schema import ZERO_UUID, Field, Message, Struct

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@cache
def kio_class(cls: type[Message], version: int) -> Any:
    entity_type = EntityType.request if cls.__name__.endswith("Request") else EntityType.response
    loader = kio.index.load_request_schema if entity_type is EntityType.request else kio.index.load_response_schema
    return loader(cls.API_KEY, version)


def to_kio(message: Message, version: int) -> Any:
    """The same message as an object of kio's."""
    return _to_kio(message, kio_class(type(message), version))


def kio_encode(message: Message, version: int) -> bytes:
    kio_message = to_kio(message, version)
    buffer = io.BytesIO()
    kio.serial.entity_writer(type(kio_message))(buffer, kio_message)
    return buffer.getvalue()


def kio_decode(cls: type[Message], version: int, body: bytes) -> Any:
    """What kio makes of a body; fails if that is not all of it."""
    message, size = kio.serial.entity_reader(kio_class(cls, version))(body, 0)
    assert size == len(body)
    return message


def _to_kio(value: Any, wanted: Any) -> Any:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        if value is None or (UUID in arguments and value == ZERO_UUID) or (_is_datetime(arguments) and value == -1):
            return None
        return _to_kio(value, next(argument for argument in arguments if argument is not types.NoneType))
    if origin is tuple:
        return tuple(_to_kio(item, arguments[0]) for item in value)
    if isinstance(value, Struct):
        fields = dataclasses.fields(wanted)
        return wanted(**{field.name: _to_kio(_attribute(value, field.name), field.type) for field in fields})
    if issubclass(wanted, datetime.timedelta):
        return datetime.timedelta(milliseconds=value)
    if issubclass(wanted, datetime.datetime):
        return EPOCH + datetime.timedelta(milliseconds=value)
    if wanted is UUID:
        return UUID(bytes=value)
    return ErrorCode(value) if wanted is ErrorCode else value


def _attribute(struct: Struct, name: str) -> Any:
    return getattr(struct, name if hasattr(struct, name) else f"{name}_ms")


def to_kio_field(value: Any, field: dataclasses.Field[Any]) -> Any:
    """A value of a field, such as its default, in kio's terms."""
    return _to_kio(value, field.type)


def element_class(field: dataclasses.Field[Any]) -> Any:
    """The class of a structure, or of the structures in an array that may be null."""
    wanted: Any = field.type
    while not dataclasses.is_dataclass(wanted):
        wanted = next(argument for argument in typing.get_args(wanted) if argument is not types.NoneType)
    return wanted


def _is_datetime(arguments: tuple[Any, ...]) -> bool:
    return any(isinstance(argument, type) and issubclass(argument, datetime.datetime) for argument in arguments)


@cache
def kafka_python_class(cls: type[Message]) -> Any:
    for package in ("admin", "consumer", "metadata", "producer", "sasl"):
        found = getattr(importlib.import_module(f"kafka.protocol.{package}"), cls.__name__, None)
        if found is not None:
            assert issubclass(found, kafka.protocol.api_message.ApiMessage)
            return found
    raise LookupError(cls.__name__)


def kafka_python_encode(message: Message, version: int) -> bytes:
    body: bytes = _to_kafka_python(message, kafka_python_class(type(message)), version).encode(version=version)
    return bytes(body)


def _to_kafka_python(struct: Struct, wanted: Any, version: int) -> Any:
    keywords = {}
    for theirs in wanted._struct.fields.values():
        if not theirs.for_version_q(version):
            continue
        ours = next(field for field in struct.__fields__ if _same_name(field, theirs))
        value = getattr(struct, ours.name)
        if theirs.tagged_field_q(version) and value == ours.default:
            continue
        if value is not None and theirs.is_struct_array():
            value = [_to_kafka_python(item, theirs.data_class, version) for item in value]
        elif value is not None and theirs.is_struct():
            value = _to_kafka_python(value, theirs.data_class, version)
        elif ours.kind == "uuid":
            value = UUID(bytes=value)
        elif _is_bit_set(theirs):
            value = {bit for bit in range(32) if value >> bit & 1}
        keywords[theirs.name] = value
    return wanted(version=version, **keywords)


def _same_name(ours: Field, theirs: Any) -> bool:
    return ours.name.endswith(theirs.name) if _is_bit_set(theirs) else ours.name == theirs.name


def _is_bit_set(theirs: Any) -> bool:
    return getattr(theirs, "_type", None) is BitField
