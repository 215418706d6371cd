"""The listening sockets, the connections that they accept, and their orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import sys
from typing import TYPE_CHECKING

from storage.descriptors import DESCRIPTORS_MAX

from .config import StartupError
from .connection import Connection
from .frame_buffers import FrameBuffers
from .listeners import Listener, listeners_of
from .listening_sockets import open_listening
from .metadata.image import ImageDelta, MetadataImage
from .rate_limited_log import RateLimitedLog
from .registry import Router
from .turns import ReadTurns

if TYPE_CHECKING:
    from .broker import Broker
    from .wire.serving import WireTap

logger = logging.getLogger(__name__)

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

    def __init__(self, broker: Broker, loop: asyncio.AbstractEventLoop, tap: WireTap | None = None) -> None:
        self.broker = broker
        self.loop = loop
        self._config = broker.config
        self.router = Router() if tap is None else tap.router()
        self._make_connection = Connection if tap is None else tap.connection
        self.buffers = FrameBuffers()
        self.turns = ReadTurns(loop, broker.clock)
        self.request_bytes_max = broker.config.int("socket.request.max.bytes")
        self.msg_more = broker.filesystem.platform.msg_more
        self.connections_max = _connections_max()
        self.bad_clients = RateLimitedLog(logger, broker.clock)
        self.bound_ports: dict[str, int] = {}
        """The port of each listener by its name, chosen by the system where the listener said 0."""
        self._listening: dict[Listener, list[socket.socket]] = {}
        self._accepting = False
        self._connections: set[Connection] = set()
        self.is_crowded = False
        """Whether connections are so many that one would notice it if all others were read from before."""
        self._all_closed: asyncio.Event = asyncio.Event()

    def listen(self, listeners: list[Listener]) -> None:
        """Bind every listener and accept connections; raises StartupError for an address that cannot be bound."""
        self._accepting = True
        for listener in listeners:
            self._begin_accepting(listener, self._bind(listener))

    def _begin_accepting(self, listener: Listener, sockets: list[socket.socket]) -> None:
        self._listening[listener] = sockets
        self.bound_ports[listener.name] = sockets[0].getsockname()[1]
        for sock in sockets:
            self.loop.add_reader(sock, self._accept, sock, listener)

    def endpoints(self) -> list[tuple[str, int]]:
        """Return host and port of every listener, the port being the one that was bound."""
        return [(listener.host, self.bound_ports[listener.name]) for listener in self._listening]

    async def check_listeners(self, listeners: list[Listener]) -> None:
        """Raise StartupError if one of these listeners, which shall take the place of those there are, cannot be bound.

        What is on a port that another one is about to leave, cannot be tried before. One that was set before and could
        not be bound then is no reason to refuse what else is set.
        """
        known = listeners_of(self._config)
        ports_left = {self.bound_ports[old.name] for old in self._listening if old not in listeners}
        for listener in listeners:
            if listener not in known and listener.port not in ports_left:
                for sock in await asyncio.to_thread(self._bind, listener):
                    sock.close()

    async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
        """Accept connections on the listeners of the configuration, which may have changed at run time.

        One that cannot be bound is logged, and left to the next start. Connections stay if there still is a listener
        of their name; all others end once they have their replies.
        """
        if new.broker_configs == old.broker_configs or not self._accepting:
            return
        listeners = listeners_of(self._config)
        for gone in [old for old in self._listening if old not in listeners]:
            self._close(self._listening.pop(gone))
            del self.bound_ports[gone.name]
        for listener in listeners:
            if listener not in self._listening:
                try:
                    # In a thread: to look a host up may take long.
                    sockets = await asyncio.to_thread(self._bind, listener)
                except StartupError as error:
                    logger.error("[listeners] %s", error)
                else:
                    self._begin_accepting(listener, sockets)
        names = {listener.name for listener in listeners}
        for connection in [each for each in self._connections if each.listener.name not in names]:
            connection.finish()

    def _bind(self, listener: Listener) -> list[socket.socket]:
        """Return one listening socket for each address that the listener's host stands for."""
        try:
            sockets = open_listening(listener.host, listener.port, self._config.int("socket.listen.backlog.size"))
        except socket.gaierror as error:
            raise StartupError(f"The listener {listener} has an unknown host: {error.strerror}.") from error
        except UnicodeError as error:  # from the codec of domain names
            raise StartupError(f"The listener {listener} has a host that is no domain name.") from error
        except OSError as error:
            raise StartupError(_bind_failure(listener, error)) from error
        if not sockets:
            raise StartupError(f"The listener {listener} has no address on this machine; choose another host.")
        return sockets

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
            self._connections.add(self._make_connection(self, sock, listener, address[:2], local_address))
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
        self._accepting = False
        for sockets in self._listening.values():
            self._close(sockets)
        self._listening.clear()

    def _close(self, sockets: list[socket.socket]) -> None:
        for sock in sockets:
            self.loop.remove_reader(sock)
            sock.close()

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
