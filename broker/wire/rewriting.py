"""Responses with other addresses in them, and nothing else changed: what is not known of a message survives.

Clients learn from a broker where to connect to next. A proxy puts its own addresses in the place of those, in the bytes
of the response: fields are copied as they are but for a host with the port behind it, and the sizes of the tagged
fields around these. The highest versions in ApiVersions are lowered to those that can be rewritten here, or a client
would use one that leads it past the proxy.

This walks the declarations at run time. Messages that carry addresses are rare, so it need not be fast.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import calcsize
from typing import Final

from protocol.codegen import FORMATS
from protocol.errors import MalformedFrame
from protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from protocol.schema import Field, Message, Struct
from protocol.varint import encode_uvarint, read_uvarint

from .addresses import Address
from .apis import (
    DESCRIBE_CLUSTER,
    FETCH,
    FIND_COORDINATOR,
    METADATA,
    PRODUCE,
    SHARE_ACKNOWLEDGE,
    SHARE_FETCH,
    messages_of,
)
from .decoding import response_body

ADDRESS_API_KEYS: Final = frozenset(
    {PRODUCE, FETCH, METADATA, FIND_COORDINATOR, DESCRIBE_CLUSTER, SHARE_FETCH, SHARE_ACKNOWLEDGE}
)
"""The APIs whose responses tell clients where to connect to."""

_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")


def needs_rewriting(message: Message) -> bool:
    """Tell whether a response leads clients elsewhere; those of Produce and Fetch mostly do not (KIP-951)."""
    if isinstance(message, ApiVersionsResponse):
        return any(api.max_version > _version_max(api.api_key) for api in message.api_keys)
    return message.API_KEY in ADDRESS_API_KEYS and bool(getattr(message, "node_endpoints", True))


def rewrite(message: Message, version: int, frame: memoryview, replace: Callable[[Address], Address]) -> bytes:
    """Return the frame of the decoded `message` with each address replaced. Raises MalformedFrame."""
    cls = type(message)
    position = response_body(cls, version, frame)
    copier = _Copier(version, cls.is_flexible(version), frame, position, replace)
    out = bytearray(frame[:position])
    try:
        copier.structure(cls, out)
    except (struct.error, IndexError) as error:
        raise MalformedFrame(f"{cls.__name__} v{version}: it ends too early") from error
    return bytes(out + frame[copier.position :])


def _version_max(api_key: int) -> int:
    """The highest version of an API that clients may use behind a proxy."""
    messages = messages_of(api_key) if api_key in ADDRESS_API_KEYS else None
    return 0x7FFF if messages is None else messages.response.VERSIONS.last


class _Copier:
    """Copies one message from a frame, field by field."""

    def __init__(
        self, version: int, flexible: bool, frame: memoryview, position: int, replace: Callable[[Address], Address]
    ) -> None:
        self.version = version
        self.flexible = flexible
        self.frame = frame
        self.position = position
        self.replace = replace

    def structure(self, cls: type[Struct], out: bytearray) -> None:
        present = [field for field in cls.__fields__ if self.version in field.versions]
        untagged = iter([field for field in present if field.tag is None])
        for field in untagged:
            if field.name == "host":
                self.address(out)
                next(untagged)  # the port
            elif cls is ApiVersion and field.name == "max_version":
                self.highest_version(out)
            else:
                self.value(field, out)
        if self.flexible:
            self.tags({field.tag: field for field in present if field.tag is not None}, out)

    def address(self, out: bytearray) -> None:
        """Copy a host and the port behind it, or what stands in their place."""
        start = self.position
        host = self.take(self.size("h", bytearray())).tobytes().decode()
        (port,) = _INT32.unpack(self.take(_INT32.size))
        if not host or port < 0:  # there is no such broker
            out += self.frame[start : self.position]
            return
        host, port = self.replace((host, port))
        encoded = host.encode()
        out += encode_uvarint(len(encoded) + 1) if self.flexible else _INT16.pack(len(encoded))
        out += encoded + _INT32.pack(port)

    def highest_version(self, out: bytearray) -> None:
        """Copy the highest version of an API, whose key and lowest version stand right before it, or a lower one."""
        (api_key,) = _INT16.unpack_from(self.frame, self.position - 2 * _INT16.size)
        (highest,) = _INT16.unpack(self.take(_INT16.size))
        out += _INT16.pack(min(highest, _version_max(api_key)))

    def value(self, field: Field, out: bytearray) -> None:
        if field.kind in FORMATS:
            out += self.take(calcsize(f">{FORMATS[field.kind]}"))
        elif field.kind == "array":
            for _ in range(self.size("i", out)):
                self.element(field, out)
        elif field.kind == "struct":
            assert field.struct is not None
            if self.version in field.nullable:
                out += self.take(1)
                if out[-1] > 0x7F:
                    return
            self.structure(field.struct, out)
        else:
            out += self.take(self.size("h" if field.kind == "string" else "i", out))

    def element(self, array: Field, out: bytearray) -> None:
        if isinstance(array.element, Field):
            self.value(array.element, out)
        else:
            assert array.struct is not None
            self.structure(array.struct, out)

    def tags(self, fields: dict[int | None, Field], out: bytearray) -> None:
        """Copy the tagged fields that end a structure, with new sizes for those that are known."""
        for _ in range(self.uvarint(out)):
            tag = self.uvarint(out)
            size_bytes = self.uvarint(bytearray())
            end = self.position + size_bytes
            body = bytearray()
            if tag in fields:
                self.value(fields[tag], body)
            body += self.take(end - self.position)
            out += encode_uvarint(len(body)) + body

    def size(self, classic: str, out: bytearray) -> int:
        """Copy a length or a count and return it, 0 for null."""
        if self.flexible:
            return max(0, self.uvarint(out) - 1)
        format = _INT16 if classic == "h" else _INT32
        data = self.take(format.size)
        out += data
        size: int = format.unpack(data)[0]
        return max(0, size)

    def uvarint(self, out: bytearray) -> int:
        start = self.position
        value, self.position = read_uvarint(self.frame, start)
        out += self.frame[start : self.position]
        return value

    def take(self, count: int) -> memoryview:
        """Return the next bytes. Raises IndexError where they end."""
        end = self.position + count
        if not self.position <= end <= len(self.frame):
            raise IndexError
        data = self.frame[self.position : end]
        self.position = end
        return data
