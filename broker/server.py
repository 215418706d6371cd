"""The listening sockets, the connections that they accept, and their orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.descriptors import DESCRIPTORS_MAX

from .config import StartupError
from .connection import Connection
from .frame_buffers import FrameBuffers
from .listeners import Listener
from .rate_limited_log import RateLimitedLog
from .registry import Router
from .turns import ReadTurns

if TYPE_CHECKING:
    from .broker import Broker

logger = logging.getLogger(__name__)

_FREE_PORT_ATTEMPTS = 10
# So many connections can be read from in one turn of the loop; with more of them turns are worth their price.
_CROWD = 32
_ACCEPTS_PER_TURN = 64
# With no descriptor left the socket stays readable; a pause keeps accept from spinning until some connection closes.
_ACCEPT_PAUSE_SECONDS = 0.1
# Connections leave these to the log: a segment that cannot be opened takes its directory offline.
_RESERVED_DESCRIPTORS = DESCRIPTORS_MAX + 64
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Server:
    """All listeners of one broker; made on the loop that serves it."""

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop) -> None:
        self.broker = broker
        self.loop = loop
        self._config = broker.config
        self.router = Router()
        self.buffers = FrameBuffers()
        self.turns = ReadTurns(loop, broker.clock)
        self.request_bytes_max = broker.config.int("socket.request.max.bytes")
        self.msg_more = broker.filesystem.platform.msg_more
        self.connections_max = _connections_max()
        self.bad_clients = RateLimitedLog(logger, broker.clock)
        self.bound_ports: dict[str, int] = {}
        """The port of each listener by its name, chosen by the system where the listener said 0."""
        self._sockets: list[socket.socket] = []
        self._connections: set[Connection] = set()
        self.is_crowded = False
        """Whether connections are so many that one would notice it if all others were read from before."""
        self._all_closed: asyncio.Event = asyncio.Event()

    def listen(self, listeners: list[Listener]) -> None:
        """Bind every listener and accept connections; raises StartupError for an address that cannot be bound."""
        for listener in listeners:
            for sock in self._bind(listener):
                self.loop.add_reader(sock, self._accept, sock, listener)

    def _bind(self, listener: Listener) -> list[socket.socket]:
        """Return one listening socket for each address that the listener's host stands for."""
        host = listener.host or None
        try:
            found = socket.getaddrinfo(host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise StartupError(f"The listener {listener} has an unknown host: {error.strerror}.") from error
        except UnicodeError as error:  # from the codec of domain names
            raise StartupError(f"The listener {listener} has a host that is no domain name.") from error
        addresses = [(family, address) for family, _, _, _, address in found]
        for attempts_left in reversed(range(_FREE_PORT_ATTEMPTS)):
            try:
                sockets = self._open_all(addresses, listener.port)
            except OSError as error:
                # A port that was free on the host's first address may be taken on its second: look for another one.
                if error.errno == errno.EADDRINUSE and listener.port == 0 and attempts_left:
                    continue
                raise StartupError(_bind_failure(listener, error)) from error
            break
        if not sockets:
            raise StartupError(f"The listener {listener} has no address on this machine; choose another host.")
        self._sockets += sockets
        self.bound_ports[listener.name] = sockets[0].getsockname()[1]
        return sockets

    def _open_all(self, addresses: Sequence[tuple[int, tuple[Any, ...]]], port: int) -> list[socket.socket]:
        """Return sockets that listen on one port of all the addresses that there are; raises OSError."""
        sockets: list[socket.socket] = []
        for family, address in addresses:
            try:
                # A host with two addresses, as localhost is, has one port all the same.
                sockets.append(self._open(family, (address[0], port, *address[2:])))
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and len(addresses) > 1:
                    continue  # localhost is ::1 by name on machines and in containers that have no IPv6
                for sock in sockets:
                    sock.close()
                raise
            port = sockets[-1].getsockname()[1]
        return sockets

    def _open(self, family: int, address: tuple[Any, ...]) -> socket.socket:
        """Return a socket that listens on the address; raises OSError."""
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.listen(self._config.int("socket.listen.backlog.size"))
        except OSError:
            sock.close()
            raise
        return sock

    def _accept(self, listening: socket.socket, listener: Listener) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, address = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self.bad_clients.warning("Cannot accept a connection: %s.", error.strerror)
                    self.loop.remove_reader(listening)
                    self.loop.call_later(_ACCEPT_PAUSE_SECONDS, self._accept_again, listening, listener)
                    return
                continue
            if len(self._connections) >= self.connections_max:
                self.bad_clients.warning(
                    "Refusing the connection of %s: %d are open, and the rest of the process's file descriptors "
                    "(ulimit -n) is for logs.",
                    address[0],
                    len(self._connections),
                )
                sock.close()
                continue
            try:
                self._configure(sock)
                local_address = sock.getsockname()[:2]
            except OSError:
                # The client has gone already.
                sock.close()
                continue
            self._connections.add(Connection(self, sock, listener, address[:2], local_address))
            self.is_crowded = len(self._connections) > _CROWD

    def _configure(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, option in (
            ("socket.send.buffer.bytes", socket.SO_SNDBUF),
            ("socket.receive.buffer.bytes", socket.SO_RCVBUF),
        ):
            size_bytes = self._config.int(name)
            if size_bytes >= 0:
                sock.setsockopt(socket.SOL_SOCKET, option, size_bytes)

    def _accept_again(self, listening: socket.socket, listener: Listener) -> None:
        if listening.fileno() >= 0:
            self.loop.add_reader(listening, self._accept, listening, listener)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has closed."""
        self._connections.discard(connection)
        self.is_crowded = len(self._connections) > _CROWD
        if not self._connections:
            self._all_closed.set()

    def stop_accepting(self) -> None:
        """Close the listening sockets."""
        for sock in self._sockets:
            if sock.fileno() >= 0:
                self.loop.remove_reader(sock)
                sock.close()
        self._sockets.clear()

    async def close(self, timeout_seconds: float) -> None:
        """Answer what has been asked, at most for the timeout, and close every connection."""
        self._all_closed.clear()
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_closed.wait(), timeout_seconds)
        for connection in list(self._connections):
            connection.close()


def _connections_max() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if descriptors == resource.RLIM_INFINITY else max(1, descriptors - _RESERVED_DESCRIPTORS)


def _bind_failure(listener: Listener, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {listener.port} is in use; stop the other process or choose another port with --port."
    if error.errno == errno.EACCES:
        return f"Port {listener.port} needs privileges; choose one above 1023 with --port."
    return f"Cannot listen on {listener}: {error.strerror}."
