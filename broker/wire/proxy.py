"""The proxy: a port of its own for each broker of the cluster behind it, and bytes passed on between two sockets.

    client ── 9192 ── host:9092      the broker that the proxy was told
           ── 9193 ── other:9092     one that a response has named; its port is opened before the client hears of it

A client is told the address at which it has reached the proxy, so that it stays behind it wherever it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple

from ..clock import Clock
from ..config import StartupError
from ..listening_sockets import open_listening
from ..rate_limited_log import RateLimitedLog
from .addresses import Address, address_text, reason_of
from .conversation import Conversation
from .wire_log import WireLog

logger = logging.getLogger(__name__)

_BACKLOG: Final = 128
_BYTES_PER_READ: Final = 256 * 1024
_PORT_MAX: Final = 65535
_ACCEPT_PAUSE_SECONDS: Final = 0.1
# Ports that are taken are passed over; so many in a row are no accident.
_PORT_ATTEMPTS: Final = 100


class Door(NamedTuple):
    """A port of the proxy's, open for one broker."""

    port: int
    sockets: list[socket.socket]


class Proxy:
    """All connections to one cluster; made on the loop that serves it."""

    def __init__(self, host: str, log: WireLog, clock: Clock) -> None:
        self.host = host
        """Where it listens; empty for every address."""
        self._log = log
        self._clock = clock
        self._unreachable = RateLimitedLog(logger, clock)
        self._doors: dict[Address, Door] = {}
        self._aliases: dict[Address, Address] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # --- doors -------------------------------------------------------------------------------------------------

    async def open(self, port: int, broker: Address) -> int:
        """Accept connections for a broker, which must be there, and return the port, a free one for 0.

        Raises StartupError.
        """
        try:
            found = await asyncio.get_running_loop().getaddrinfo(*broker, type=socket.SOCK_STREAM)
            _, writer = await asyncio.open_connection(*broker)
        except (OSError, UnicodeError) as error:
            raise StartupError(f"Cannot reach {address_text(broker)}: {reason_of(error)}.") from error
        writer.close()
        # A broker that is given by name may call itself by its number.
        self._aliases.update({(str(address[0]), int(address[1])): broker for *_, address in found})
        try:
            sockets = open_listening(self.host, port, _BACKLOG)
        except (OSError, UnicodeError) as error:
            raise StartupError(_bind_failure((self.host, port), error)) from error
        if not sockets:
            raise StartupError(f"The host {self.host} has no address on this machine.")
        return self._accept_for(broker, sockets).port

    def instead_of(self, broker: Address, own_host: str) -> Address:
        """Return what a client is told in the place of a broker that a response has named.

        `own_host` is the address at which that client has reached this proxy. The broker's own is returned where no
        port can be opened, and where it is one of ours already: some brokers are told to advertise their proxy.
        """
        broker = self._aliases.get(broker, broker)
        door = self._doors.get(broker)
        if door is None:
            host, port = broker
            if host in (own_host, self.host) and any(port == ours.port for ours in self._doors.values()):
                return broker
            door = self._open_next(broker)
        return broker if door is None else (own_host, door.port)

    def _open_next(self, broker: Address) -> Door | None:
        """Open the first free port above those that are open, so that people can tell beforehand which it will be."""
        first = max(door.port for door in self._doors.values()) + 1
        for port in range(first, min(first + _PORT_ATTEMPTS, _PORT_MAX + 1)):
            with contextlib.suppress(OSError):
                if sockets := open_listening(self.host, port, _BACKLOG):
                    logger.info("Port %d is for %s.", port, address_text(broker))
                    return self._accept_for(broker, sockets)
        self._unreachable.warning(
            "No port from %d on is free: clients will go to %s past this proxy.", first, address_text(broker)
        )
        return None

    def _accept_for(self, broker: Address, sockets: list[socket.socket]) -> Door:
        door = self._doors[broker] = Door(sockets[0].getsockname()[1], sockets)
        for sock in sockets:
            self._run(self._accept(sock, broker))
        return door

    async def _accept(self, listening: socket.socket, broker: Address) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listening)
            except OSError as error:  # out of descriptors: until some connection closes
                self._unreachable.warning("Cannot accept a connection: %s.", reason_of(error))
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            self._run(self._serve(client, broker))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A connection is closed after an internal error.", exc_info=error)

    async def close(self) -> None:
        """Close all doors and all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for door in self._doors.values():
            for sock in door.sockets:
                sock.close()

    # --- connections -------------------------------------------------------------------------------------------

    async def _serve(self, client: socket.socket, broker: Address) -> None:
        """The life of one connection of a client."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(client.close)
            try:
                client_address, own_host = client.getpeername()[:2], client.getsockname()[0]
            except OSError:
                return  # it has gone already
            number = self._log.connected(address_text(client_address), address_text(broker))
            try:
                upstream = Stream(*await asyncio.open_connection(*broker, limit=_BYTES_PER_READ))
            except (OSError, UnicodeError) as error:
                self._unreachable.warning("Cannot reach %s: %s.", address_text(broker), reason_of(error))
                self._log.closed(number, f"since {address_text(broker)} cannot be reached: {reason_of(error)}")
                return
            stack.callback(upstream.writer.close)
            downstream = Stream(*await asyncio.open_connection(sock=client, limit=_BYTES_PER_READ))
            stack.callback(downstream.writer.close)

            conversation = Conversation(number, self._log, self._clock, lambda named: self.instead_of(named, own_host))
            reason = "by this proxy"
            try:
                reason = await _pass_on(conversation, downstream, upstream)
            finally:
                conversation.closed(reason)


class Stream(NamedTuple):
    """The two ends of one socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _pass_on(conversation: Conversation, client: Stream, broker: Stream) -> str:
    """Pass bytes on until the broker closes, or either side fails; return how the connection ended."""
    requests = asyncio.create_task(_pass_requests(conversation, client.reader, broker.writer))
    responses = asyncio.create_task(_pass_responses(conversation, broker.reader, client.writer))
    try:
        await asyncio.wait((requests, responses), return_when=asyncio.FIRST_COMPLETED)
        has_client_ended = requests.done()
        if has_client_ended and requests.exception() is None:
            # It has closed its half at least: the broker may still have something to say.
            await asyncio.wait((responses,))
    finally:
        requests.cancel()
        responses.cancel()
        outcomes = await asyncio.gather(requests, responses, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, OSError):
            return f"after an error: {reason_of(outcome)}"
        if isinstance(outcome, Exception):
            raise outcome
    return "by the client" if has_client_ended else "by the broker"


async def _pass_requests(
    conversation: Conversation, client: asyncio.StreamReader, broker: asyncio.StreamWriter
) -> None:
    while data := await client.read(_BYTES_PER_READ):
        conversation.from_client(data)
        broker.write(data)
        await broker.drain()
    broker.write_eof()


async def _pass_responses(
    conversation: Conversation, broker: asyncio.StreamReader, client: asyncio.StreamWriter
) -> None:
    while data := await broker.read(_BYTES_PER_READ):
        if received := conversation.from_broker(data):
            client.write(received)
            await client.drain()


def _bind_failure(address: Address, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"Port {address[1]} is in use; stop the other process or choose another port with --listen."
    return f"Cannot listen on {address_text(address)}: {reason_of(error)}."
