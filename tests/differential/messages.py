"""Requests from plain values to bytes, and answers from bytes to plain values, by the declarations of the messages.

Plain values are numbers, text, bytes, lists, and dicts by field names. The encoder is written for this purpose: it has
no opinion on what a field may hold, so that a null can stand where none may be.
"""

from __future__ import annotations

import importlib
import struct
import uuid
from functools import cache
from typing import Any, Final

from broker.registry import APIS, Api
from protocol.codec import decoder
from protocol.schema import REQUIRED, Field, Message, Struct
from tests.support.record_batches import decode_batches

API_BY_NAME: Final = {api.name: api for api in APIS}

_FIXED: Final = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "int64": "q",
    "float64": "d",
}
RANGES: Final = {
    kind: (-(1 << bits - 1), (1 << bits - 1) - 1)
    for kind, bits in (("int8", 8), ("int16", 16), ("int32", 32), ("int64", 64))
}
"""The smallest and the largest value of each kind of number."""

Plain = Any


@cache
def request_class(api: str) -> type[Message]:
    """The declaration of a request."""
    return _message(api, "Request")


@cache
def response_class(api: str) -> type[Message]:
    """The declaration of a response."""
    return _message(api, "Response")


def _message(api: str, suffix: str) -> type[Message]:
    module = importlib.import_module(f"protocol.messages.{API_BY_NAME[api].module}")
    message: type[Message] = getattr(module, f"{api}{suffix}")
    return message


def fields_of(cls: type[Struct], version: int) -> list[Field]:
    """The fields that a structure has in a version."""
    return [field for field in cls.__fields__ if version in field.versions]


def implicit_default(field: Field) -> Plain:
    """What a field holds that is not given."""
    if field.kind == "struct":
        return None if field.default is None else {}
    if field.default is not REQUIRED:
        return field.default
    return {"string": "", "bytes": b"", "records": None, "bool": False, "float64": 0.0}.get(field.kind, 0)


def encode_request(
    api: Api,
    version: int,
    correlation_id: int,
    client_id: str | None,
    body: dict[str, Plain],
    *,
    key: int | None = None,
) -> bytes:
    """Encode a whole request without the size in front; `key` stands in the place of the API's own."""
    cls = request_class(api.name)
    header = encode_request_header(
        api.key if key is None else key, version, correlation_id, client_id, cls.has_flexible_header(version)
    )
    return header + _Encoder(version, cls.is_flexible(version)).structure(cls, body)


def encode_request_header(
    key: int, version: int, correlation_id: int, client_id: str | None, is_flexible: bool
) -> bytes:
    """Encode what stands before a request's body."""
    name = b"" if client_id is None else client_id.encode()
    size = -1 if client_id is None else len(name)
    return struct.pack(">hhih", key, version, correlation_id, size) + name + (b"\0" if is_flexible else b"")


class _Encoder:
    def __init__(self, version: int, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible

    def structure(self, cls: type[Struct], values: dict[str, Plain]) -> bytes:
        plain = tagged = b""
        tags = 0
        fields = fields_of(cls, self.version)
        unknown = set(values) - {field.name for field in fields}
        assert not unknown, f"{cls.__name__} v{self.version} has no {sorted(unknown)}"
        for field in fields:
            value = values.get(field.name, implicit_default(field))
            if field.tag is None:
                plain += self.value(field, value)
            elif field.name in values:
                encoded = self.value(field, value)
                tagged += _uvarint(field.tag) + _uvarint(len(encoded)) + encoded
                tags += 1
        return plain + (_uvarint(tags) + tagged if self.flexible else b"")

    def value(self, field: Field, value: Plain) -> bytes:
        if field.kind in _FIXED:
            return struct.pack(f">{_FIXED[field.kind]}", value)
        if field.kind == "uuid":
            return bytes(value)
        if field.kind == "struct":
            assert field.struct is not None
            if field.default is not None:
                return self.structure(field.struct, value)
            return b"\xff" if value is None else b"\x01" + self.structure(field.struct, value)
        if field.kind == "array":
            if value is None:
                return self.size("i", None)
            element = field.element
            return self.size("i", len(value)) + b"".join(
                self.value(element, item)
                if isinstance(element, Field)
                else self.structure(field.struct or Struct, item)
                for item in value
            )
        data = value.encode() if isinstance(value, str) else value
        return self.size("h" if field.kind == "string" else "i", None if data is None else len(data)) + (data or b"")

    def size(self, classic: str, size: int | None) -> bytes:
        if self.flexible:
            return _uvarint(0 if size is None else size + 1)
        return struct.pack(f">{classic}", -1 if size is None else size)


def _uvarint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def decode_response(api: str, version: int, frame: bytes) -> tuple[int, dict[str, Plain]]:
    """Return the correlation id and the answer of a frame. Raises MalformedFrame, or ValueError if that is not all."""
    cls = response_class(api)
    view = memoryview(frame)
    correlation_id = int.from_bytes(view[:4], signed=True)
    position = 5 if cls.has_flexible_header(version) else 4
    if api == "ApiVersions" and frame[position : position + 2] == b"\x00\x23":
        version = 0  # a version that is not served is answered as the oldest one
    answer, end = decoder(cls, version)(view, position)
    if end != len(frame):
        raise ValueError(f"{len(frame) - end} bytes behind the {api} v{version} answer")
    return correlation_id, plain_struct(answer, version)


def plain_struct(value: Struct, version: int) -> dict[str, Plain]:
    """The fields that a version has, by their names."""
    return {field.name: _plain(field, getattr(value, field.name), version) for field in fields_of(type(value), version)}


def _plain(field: Field, value: Any, version: int) -> Plain:
    if value is None:
        return None
    if field.kind == "struct":
        return plain_struct(value, version)
    if field.kind == "array":
        element = field.element
        if isinstance(element, Field):
            return [_plain(element, item, version) for item in value]
        return [plain_struct(item, version) for item in value]
    if field.kind == "uuid":
        return uuid.UUID(bytes=bytes(value))
    if field.kind == "records":
        return _plain_records(bytes(value))
    return value


def _plain_records(data: bytes) -> list[dict[str, Plain]]:
    """The batches and, of one that is cut off at the end, its size."""
    return [
        {
            **{name: value for name, value in vars(batch).items() if name != "records"},
            "records": [record._asdict() for record in batch.records],
        }
        for batch in decode_batches(data)
    ]
