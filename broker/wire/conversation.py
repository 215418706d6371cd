"""What a client and a broker say to each other on one connection, followed from the bytes that pass.

Requests are passed on as they come, whatever they are; they are only looked at. Responses are held back until they are
whole, as an address in them may have to be replaced, and matched to their requests by correlation id. Whoever speaks
something else than Kafka's protocol is passed on, too: his bytes are shown once, and from there on nothing is.

No sockets and no clock of its own: bytes in, bytes out, lines to the log.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from protocol.errors import MalformedFrame
from protocol.messages.sasl_handshake import SaslHandshakeRequest
from protocol.schema import Message

from ..clock import Clock
from .addresses import Address
from .apis import api_name
from .decoding import CORRELATION_ID, Undecoded, decode_request, decode_response, expects_response
from .exchange import Exchange
from .frames import LENGTH, FrameSplitter
from .rewriting import ADDRESS_API_KEYS, needs_rewriting, rewrite
from .wire_log import WireLog

logger = logging.getLogger(__name__)

_BARE_TOKENS: Final = {"PLAIN": 1, "OAUTHBEARER": 1, "SCRAM-SHA-256": 2, "SCRAM-SHA-512": 2}
"""How many tokens a client sends after SaslHandshake v0, by mechanism; each is answered by one."""


class Conversation:
    """One connection of a client to a broker."""

    def __init__(self, number: int, log: WireLog, clock: Clock, replace: Callable[[Address], Address]) -> None:
        self._number = number
        self._log = log
        self._clock = clock
        self._replace = replace
        self._requests = FrameSplitter()
        self._responses = FrameSplitter()
        self._outstanding: deque[Exchange | None] = deque()
        """The requests that will be answered, in their order; None is a bare SASL token."""
        self._tokens_left = 0
        """How many of the next frames from the client are bare SASL tokens."""
        self._requests_are_opaque = False
        """Whether what the client says is no longer looked at."""
        self._responses_are_opaque = False

    def from_client(self, data: bytes) -> None:
        """Look at what the client has sent."""
        if self._requests_are_opaque:
            return
        for frame in self._requests.feed(data):
            if not self._requests_are_opaque:
                self._request(memoryview(frame))
        if self._requests.has_lost_track:
            self._requests_are_opaque = True
            self._log.undecoded(self._number, ">", "no request has such a length", self._requests.rest)

    def from_broker(self, data: bytes) -> bytes:
        """Look at what the broker has sent, and return what the client is to receive now."""
        if self._responses_are_opaque:
            return data
        received = bytearray()
        if self._nothing_follows():
            self._responses_are_opaque = True
        else:
            for frame in self._responses.feed(data):
                response = self._response(frame)
                received += LENGTH.pack(len(response)) + response
            data = b""
            if self._responses.has_lost_track:
                self._responses_are_opaque = True
                self._log.undecoded(self._number, "<", "no response has such a length", self._responses.rest)
            self._responses_are_opaque |= self._nothing_follows()
        if self._responses_are_opaque:
            received += self._responses.rest + data
            self._responses.rest.clear()
        return bytes(received)

    def closed(self, reason: str) -> None:
        """Note the end of the connection, and what it has left undone."""
        if self._requests.rest and not self._requests_are_opaque and not self._tokens_left:
            self._log.undecoded(
                self._number, ">", "the connection has ended within a request", self._requests.rest[LENGTH.size :]
            )
        unanswered = [each for each in self._outstanding if each is not None]
        if unanswered:
            names = ", ".join(f"{api_name(each.api_key)} v{each.version} {each.correlation_id}" for each in unanswered)
            reason += f", without an answer to {names}"
        self._log.closed(self._number, reason)

    def _nothing_follows(self) -> bool:
        """Tell whether no response can be expected any longer that would be understood."""
        return self._requests_are_opaque and not self._outstanding

    def _request(self, frame: memoryview) -> None:
        if self._tokens_left:
            self._tokens_left -= 1
            self._outstanding.append(None)
            self._log.hidden(self._number, ">", f"a SASL token of {len(frame)} bytes")
            return
        try:
            header, message = decode_request(frame)
        except MalformedFrame as error:
            self._log.undecoded(self._number, ">", str(error), frame)
            return
        exchange = Exchange(
            self._number,
            header.api_key,
            header.api_version,
            header.correlation_id,
            header.client_id,
            self._clock.monotonic_ms(),
        )
        self._log.request(exchange, message, frame)
        if expects_response(message):
            self._outstanding.append(exchange)
        if isinstance(message, SaslHandshakeRequest) and header.api_version == 0:
            self._expect_tokens(message.mechanism)

    def _expect_tokens(self, mechanism: str) -> None:
        """Bare tokens follow; where it is not known how many, all that follows is secret."""
        self._tokens_left = _BARE_TOKENS.get(mechanism, 0)
        if not self._tokens_left:
            self._requests_are_opaque = True
            self._log.hidden(self._number, ">", f"SASL tokens of {mechanism}, and with them all that follows")

    def _response(self, frame: bytes) -> bytes:
        """Show a response, and return it as the client is to receive it."""
        if self._outstanding and self._outstanding[0] is None:
            self._outstanding.popleft()
            self._log.hidden(self._number, "<", f"a SASL token of {len(frame)} bytes")
            return frame
        exchange = self._match(frame)
        if exchange is None:
            self._log.undecoded(self._number, "<", "it answers no request", frame)
            return frame
        view = memoryview(frame)
        version, message = decode_response(exchange.api_key, exchange.version, view)
        exchange.answer_in(version)
        self._log.response(exchange, message, view)
        return self._rewritten(exchange, message, view)

    def _match(self, frame: bytes) -> Exchange | None:
        """Take the request that a response answers, and those before it, which will not be answered any more."""
        if len(frame) >= CORRELATION_ID.size:
            (correlation_id,) = CORRELATION_ID.unpack_from(frame)
            for index, exchange in enumerate(self._outstanding):
                if exchange is not None and exchange.correlation_id == correlation_id:
                    for _ in range(index + 1):
                        self._outstanding.popleft()
                    return exchange
        return None

    def _rewritten(self, exchange: Exchange, message: Message | Undecoded, frame: memoryview) -> bytes:
        if isinstance(message, Undecoded):
            if exchange.api_key in ADDRESS_API_KEYS:
                self._warn(exchange, message.reason)
            return bytes(frame)
        try:
            return (
                rewrite(message, exchange.version, frame, self._replace) if needs_rewriting(message) else bytes(frame)
            )
        except MalformedFrame as error:
            self._warn(exchange, str(error))
            return bytes(frame)

    def _warn(self, exchange: Exchange, reason: str) -> None:
        logger.warning(
            "[#%d] A response of %s v%d is passed on as it is, and may lead its client past this proxy: %s.",
            exchange.connection,
            api_name(exchange.api_key),
            exchange.version,
            reason,
        )
