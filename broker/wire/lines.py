"""The lines of a wire log, as text and as JSON.

    2025-06-01 12:31:07.123 #3 > Metadata v12 17 "rdkafka" topics=[{name="orders"}] ...
    2025-06-01 12:31:07.124 #3 < Metadata v12 17 "rdkafka" 1.024 ms brokers=[...] ...

#3 is the connection, 17 the correlation id. A request and its response are lines of their own, since one that is never
answered is what people look for. In JSON each line is an object with the same facts.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Any, ClassVar, Final, Protocol

from protocol.schema import Message

from .apis import api_name
from .decoding import Undecoded
from .escaping import escape, quote, quote_escaped
from .exchange import Exchange
from .render import HIDDEN, Renderer, renderer
from .secrets import holds_secret

Frame = bytes | bytearray | memoryview

UNDECODED_BYTES_SHOWN: Final = 32
_API_KEY_BYTES: Final = 2


class Lines(Protocol):
    """What a log needs of a form; times are wall times in ms, directions are `>` and `<`."""

    def connected(self, now_ms: int, connection: int, client: str, broker: str) -> str:
        """A client has connected to a broker."""

    def closed(self, now_ms: int, connection: int, reason: str | None) -> str:
        """A connection has ended."""

    def request(self, now_ms: int, exchange: Exchange, message: Message | Undecoded, frame: Frame) -> str:
        """A request has come."""

    def response(
        self, now_ms: int, exchange: Exchange, latency_ms: float, message: Message | Undecoded, frame: Frame
    ) -> str:
        """A request is answered."""

    def undecoded(self, now_ms: int, connection: int, direction: str, reason: str, data: Frame) -> str:
        """Something has passed that is no message."""

    def hidden(self, now_ms: int, connection: int, direction: str, what: str) -> str:
        """Something has passed that is not to be shown."""


class _Forms:
    """What both forms need: times and renderers, kept as long as they fit."""

    time_format: ClassVar[str]
    is_json: ClassVar[bool]

    def __init__(self, contents: bool) -> None:
        self._contents = contents
        self._renderers: dict[tuple[type[Message], int], Renderer] = {}
        self._now_ms = -1
        self._time = ""

    def time(self, now_ms: int) -> str:
        """The time of day with milliseconds: local in text, as in the broker's own log, and UTC in JSON."""
        if now_ms != self._now_ms:
            self._now_ms = now_ms
            second, ms = divmod(now_ms, 1000)
            parts = time.gmtime(second) if self.is_json else time.localtime(second)
            self._time = f"{time.strftime(self.time_format, parts)}.{ms:03d}{'Z' if self.is_json else ''}"
        return self._time

    def fields(self, message: Message, version: int) -> str:
        """All that is in a message."""
        key = (type(message), version)
        render = self._renderers.get(key)
        if render is None:
            render = renderer(*key, contents=self._contents, as_json=self.is_json)
            self._renderers[key] = render
        return render(message)


class TextLines(_Forms):
    """Lines for people."""

    time_format = "%Y-%m-%d %H:%M:%S"
    is_json = False

    def connected(self, now_ms: int, connection: int, client: str, broker: str) -> str:
        return f"{self.time(now_ms)} #{connection} {client} has connected to {broker}"

    def closed(self, now_ms: int, connection: int, reason: str | None) -> str:
        return f"{self.time(now_ms)} #{connection} closed{'' if reason is None else f': {reason}'}"

    def request(self, now_ms: int, exchange: Exchange, message: Message | Undecoded, frame: Frame) -> str:
        title, body = self._title(exchange), self._body(exchange, message, frame)
        return f"{self.time(now_ms)} #{exchange.connection} > {title} {body}"

    def response(
        self, now_ms: int, exchange: Exchange, latency_ms: float, message: Message | Undecoded, frame: Frame
    ) -> str:
        title, body = self._title(exchange), self._body(exchange, message, frame)
        return f"{self.time(now_ms)} #{exchange.connection} < {title} {latency_ms:.3f} ms {body}"

    def undecoded(self, now_ms: int, connection: int, direction: str, reason: str, data: Frame) -> str:
        shown = quote_escaped(_first_bytes(_api_key_of(data), Undecoded(reason), data))
        return f"{self.time(now_ms)} #{connection} {direction} undecodable: {reason}; it begins with {shown}"

    def hidden(self, now_ms: int, connection: int, direction: str, what: str) -> str:
        return f"{self.time(now_ms)} #{connection} {direction} {what}"

    def _title(self, exchange: Exchange) -> str:
        if not exchange.title:
            client_id = "null" if exchange.client_id is None else quote(exchange.client_id)
            name = api_name(exchange.api_key)
            exchange.title = f"{name} v{exchange.version} {exchange.correlation_id} {client_id}"
        return exchange.title

    def _body(self, exchange: Exchange, message: Message | Undecoded, frame: Frame) -> str:
        if isinstance(message, Undecoded):
            shown = quote_escaped(_first_bytes(exchange.api_key, message, frame))
            return f"undecodable: {message.reason}; {len(frame)} bytes, beginning with {shown}"
        return self.fields(message, exchange.version)


