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

from .config import Config, StartupError
from .connection import Connection
from .connection_limits import OpenConnections, connection_limits_of, override_addresses
from .coordinators.pace import Pace
from .frame_buffers import FrameBuffers
from .free_processors import free_processors
from .idle_connections import IdleConnections
from .listeners import Listener, listeners_of
from .listening_sockets import Address, addresses_of, open_on
from .metadata.image import ImageDelta, MetadataImage
from .rate_limited_log import RateLimitedLog
from .registry import Router
from .request_memory import RequestMemory
from .spinning import Spin
from .turns import Turns

if TYPE_CHECKING:
    from .broker import Broker
    from .wire.serving import WireTap

logger = logging.getLogger(__name__)

# So many connections can be served in one turn of the loop; with more of them turns are worth their price.
_CROWD = 16
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
        self.turns = Turns(loop, broker.clock)
        self.spin = Spin(loop, broker.clock, allowed=free_processors() >= 2)
        self.request_bytes_max = broker.config.int("socket.request.max.bytes")
        self.msg_more = broker.filesystem.platform.msg_more
        self.connections_max = _connections_max()
        self.bad_clients = RateLimitedLog(logger, broker.clock)
        self.request_memory = RequestMemory(loop, broker.config.int("queued.max.request.bytes"), self.bad_clients)
        self._listening: dict[Listener, list[socket.socket]] = {}
        self._moving = asyncio.Lock()
        self._moves: set[asyncio.Task[None]] = set()
        self._accepting = False
        self._connections: set[Connection] = set()
        self._open_connections = OpenConnections(connection_limits_of(broker.config))
        self._without_room: dict[socket.socket, Listener] = {}
        """The listening sockets on which nobody is accepted until a connection closes."""
        self.idle_connections = IdleConnections(
            self._connections, broker.clock, broker.config.int("connections.max.idle.ms")
        )
        self.is_crowded = False
        """Whether connections are so many that one would notice it if all others were served before."""
        self._all_closed: asyncio.Event = asyncio.Event()

    def listen(self, listeners: list[Listener]) -> None:
        """Bind every listener and accept connections; raises StartupError for an address that cannot be bound."""
        self._accepting = True
        self._follow_overrides(*override_addresses(self._open_connections.limits.overrides))
        for listener in listeners:
            self._begin_accepting(listener, self._open(listener, _resolve(listener), listener.port))

    def _begin_accepting(self, listener: Listener, sockets: list[socket.socket]) -> None:
        self._listening[listener] = sockets
        for sock in sockets:
            self.loop.add_reader(sock, self._accept, sock, listener)

    def endpoints(self) -> list[tuple[str, int]]:
        """Return host and port of every listener, the port being the one that was bound."""
        return [(listener.host, _port(sockets)) for listener, sockets in self._listening.items()]

    async def check_listeners(self, listeners: list[Listener]) -> None:
        """Raise StartupError if one of these listeners, which shall take the place of those there are, cannot be bound.

        Of what is on a port that another one is about to leave, only the addresses can be tried before. One that was
        set before and could not be bound then is no reason to refuse what else is set.
        """
        known = listeners_of(self._config)
        for listener in listeners:
            if listener not in known:
                addresses = await asyncio.to_thread(_resolve, listener)
                ports_left = [_port(sockets) for old, sockets in self._listening.items() if old not in listeners]
                port = 0 if listener.port in ports_left else listener.port
                _close_all(self._open(listener, addresses, port))

    async def prepare(self, old: MetadataImage, new: MetadataImage, delta: ImageDelta) -> None:
        """Begin to follow the configuration, which may have changed at run time: its limits and its listeners.

        Nobody waits for that here: to look a host up may take long, and no image would be published meanwhile.
        """
        if new.broker_configs != old.broker_configs and self._accepting:
            self._open_connections.limits = connection_limits_of(self._config)
            self._accept_where_there_is_room()
            for following in (self._follow_listeners(), self._follow_limits()):
                move = self.loop.create_task(following, name="follow-configuration")
                self._moves.add(move)
                move.add_done_callback(self._moves.discard)

    async def listeners_settled(self) -> None:
        """Wait until connections are accepted where the published configuration says, as far as that can be."""
        if self._moves:
            await asyncio.wait(self._moves)

    async def _follow_listeners(self) -> None:
        async with self._moving:
            if not await self._move_listeners() and self.broker.withdraw_listeners():
                logger.warning("[listeners] None of those set at run time can be bound: those of the file hold")
                await self._move_listeners()

    async def _follow_limits(self) -> None:
        """Close what is beyond a limit that was lowered, and look up the hosts that have limits of their own."""
        limits = self._open_connections.limits
        if excess := max(self._open_connections.excess, 0):
            logger.info("[connections] The %d that are idle longest are closed: max.connections is lower now", excess)
            pace = Pace(self.broker.clock)
            for connection in self.idle_connections.longest_idle_first()[:excess]:
                if self._open_connections.excess <= 0:
                    break
                connection.close("max.connections is lower now")
                await pace.keep()
        found = await asyncio.to_thread(override_addresses, limits.overrides)
        if limits is self._open_connections.limits:  # no later one has come meanwhile
            self._follow_overrides(*found)

    def _follow_overrides(self, by_address: dict[str, int], unknown: list[str]) -> None:
        self._open_connections.follow(by_address)
        if unknown:
            logger.warning(
                "[connections] max.connections.per.ip.overrides has hosts that are not known, and whose limits hold "
                "for nobody: %s",
                ", ".join(unknown),
            )

    async def _move_listeners(self) -> bool:
        """Accept connections on the listeners of the configuration; returns False if none of them can be bound.

        One that cannot be bound is logged, and left to the next start. Those of before close once there is another one,
        so that the broker stays within reach. Connections stay if there still is a listener of their name; all others
        end once they have their replies.
        """
        listeners = listeners_of(self._config)
        for listener in listeners:
            if listener in self._listening:
                continue
            try:
                addresses = await asyncio.to_thread(_resolve, listener)
                if not self._accepting:
                    return True  # the broker stops
                self._take_port(listener, addresses, listeners)
            except StartupError as error:
                logger.error("[listeners] %s", error)
        if not any(listener in self._listening for listener in listeners):
            # Where other listeners have been set meanwhile, the next move is theirs.
            return listeners != listeners_of(self._config)
        for gone in [old for old in self._listening if old not in listeners]:
            self._close(self._listening.pop(gone))
        names = {listener.name for listener in listeners}
        for connection in [each for each in self._connections if each.listener.name not in names]:
            connection.finish()
        return True

    def _take_port(self, listener: Listener, addresses: list[Address], listeners: list[Listener]) -> None:
        """Accept connections on a listener, in place of those that are on its port and go; raises StartupError.

        If it cannot be bound, those are opened again.
        """
        in_its_way: dict[Listener, list[Address]] = {
            old: [(sock.family, sock.getsockname()) for sock in sockets]
            for old, sockets in self._listening.items()
            if old not in listeners and _port(sockets) == listener.port
        }
        for old in in_its_way:
            self._close(self._listening.pop(old))
        try:
            self._begin_accepting(listener, self._open(listener, addresses, listener.port))
        except StartupError:
            for old, old_addresses in in_its_way.items():
                self._begin_accepting(old, self._open(old, old_addresses, listener.port))
            raise

    def _open(self, listener: Listener, addresses: list[Address], port: int) -> list[socket.socket]:
        """Return one listening socket for each address that the listener's host stands for; raises StartupError."""
        return _open(listener, addresses, port, self._config.int("socket.listen.backlog.size"))

    def _accept(self, listening: socket.socket, listener: Listener) -> None:
        for accepted in range(_ACCEPTS_PER_TURN):
            if not self._open_connections.has_room(listener.name):
                if not accepted:  # so that somebody waits
                    self.bad_clients.warning("There are as many connections as max.connections allows; others wait.")
                    self.loop.remove_reader(listening)
                    self._without_room[listening] = listener
                return
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
            if (limit := self._open_connections.limit_reached(address[0])) is not None:
                self.bad_clients.warning(
                    "Refusing the connection of %s, which has the %d that max.connections.per.ip allows.",
                    address[0],
                    limit,
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
            self._open_connections.add(listener.name, address[0])
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

    def _accept_where_there_is_room(self) -> None:
        for listening, listener in list(self._without_room.items()):
            if self._open_connections.has_room(listener.name):
                del self._without_room[listening]
                self._accept_again(listening, listener)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has closed."""
        self._connections.discard(connection)
        self._open_connections.discard(connection.listener.name, connection.peer_host)
        if self._without_room:
            self._accept_where_there_is_room()
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
            self._without_room.pop(sock, None)
            self.loop.remove_reader(sock)
        _close_all(sockets)

    async def close(self, timeout_seconds: float) -> None:
        """Answer what has been asked, at most for the timeout, and close every connection."""
        await self.listeners_settled()  # a thread that looks up a host cannot be stopped
        self._all_closed.clear()
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_closed.wait(), timeout_seconds)
        for connection in list(self._connections):
            connection.close()
        self.bad_clients.flush()


def check_addresses(config: Config) -> None:
    """Raise StartupError for a listener that cannot be bound at present."""
    for listener in listeners_of(config):
        _close_all(_open(listener, _resolve(listener), listener.port, backlog=1))


def _connections_max() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if descriptors == resource.RLIM_INFINITY else max(1, descriptors - _RESERVED_DESCRIPTORS)


def _port(sockets: list[socket.socket]) -> int:
    """Return the port of a listener's sockets, chosen by the system where the listener said 0."""
    return int(sockets[0].getsockname()[1])


def _close_all(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def _open(listener: Listener, addresses: list[Address], port: int, backlog: int) -> list[socket.socket]:
    """Return one listening socket for each of the addresses that a listener's host stands for; raises StartupError."""
    try:
        sockets = open_on(addresses, port, backlog)
    except OSError as error:
        raise StartupError(_bind_failure(listener, error)) from error
    if not sockets:
        raise StartupError(f"The listener {listener} has no address on this machine; choose another host.")
    return sockets


def _resolve(listener: Listener) -> list[Address]:
    """Return the addresses that the listener's host stands for, once they are found out; raises StartupError."""
    try:
        return addresses_of(listener.host)
    except socket.gaierror as error:
        raise StartupError(f"The listener {listener} has an unknown host: {error.strerror}.") from error
    except UnicodeError as error:  # from the codec of domain names
        raise StartupError(f"The listener {listener} has a host that is no domain name.") from error


def _bind_failure(listener: Listener, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {listener.port} is in use; stop the other process or choose another port with --port or listeners."
        )
    if error.errno == errno.EACCES:
        return f"Port {listener.port} needs privileges; choose one above 1023 with --port or listeners."
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"Cannot listen on {listener}, which is no address of this machine; give one that it has, or 0.0.0.0 for "
            "all of them."
        )
    return f"Cannot listen on {listener}: {error.strerror}."
