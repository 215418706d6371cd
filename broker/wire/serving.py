"""A broker's own wire log: connections and routes that tell it what passes, in the place of those that do not.

Which kind a server makes is chosen once, at its start (`ottla serve --wire-log`), so that a broker without a log has
nothing of it on its way, not even a question.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from protocol.codec import Part
from protocol.errors import MalformedFrame
from protocol.schema import Message
from storage.file_span import FileSpan

from ..clock import Clock
from ..connection import Connection
from ..context import RequestContext
from ..registry import Handler, Route, Router
from .addresses import address_text
from .decoding import Undecoded, decode_request, expects_response
from .exchange import Exchange
from .frames import LENGTH
from .wire_log import WireLog, WireLogOptions, open_log

if TYPE_CHECKING:
    from ..listeners import Listener
    from ..server import Server

_CORRELATION_ID: Final = struct.Struct(">i")
_CORRELATION_ID_POSITION: Final = 4
_NO_FRAME: Final = memoryview(b"")


class WireTap:
    """What a server is made of if it shall have a wire log."""

    def __init__(self, log: WireLog) -> None:
        self._log = log

    def router(self) -> Router:
        """Return the router of such a server."""
        return _LoggedRouter()

    def connection(
        self,
        server: Server,
        sock: socket.socket,
        listener: Listener,
        peer: tuple[str, int],
        local_address: tuple[str, int],
    ) -> Connection:
        """Return what serves an accepted socket."""
        return _LoggedConnection(self._log, server, sock, listener, peer, local_address)


@asynccontextmanager
async def tapped(options: WireLogOptions) -> AsyncIterator[WireTap]:
    """Open a wire log for a broker that is about to start; raises StartupError."""
    log = open_log(options, Clock())
    try:
        yield WireTap(log)
    finally:
        await log.close()


class _LoggedRouter(Router):
    """Its routes tell the connection of a request before they handle it."""

    def find(self, api_key: int, version: int) -> Route | None:
        route = super().find(api_key, version)
        if route is not None and not isinstance(route.handle, _LoggedHandler):
            route.handle = _LoggedHandler(route.handle)
            route.repeated = None  # each request shall come by here
        return route


class _LoggedHandler:
    """A handler of requests that come over logged connections."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Handler) -> None:
        self._handle = handle

    def __call__(self, ctx: RequestContext, request: Message) -> Any:
        ctx.connection.log_request(ctx, request)  # type: ignore[attr-defined]  # the server makes no others
        return self._handle(ctx, request)


class _LoggedConnection(Connection):
    """A connection that tells of its requests once they are decoded, of its replies when they are encoded."""

    def __init__(
        self,
        log: WireLog,
        server: Server,
        sock: socket.socket,
        listener: Listener,
        peer: tuple[str, int],
        local_address: tuple[str, int],
    ) -> None:
        self._log = log
        self._number = log.connected(address_text(peer), address_text(local_address))
        self._frame = _NO_FRAME
        """The request that is being handled, until the log has it."""
        self._outstanding: list[Exchange] = []
        super().__init__(server, sock, listener, peer, local_address)

    def close(self, reason: str | None = None) -> None:
        if not self.closed:
            self._log.closed(self._number, reason)
        super().close(reason)

    def log_request(self, ctx: RequestContext, request: Message) -> None:
        """Tell the log of a request; called by its route."""
        (correlation_id,) = _CORRELATION_ID.unpack_from(self._frame, _CORRELATION_ID_POSITION)
        self._log_request(ctx.api_key, ctx.api_version, correlation_id, ctx.client_id, request)
        self._frame = _NO_FRAME

    def _log_request(
        self, api_key: int, version: int, correlation_id: int, client_id: str | None, request: Message | Undecoded
    ) -> None:
        now_ms = self._server.broker.clock.monotonic_ms()
        exchange = Exchange(self._number, api_key, version, correlation_id, client_id, now_ms)
        self._log.request(exchange, request, self._frame)
        if expects_response(request):
            self._outstanding.append(exchange)

    def _handle_request(self, frame: memoryview) -> None:
        self._frame = frame
        try:
            super()._handle_request(frame)
        except MalformedFrame:
            self._log_refused()
            raise
        finally:
            self._frame = _NO_FRAME

    def _refuse_api_versions(self, correlation_id: int) -> None:
        self._log_refused()
        super()._refuse_api_versions(correlation_id)

    def _log_refused(self) -> None:
        """Tell the log of a request that no route has taken."""
        if self._frame is _NO_FRAME:
            return
        try:
            header, request = decode_request(self._frame)
        except MalformedFrame as error:
            self._log.undecoded(self._number, ">", str(error), self._frame)
        else:
            self._log_request(header.api_key, header.api_version, header.correlation_id, header.client_id, request)

    def _encode(self, route: Route, correlation_id: int, reply: Any) -> list[Part]:
        parts = super()._encode(route, correlation_id, reply)
        if self.closed:
            return parts  # which are never sent
        for exchange in self._outstanding:
            if exchange.correlation_id == correlation_id:
                self._outstanding.remove(exchange)
                exchange.answer_in(route.version)
                self._log.response(exchange, reply, _joined(parts) if self._log.records_frames else b"")
                break
        return parts


def _joined(parts: list[Part]) -> bytes:
    """The frame that the parts make, without the length at its begin."""
    data = b"".join(part.read() if isinstance(part, FileSpan) else cast("bytes", part) for part in parts)
    return data[LENGTH.size :]