class JsonLines(_Forms):
    """Lines for programs; with the frames themselves, in base64, they can be replayed."""

    time_format = "%Y-%m-%dT%H:%M:%S"
    is_json = True

    def __init__(self, contents: bool, frames: bool) -> None:
        super().__init__(contents)
        self._frames = frames

    def connected(self, now_ms: int, connection: int, client: str, broker: str) -> str:
        return self._object(now_ms, connection, event="connected", client=client, broker=broker)

    def closed(self, now_ms: int, connection: int, reason: str | None) -> str:
        return self._object(now_ms, connection, event="closed", reason=reason)

    def request(self, now_ms: int, exchange: Exchange, message: Message | Undecoded, frame: Frame) -> str:
        head = f'{{"time": "{self.time(now_ms)}", "connection": {exchange.connection}, "event": "request", '
        return f"{head}{self._title(exchange)}, {self._body(exchange, message, frame)}}}"

    def response(
        self, now_ms: int, exchange: Exchange, latency_ms: float, message: Message | Undecoded, frame: Frame
    ) -> str:
        head = f'{{"time": "{self.time(now_ms)}", "connection": {exchange.connection}, "event": "response", '
        body = self._body(exchange, message, frame)
        return f'{head}{self._title(exchange)}, "latency_ms": {latency_ms:.3f}, {body}}}'

    def undecoded(self, now_ms: int, connection: int, direction: str, reason: str, data: Frame) -> str:
        shown = _first_bytes(_api_key_of(data), Undecoded(reason), data)
        return self._object(now_ms, connection, event=_EVENTS[direction], undecodable=reason, first_bytes=shown)

    def hidden(self, now_ms: int, connection: int, direction: str, what: str) -> str:
        return self._object(now_ms, connection, event=_EVENTS[direction], hidden=what)

    def _object(self, now_ms: int, connection: int, **facts: Any) -> str:
        return json.dumps({"time": self.time(now_ms), "connection": connection, **facts}, ensure_ascii=False)

    def _title(self, exchange: Exchange) -> str:
        if not exchange.title:
            exchange.title = (
                f'"api": "{api_name(exchange.api_key)}", "version": {exchange.version}, '
                f'"correlation_id": {exchange.correlation_id}, '
                f'"client_id": {"null" if exchange.client_id is None else quote(exchange.client_id)}'
            )
        return exchange.title

    def _body(self, exchange: Exchange, message: Message | Undecoded, frame: Frame) -> str:
        if isinstance(message, Undecoded):
            shown = quote(_first_bytes(exchange.api_key, message, frame))
            body = f'"undecodable": {quote(message.reason)}, "size": {len(frame)}, "first_bytes": {shown}'
        else:
            body = f'"fields": {self.fields(message, exchange.version)}'
        if self._frames and not holds_secret(exchange.api_key, message):
            body += f', "frame": "{b64encode(frame).decode()}"'
        return body


_EVENTS: Final = {">": "request", "<": "response"}


def _api_key_of(data: Frame) -> int:
    """The API key of what may be the begin of a request."""
    return int.from_bytes(data[:_API_KEY_BYTES])


def _first_bytes(api_key: int, message: Undecoded, data: Frame) -> str:
    return HIDDEN if holds_secret(api_key, message) else escape(data[:UNDECODED_BYTES_SHOWN])
