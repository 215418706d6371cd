"""A raw client: a blocking socket, and kio's codecs for any version of any API.

Requests are keywords in Kafka's field names (kio drops the `_ms` of some; both are taken), nested ones are dicts.
Keywords are a superset over the versions: what a version lacks is left out, what no version knows is an error. Answers
are kio's objects, and every byte of them must have been read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
import re
import socket
import struct
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Self

import kio.index
import kio.serial
from kio.schema.index import api_key_map, schema_name_map
from kio.static.constants import EntityType

SOCKET_TIMEOUT_S = 30.0
_SIZE = struct.Struct(">i")


class ConnectionClosed(Exception):
    """The broker has closed the connection where an answer was due."""


def snake(name: str) -> str:
    """`ListOffsets` as `list_offsets`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


@cache
def api_key(api: str) -> int:
    """The key of an API by its name in Kafka's protocol guide."""
    return next(key for key, name in api_key_map.items() if name == snake(api))


@cache
def request_class(api: str, version: int) -> Any:
    """kio's class of a request."""
    return kio.index.load_entity_schema(snake(api), version, EntityType.request)


@cache
def response_class(api: str, version: int) -> Any:
    """kio's class of a response."""
    return kio.index.load_entity_schema(snake(api), version, EntityType.response)


def milliseconds(duration: datetime.timedelta) -> int:
    """A duration of kio's as the number on the wire."""
    return round(duration.total_seconds() * 1000)


def encode_request(api: str, version: int, correlation_id: int, client_id: str | None = "wire", **fields: Any) -> bytes:
    """A whole request, header and body, without the size in front."""
    wanted = request_class(api, version)
    header_class = wanted.__header_schema__
    header = {"request_api_key": api_key(api), "request_api_version": version, "correlation_id": correlation_id}
    buffer = io.BytesIO()
    kio.serial.entity_writer(header_class)(buffer, _build(header_class, {**header, "client_id": client_id}))
    _refuse_unknown(api, wanted.__name__, fields)
    kio.serial.entity_writer(wanted)(buffer, _build(wanted, fields))
    return buffer.getvalue()


def decode_response(api: str, version: int, frame: bytes) -> tuple[int, Any]:
    """Return the correlation id and the answer of a frame; fails if that is not all of it."""
    wanted = response_class(api, version)
    header, position = kio.serial.entity_reader(wanted.__header_schema__)(frame, 0)
    answer, size = kio.serial.entity_reader(wanted)(frame, position)
    assert position + size == len(frame), f"{len(frame) - position - size} bytes behind the {api} v{version} answer"
    return header.correlation_id, answer


class WireClient:
    """One connection, a context manager; requests may be pipelined with `send` and `receive`."""

    def __init__(
        self,
        address: tuple[str, int],
        timeout_s: float = SOCKET_TIMEOUT_S,
        client_id: str = "wire",
        from_host: str | None = None,
    ) -> None:
        source = None if from_host is None else (from_host, 0)
        self.socket = socket.create_connection(address, timeout_s, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client_id = client_id
        self._correlation_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        self.socket.close()

    def ask(self, api: str, version: int, /, **fields: Any) -> Any:
        """Send one request and return its answer."""
        correlation_id = self.send(api, version, **fields)
        return self.receive(api, version, correlation_id)

    def send(self, api: str, version: int, /, **fields: Any) -> int:
        """Send one request and return its correlation id."""
        self._correlation_id += 1
        frame = encode_request(api, version, self._correlation_id, self._client_id, **fields)
        self.send_frame(frame)
        return self._correlation_id

    def receive(self, api: str, version: int, correlation_id: int) -> Any:
        """Receive the answer to the request of that correlation id, which must be the next."""
        received, answer = decode_response(api, version, self.receive_frame())
        assert received == correlation_id, f"answer to request {received} where that to {correlation_id} was due"
        return answer

    def send_frame(self, frame: bytes) -> None:
        """Send bytes with their size in front."""
        self.socket.sendall(_SIZE.pack(len(frame)) + frame)

    def receive_frame(self) -> bytes:
        """Receive one frame; ConnectionClosed where the broker has closed, TimeoutError where it is silent."""
        (size,) = _SIZE.unpack(self._receive(_SIZE.size))
        return self._receive(size)

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except ConnectionError as error:
                raise ConnectionClosed(str(error)) from error
            if not piece:
                raise ConnectionClosed("end of file")
            data += piece
        return bytes(data)

    def await_close(self) -> bytes:
        """Read until the broker closes the connection, and return what came before that."""
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while piece := self.socket.recv(65536):
                received += piece
        return bytes(received)


def _build(wanted: Any, value: Any) -> Any:
    """Make the value of a kio type out of plain numbers, strings, bytes, lists and dicts."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _build(next(argument for argument in arguments if argument is not types.NoneType), value)
    if origin is tuple:
        return tuple(_build(arguments[0], item) for item in value)
    if dataclasses.is_dataclass(wanted):
        if not isinstance(value, Mapping):
            return value
        given = dict(_fields(wanted, value))
        missing = {
            field.name: _implicit_default(field.type)
            for field in dataclasses.fields(wanted)
            if field.name not in given and field.default is dataclasses.MISSING
        }
        return wanted(**missing, **given)  # type: ignore[operator]
    if issubclass(wanted, datetime.timedelta):
        return datetime.timedelta(milliseconds=value)
    return value


def _fields(wanted: Any, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(wanted):
        for name in (field.name, f"{field.name}_ms"):
            if name in value:
                yield field.name, _build(field.type, value[name])


def _implicit_default(wanted: Any) -> Any:
    """Kafka's default of a field whose schema names none."""
    origin = typing.get_origin(wanted)
    if origin in (types.UnionType, typing.Union):
        return None
    if origin is tuple:
        return ()
    if dataclasses.is_dataclass(wanted):
        return _build(wanted, {})
    for plain, default in (
        (datetime.timedelta, datetime.timedelta()),
        (bool, False),
        (int, 0),
        (str, ""),
        (bytes, b""),
    ):
        if issubclass(wanted, plain):
            return default
    raise TypeError(f"no default for {wanted}")


@cache
def _known_names(api: str) -> Mapping[str, frozenset[str]]:
    """The names of the fields of each structure of a request, over all versions."""
    names: dict[str, set[str]] = {}

    def collect(wanted: Any) -> None:
        if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
            names.setdefault(wanted.__name__, set()).update(
                name for field in dataclasses.fields(wanted) for name in (field.name, f"{field.name}_ms")
            )
            for field in dataclasses.fields(wanted):
                collect(field.type)
        for argument in typing.get_args(wanted):
            collect(argument)

    for version in schema_name_map[snake(api)]:
        collect(request_class(api, version))
    return {name: frozenset(fields) for name, fields in names.items()}


def _refuse_unknown(api: str, struct_name: str, fields: Mapping[str, Any]) -> None:
    unknown = set(fields) - _known_names(api)[struct_name]
    assert not unknown, f"no version of {api} has {sorted(unknown)} in {struct_name}"
