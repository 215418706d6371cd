"""One client's connection: frames in, replies out in order, back-pressure.

The sockets are our own, non-blocking, on the loop's `add_reader`: asyncio's transports copy what they receive and
send, and cannot send a span of a file (docs/adr/0002-own-sockets.md). Requests are decoded and
handled where they lie in a shared buffer, in the order of their arrival, without a task for any of them; a handler
that cannot answer at once returns a future, and the replies behind it wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from protocol.codec import Part
from protocol.errors import MalformedFrame
from protocol.header import decode_request_header, framed_response_header
from storage.cold_read import ColdRead

from .bad_requests import cause_of, no_frame, unserved
from .context import RequestContext
from .frame_buffers import SCRATCH_BYTES
from .outbox import Outbox, SpanCutShort
from .registry import API_VERSIONS_KEY, Repeated, Route
from .spinning import SMALL_BYTES
from .turns import SLICE_MS

if TYPE_CHECKING:
    from .listeners import Listener
    from .server import Server

logger = logging.getLogger(__name__)

_LENGTH = struct.Struct(">i")
_KEY_AND_VERSION = struct.Struct(">hh")
_KEY_VERSION_AND_CORRELATION = struct.Struct(">hhi")
# A frame with more than this still to come is received into a buffer of its own; less is cheaper to copy once.
_REMAINDER_BYTES_MAX = SCRATCH_BYTES // 4
# Replies of one read event leave together, but a buffer full of small requests may ask for gigabytes: once the replies
# have so many bytes, or have taken a slice of time, the rest waits until others have had their turn, and this client
# has taken what it asked for.
_REPLY_BYTES_PER_TURN = 64 * 1024
_STRANGERS_MAX = 64
# In a crowd small replies leave at the end of the turn: sent one by one, each would wake a client for itself.
_HELD_BYTES_MAX = 4 * 1024


class _PendingReply:
    """A reply in the queue: outstanding, or done and waiting for the ones before it.

    The route is there for what is outstanding.
    """

    __slots__ = ("correlation_id", "parts", "reply", "route")

    def __init__(
        self, route: Route | None, correlation_id: int, reply: asyncio.Future[Any] | None, parts: list[Part] | None
    ) -> None:
        self.route = route
        self.correlation_id = correlation_id
        self.reply = reply
        self.parts = parts


class Connection:
    """The state of one accepted socket; all its methods run on the loop's thread."""

    # Thousands may be idle, and more attributes than Python lets the dictionaries of a class share cost each 1.5 KB.
    __slots__ = (
        "_finishing",
        "_granted_bytes",
        "_handling",
        "_has_backlog",
        "_large_frame",
        "_large_frame_end",
        "_large_frame_filled",
        "_outbox",
        "_pauses",
        "_pending",
        "_reading",
        "_remainder",
        "_repeated",
        "_repeated_route",
        "_reply_bytes",
        "_route",
        "_server",
        "_socket",
        "_strangers",
        "_strangers_max",
        "_warming",
        "_writing",
        "active",
        "closed",
        "deferred",
        "idle_since_ms",
        "listener",
        "local_address",
        "peer_host",
        "peer_port",
        "principal",
        "spent_ms",
    )

    def __init__(
        self,
        server: Server,
        sock: socket.socket,
        listener: Listener,
        peer: tuple[str, int],
        local_address: tuple[str, int],
    ) -> None:
        self.listener = listener
        self.peer_host, self.peer_port = peer
        self.local_address = local_address
        """The host and port at which the client's connection arrived."""
        self.principal = "User:ANONYMOUS"
        self.closed = False
        self.deferred = False
        self.spent_ms = 0.0
        self.active = True
        """Whether the peer has sent or taken anything since the last sweep over idle connections."""
        self.idle_since_ms = 0.0
        self._server = server
        self._socket = sock
        self._outbox = Outbox(sock, server.msg_more, server.broker.clock)
        self._pending: deque[_PendingReply] | tuple[()] = ()
        """What waits for its turn to be sent, from the first reply that is not there yet."""
        self._pauses: Counter[str] = Counter()
        self._reading = True
        self._writing = False
        self._warming = False
        """Whether a thread reads from the disk what is to be sent next."""
        self._handling = False
        self._finishing = False
        self._route: Route | None = None
        """What has served the last request."""
        self._repeated: Repeated | None = None
        """What answers requests that are like an earlier one."""
        self._repeated_route: Route | None = None
        """What had served that one."""
        self._strangers = 0
        """How many requests in a row it has not answered."""
        self._strangers_max = 0
        self._reply_bytes = 0
        """How much was encoded since the replies were last sent."""
        self._remainder = b""
        """What was received behind the last handled frame."""
        self._has_backlog = False
        """Whether the remainder holds frames that a pause has kept from being handled."""
        self._large_frame: memoryview | None = None
        self._large_frame_filled = 0
        self._large_frame_end = 0
        self._granted_bytes = 0
        """The size of the request whose beginning has arrived, once the server has granted memory for it."""
        server.loop.add_reader(sock, self._on_readable)

    @property
    def patient(self) -> bool:
        """Whether what it has last asked for, if it was anything, may wait while others are late."""
        return self._route is None or self._route.api.patient

    # --- pausing -----------------------------------------------------------------------------------------------

    def pause(self, reason: str) -> None:
        """Handle no further request until every pause has been resumed; pauses of one reason are counted."""
        self._pauses[reason] += 1

    def resume(self, reason: str) -> None:
        """Take back one `pause(reason)`."""
        if self._pauses[reason] > 1:
            self._pauses[reason] -= 1
            return
        del self._pauses[reason]
        if self._pauses or self.closed:
            return
        if self._has_backlog and not self._handling and not self.deferred:
            self._server.turns.defer(self, 0.0)
        self._watch()

    def _watch(self) -> None:
        if not self._reading and not self._finishing:
            self._reading = True
            self._server.loop.add_reader(self._socket, self._on_readable)

    def _handle_backlog(self) -> None:
        """Handle the requests that arrived while the connection was paused."""
        self.active = True
        self._has_backlog = False
        size = len(self._remainder)
        scratch = self._server.buffers.scratch
        scratch[:size] = self._remainder
        self._remainder = b""
        self._keep_rest(scratch, self._handle_frames(scratch, size), size)

    # --- receiving ---------------------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        server = self._server
        if not server.is_crowded:
            server.spin.before_read()
            self.read()
        elif self.deferred:
            self._stop_reading()  # or each turn would be told of all that wait for theirs
        elif server.turns.admits(self):
            self.read()

    def take_turn(self) -> None:
        """Go on after others have had theirs: with what is unsent, the requests that are there, or what is received."""
        self._pauses.pop("turn", None)
        if self.closed:
            return
        if self._writing:
            self._write()
            return
        if self._pauses:
            return
        self._watch()
        self.read()

    def read(self) -> None:
        """Receive once and handle what has come; called when the socket is readable, or was when it was deferred."""
        if self._pauses:
            # Only now: most connections that wait for a reply send nothing meanwhile, and epoll_ctl has its price.
            self._stop_reading()
            return
        try:
            if self._has_backlog:
                self._handle_backlog()
                return
            if not self._reading:
                return
            if self._server.request_memory.is_used_up and not self._granted_bytes:
                self._server.request_memory.wait(self)
                return
            self.active = True
            if self._large_frame is not None:
                self._receive_large_frame(self._large_frame)
            else:
                scratch = self._server.buffers.scratch
                start = len(self._remainder)
                if start:
                    scratch[:start] = self._remainder
                    received = self._socket.recv_into(scratch[start:])
                    self._remainder = b""
                else:
                    received = self._socket.recv_into(scratch)
                if received == 0:
                    self.finish()
                else:
                    end = start + received
                    position = self._handle_frames(scratch, end)
                    if position != end or self._granted_bytes:
                        self._keep_rest(scratch, position, end)
                    if (
                        received <= SMALL_BYTES
                        and not self._server.is_crowded
                        and self._route is not None
                        and self._route.api.keeps_awake
                    ):
                        self._server.spin.after_small()
            if self._granted_bytes:
                self.close_if_reset()
        except BlockingIOError:
            return
        except OSError as error:
            self.close(str(error))

    def close_if_reset(self) -> None:
        """Close if the peer has reset the connection and nobody will say so.

        uvloop tells of a reset once, and what it calls then may find what had been received before.
        """
        if not self.closed and (number := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            self.close(os.strerror(number))

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._server.loop.remove_reader(self._socket)

    def _receive_large_frame(self, buffer: memoryview) -> None:
        received = self._socket.recv_into(buffer[self._large_frame_filled : self._large_frame_end])
        if received == 0:
            self.finish()
            return
        self._large_frame_filled += received
        if self._large_frame_filled < self._large_frame_end:
            return
        self._large_frame = None
        self._handle_frames(buffer, self._large_frame_end)
        self._server.buffers.give_back(buffer)
        self._give_back_grant()

    def _keep_rest(self, scratch: memoryview, position: int, end: int) -> None:
        """Keep what is behind the frames that were handled."""
        if position and self._granted_bytes:
            self._give_back_grant()
        if position == end or self.closed:
            return
        if end - position >= 4 and not self._pauses:
            frame_end = 4 + _LENGTH.unpack_from(scratch, position)[0]
            missing = frame_end - (end - position)
            if not self._granted_bytes:
                self._ask_for_grant(frame_end)
            if not self._pauses and (frame_end > SCRATCH_BYTES or missing > _REMAINDER_BYTES_MAX):
                buffer = self._server.buffers.take(frame_end)
                buffer[: end - position] = scratch[position:end]
                self._large_frame = buffer
                self._large_frame_filled = end - position
                self._large_frame_end = frame_end
                return
        self._remainder = bytes(scratch[position:end])
        self._has_backlog = bool(self._pauses)

    def _ask_for_grant(self, size_bytes: int) -> None:
        """Have memory granted for a request that has begun to arrive, or wait for it."""
        memory = self._server.request_memory
        if memory.grant(size_bytes):
            self._granted_bytes = size_bytes
        else:
            memory.wait(self)

    def _give_back_grant(self) -> None:
        granted_bytes, self._granted_bytes = self._granted_bytes, 0
        self._server.request_memory.give_back(granted_bytes)

    def _handle_frames(self, buffer: memoryview, end: int) -> int:
        """Handle the whole frames of `buffer[:end]`, send their replies together, and return where they ended."""
        position = 0
        turn_end_ms = 0.0
        self._handling = True
        try:
            while end - position >= 4 and not self._pauses:
                size = _LENGTH.unpack_from(buffer, position)[0]
                if not 0 <= size <= self._server.request_bytes_max:
                    raise no_frame(size, self._server.request_bytes_max, self.listener.protocol)
                frame_end = position + 4 + size
                if frame_end > end:
                    break
                self._handle_request(buffer[position + 4 : frame_end])
                position = frame_end
                if self.closed:
                    break
                if position < end:
                    now_ms = self._server.broker.clock.monotonic_ms()
                    slice_ms = self._server.turns.slice_ms
                    turn_end_ms = turn_end_ms or now_ms + slice_ms
                    if self._reply_bytes > _REPLY_BYTES_PER_TURN or now_ms >= turn_end_ms:
                        self.pause("turn")
                        self._server.turns.defer(self, now_ms - turn_end_ms + slice_ms)
        except MalformedFrame as error:
            self._server.bad_clients.warning(
                "Closing the connection of %s:%d: %s.", self.peer_host, self.peer_port, error, cause=cause_of(error)
            )
            self.close()
        except Exception:
            logger.exception("Closing the connection of %s after an internal error.", self.peer_host)
            self.close()
        finally:
            self._handling = False
        if self.closed:
            return position
        is_held = self._server.is_crowded and 0 < self._reply_bytes <= _HELD_BYTES_MAX and self._server.turns.hold(self)
        if not is_held:
            self._send()
        return position

    # --- requests and replies ----------------------------------------------------------------------------------

    def _handle_request(self, frame: memoryview) -> None:
        repeated = self._repeated
        if repeated is not None:
            answer = repeated.answer(frame)
            if answer is not None:
                self._strangers = 0
                self._route = self._repeated_route
                if self.closed:
                    return
                if not isinstance(answer, bytes):
                    assert self._route is not None
                    self._queue_outstanding(self._route, _KEY_VERSION_AND_CORRELATION.unpack_from(frame)[2], answer)
                elif answer:
                    self._reply_bytes += len(answer)
                    if self._pending:
                        self._pending.append(_PendingReply(None, 0, None, [answer]))
                    else:
                        self._outbox.append(answer)
                return
        if len(frame) < _KEY_VERSION_AND_CORRELATION.size:
            raise MalformedFrame(f"a request of {len(frame)} bytes has no header")
        api_key, version = _KEY_AND_VERSION.unpack_from(frame)
        route = self._server.router.find(api_key, version)
        if route is None:
            if api_key != API_VERSIONS_KEY:
                raise unserved(frame, api_key, version)
            self._refuse_api_versions(_KEY_VERSION_AND_CORRELATION.unpack_from(frame)[2])
            return
        self._route = route
        header = decode_request_header(frame, route.flexible_request)
        request, _ = route.decode(frame, header.body_position)
        context = RequestContext(self._server.broker, self, api_key, version, header.client_id, len(frame))
        reply = route.handle(context, request)
        if route.repeated is not None:
            self._strangers += 1
            if self._strangers > self._strangers_max and not self.closed:
                # A producer that takes turns between topics would have it made in vain each time.
                self._strangers_max = min(2 * self._strangers, _STRANGERS_MAX)
                self._strangers = 0
                self._repeated = route.repeated.after(context, frame, header.body_position, request)
                self._repeated_route = route
        if reply is None or self.closed:
            return
        if isinstance(reply, asyncio.Future):
            self._queue_outstanding(route, header.correlation_id, reply)
            return
        self._queue(route, header.correlation_id, reply)

    def _refuse_api_versions(self, correlation_id: int) -> None:
        """Answer a version of ApiVersions that is not served with version 0, which every client reads (KIP-511)."""
        route = self._server.router.find(API_VERSIONS_KEY, 0)
        assert route is not None
        from .handlers.api_versions import unsupported_version_response

        self._queue(route, correlation_id, unsupported_version_response())

    def _queue(self, route: Route, correlation_id: int, reply: Any) -> None:
        """Queue a reply for sending, behind those that are outstanding."""
        parts = self._encode(route, correlation_id, reply)
        if self._pending:
            self._pending.append(_PendingReply(route, correlation_id, None, parts))
        else:
            self._outbox.extend(parts)

    def _queue_outstanding(self, route: Route, correlation_id: int, reply: asyncio.Future[Any]) -> None:
        """Queue a reply that is not there yet."""
        if not route.api.pipelined:
            self.pause("reply")
        if not self._pending:
            self._pending = deque()
        self._pending.append(_PendingReply(route, correlation_id, reply, None))
        reply.add_done_callback(self._on_reply_done)

    def _encode(self, route: Route, correlation_id: int, reply: Any) -> list[Part]:
        parts: list[Part] = [b""]
        route.encode(reply, parts)
        body_bytes = sum(map(len, parts))
        parts[0] = framed_response_header(correlation_id, route.flexible_response, body_bytes)
        self._reply_bytes += body_bytes
        return parts

    def _on_reply_done(self, _: asyncio.Future[Any]) -> None:
        """Queue the replies that are now first in line."""
        if self.closed:
            return
        self.active = True
        pending = self._pending
        try:
            while pending:
                first = pending[0]
                if first.reply is not None and not first.reply.done():
                    break
                pending.popleft()
                if first.reply is not None:
                    assert first.route is not None
                    first.parts = self._encode(first.route, first.correlation_id, first.reply.result())
                    if not first.route.api.pipelined:
                        self.resume("reply")
                assert first.parts is not None
                self._outbox.extend(first.parts)
        except (Exception, asyncio.CancelledError):
            logger.exception("Closing the connection of %s after an internal error.", self.peer_host)
            self.close()
            return
        self._send()
        if self._finishing:
            self.finish()

    # --- sending -----------------------------------------------------------------------------------------------

    def _send(self) -> None:
        """Send what can be sent; while something is left, read no further requests."""
        self._reply_bytes = 0
        if self._warming:
            return
        try:
            all_sent = self._outbox.send()
        except (OSError, SpanCutShort) as error:
            self.close(str(error))
            return
        if all_sent:
            return
        cold = self._outbox.cold
        if cold is not None:
            self._warm(cold)
        elif not self._writing:
            self.pause("unsent")
            self._server.loop.add_writer(self._socket, self._on_writable)
            self._writing = True

    def let_go(self) -> None:
        """Send the replies that were held until the end of the turn."""
        if self.closed:
            return
        self._send()
        if self._finishing:
            self.finish()

    def _warm(self, cold: ColdRead) -> None:
        """Have a thread read what is to be sent next from the disk; until then it is as if the socket were full."""
        self._warming = True
        self.pause("disk")
        self._stop_writing()
        self._server.broker.cold_reads.read_in((cold,), self._on_warmed)

    def _on_warmed(self, error: Exception | None) -> None:
        self._warming = False
        if self.closed:
            return
        if error is not None:
            self.close(str(error))
            return
        self._outbox.warmed()
        self._send()
        self.resume("disk")
        if self._finishing:
            self.finish()

    def _on_writable(self) -> None:
        if not self._server.is_crowded:
            self._write()
        elif not self.deferred:
            self._server.turns.defer(self, SLICE_MS)  # what does not fit into the socket is a lot

    def _write(self) -> None:
        self.active = True
        self._send()
        if self._outbox or self.closed:
            return
        self._stop_writing()
        if self._finishing:
            self.finish()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._server.loop.remove_writer(self._socket)
            self.resume("unsent")

    # --- the end -----------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Read no more, and close once all that was asked for is answered: the peer may have closed its half only."""
        self._finishing = True
        self._stop_reading()
        if not self._pending and not self._outbox:
            self.close()
        else:
            self._drop_arriving()

    def close(self, reason: str | None = None) -> None:
        """Close at once; what waits for this connection is cancelled, files are unpinned. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        if reason:
            logger.debug("Closing the connection of %s: %s.", self.peer_host, reason)
        self._stop_reading()
        try:
            if self._writing:
                self._server.loop.remove_writer(self._socket)
            elif not self._warming:
                with contextlib.suppress(OSError, SpanCutShort):
                    self._outbox.send()
            for pending in self._pending:
                self._abandon(pending)
        finally:
            # Whatever becomes of the replies: a socket that stays open counts as a connection for ever.
            self._pending = ()
            self._outbox.drop()
            self._repeated = None  # it knows this connection: a cycle, which would stay for long
            self._has_backlog = False
            self._drop_arriving()
            self._socket.close()
            self._server.forget(self)

    def _drop_arriving(self) -> None:
        """Let go of the memory for a request of which no more will be read."""
        if self._large_frame is not None:
            self._server.buffers.give_back(self._large_frame)
            self._large_frame = None
        if self._granted_bytes:
            self._give_back_grant()
        self._server.request_memory.leave(self)

    def _abandon(self, pending: _PendingReply) -> None:
        """Cancel the reply, or unpin the files of one that was ready."""
        if pending.reply is not None:
            if pending.reply.cancel() or pending.reply.cancelled() or pending.reply.exception() is not None:
                return
            assert pending.route is not None
            try:
                pending.parts = self._encode(pending.route, pending.correlation_id, pending.reply.result())
            except Exception:
                logger.exception("A reply to %s, which has gone, cannot be encoded.", self.peer_host)
        self._outbox.extend(pending.parts or ())
