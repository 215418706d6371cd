"""The wire log: what is told to it becomes lines (`lines`), if a filter fits, and goes to a file (`sink`)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from protocol.schema import Message

from ..clock import Clock
from ..config import StartupError
from .addresses import reason_of
from .decoding import Undecoded
from .exchange import Exchange
from .filters import Filters, TopicFinder
from .lines import Frame, JsonLines, Lines, TextLines
from .sink import Sink


class Format(Enum):
    """How a wire log is written."""

    TEXT = "text"
    JSON = "json"
    RECORDING = "recording"
    """JSON with record contents and frames, which `ottla wire replay` can send again."""


class WireLogOptions(NamedTuple):
    """What a wire log holds, and where."""

    path: str
    format: Format = Format.TEXT
    contents: bool = False
    """Whether records, and binary fields beyond their first bytes, are shown."""
    filters: Filters = Filters()


class WireLog:
    """Decides what is shown and writes it."""

    def __init__(self, options: WireLogOptions, clock: Clock) -> None:
        """Open the file; raises OSError."""
        self.records_frames = options.format is Format.RECORDING
        """Whether whole frames are to be handed in with messages, and not only those that cannot be decoded."""
        self._sink = Sink(options.path)
        self._clock = clock
        self._filters = options.filters
        self._shows_all = options.filters == Filters()
        self._topics = TopicFinder() if options.filters.topics else None
        self._lines: Lines = (
            TextLines(options.contents)
            if options.format is Format.TEXT
            else JsonLines(options.contents or self.records_frames, self.records_frames)
        )
        self._connections_count = 0
        self._unshown: dict[int, tuple[int, str, str]] = {}
        """When and between whom the connections were made that nothing has been shown of, by number."""

    async def close(self) -> None:
        """Write what has gathered and close the file."""
        await self._sink.close()

    def connected(self, client: str, broker: str) -> int:
        """Note that a client has connected; return the connection's number."""
        self._connections_count += 1
        connection = self._connections_count
        self._unshown[connection] = (self._clock.now_ms(), client, broker)
        if self._shows_all:
            self._show_connection(connection)
        return connection

    def closed(self, connection: int, reason: str | None) -> None:
        """Note the end of a connection."""
        if self._unshown.pop(connection, None) is None:
            self._sink.write(self._lines.closed(self._clock.now_ms(), connection, reason))

    def request(self, exchange: Exchange, message: Message | Undecoded, frame: Frame) -> None:
        """Note a request, and in the exchange whether it is shown."""
        exchange.is_shown = self._is_wanted(exchange, message)
        if exchange.is_shown:
            self._show_connection(exchange.connection)
            self._sink.write(self._lines.request(self._clock.now_ms(), exchange, message, frame))

    def response(self, exchange: Exchange, message: Message | Undecoded, frame: Frame) -> None:
        """Note the response to a request: if that was shown, or if the response names a topic that is wanted."""
        is_shown = exchange.is_shown if self._topics is None else self._is_wanted(exchange, message)
        if is_shown or exchange.is_shown:
            self._show_connection(exchange.connection)
            latency_ms = self._clock.monotonic_ms() - exchange.started_ms
            self._sink.write(self._lines.response(self._clock.now_ms(), exchange, latency_ms, message, frame))

    def undecoded(self, connection: int, direction: str, reason: str, data: Frame) -> None:
        """Note bytes that are no request or no response; `direction` is `>` or `<`."""
        if self._shows_all:
            self._sink.write(self._lines.undecoded(self._clock.now_ms(), connection, direction, reason, data))

    def hidden(self, connection: int, direction: str, what: str) -> None:
        """Note that something has passed that is not to be shown."""
        if self._shows_all:
            self._sink.write(self._lines.hidden(self._clock.now_ms(), connection, direction, what))

    def _show_connection(self, connection: int) -> None:
        """Show that a connection was made, before the first line about it."""
        made = self._unshown.pop(connection, None)
        if made is not None:
            now_ms, client, broker = made
            self._sink.write(self._lines.connected(now_ms, connection, client, broker))

    def _is_wanted(self, exchange: Exchange, message: Message | Undecoded) -> bool:
        if self._shows_all or not self._sink.is_open:
            return self._sink.is_open
        names_topic = True
        if self._topics is not None:
            # Of all messages, since any may tell which id a topic has.
            topics = set() if isinstance(message, Undecoded) else self._topics.topics_of(message, exchange.version)
            names_topic = not self._filters.topics.isdisjoint(topics)
        return names_topic and self._filters.fit(exchange.api_key, exchange.client_id)


def open_log(options: WireLogOptions, clock: Clock) -> WireLog:
    """Open a wire log; raises StartupError where the file cannot be written."""
    try:
        return WireLog(options, clock)
    except OSError as error:
        raise StartupError(f"Cannot write the wire log {options.path}: {reason_of(error)}.") from error
