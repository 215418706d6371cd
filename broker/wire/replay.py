"""Sends a recording to a broker again and shows how its responses differ from those recorded.

Events are followed one by one, in their order: a request is sent, a response is waited for, on as many connections as
there were. So what overlapped overlaps again, as a JoinGroup that waits for another member's. Ids that a broker gives
out are put into later requests as the new broker has given them (`id_translation`), and what may differ between two
runs does not count (`normalize`).
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from .addresses import Address, address_text, reason_of
from .decoding import CORRELATION_ID, Undecoded, decode_response
from .frames import LENGTH, FrameSplitter
from .id_translation import translate
from .normalize import Normalizer
from .recording import Event, RecordingError, read
from .render import plain_to_text, to_plain

RESPONSE_TIMEOUT_SECONDS: Final = 60.0
"""Far longer than a client has its requests wait."""

_CHARACTERS_SHOWN: Final = 200
_BYTES_PER_READ: Final = 256 * 1024


class ReplayError(Exception):
    """What keeps a recording from being replayed; the message is a sentence."""


class ConnectionLost(Exception):
    """The broker has closed a connection or does not answer; the message says which."""


def replay(path: str, to: Address, write: Callable[[str], object] = sys.stdout.write) -> bool:
    """Replay a file, write a line for each difference and one that counts them; return whether there is none.

    Raises ReplayError.
    """
    run = Replay(to, write)
    try:
        for event in read(path):
            run.follow(event)
    except RecordingError as error:
        raise ReplayError(str(error)) from error
    except OSError as error:
        raise ReplayError(f"Cannot reach {address_text(to)}: {reason_of(error)}.") from error
    finally:
        run.close()
    if not run.sent_count:
        raise ReplayError(f"{path} holds no requests that can be sent; record with --format recording.")
    write(run.summary())
    return not run.different_count


class Replay:
    """One run: the connections to the new broker, and what is known of both sides' ids."""

    def __init__(self, to: Address, write: Callable[[str], object]) -> None:
        self.sent_count = 0
        self.compared_count = 0
        self.different_count = 0
        self.passed_over_count = 0
        self._to = to
        self._write = write
        self._recorded = Normalizer()
        self._new = Normalizer()
        self._connections: dict[int, ReplayedConnection] = {}

    def follow(self, event: Event) -> None:
        """Do what an event says. Raises OSError where the broker cannot be reached."""
        if event.kind == "request":
            self._send(event)
        elif event.kind == "response":
            self._receive(event)
        else:
            # A file that two recordings were written to has two connections of one number.
            self._close(event.connection)

    def close(self) -> None:
        """Close what is open."""
        for number in list(self._connections):
            self._close(number)

    def summary(self) -> str:
        """Return a line that counts what was done."""
        text = (
            f"{self.sent_count} requests sent, {self.compared_count} responses compared, {self.different_count} differ"
        )
        if self.passed_over_count:
            text += f"; {self.passed_over_count} requests passed over, as they were no requests or held secrets"
        return f"{text}.\n"

    def _send(self, event: Event) -> None:
        if event.frame is None:
            self.passed_over_count += 1
            return
        connection = self._connections.get(event.connection)
        if connection is None:
            connection = self._connections[event.connection] = ReplayedConnection(self._to)
        connection.send(event, translate(event.frame, self._recorded, self._new))
        self.sent_count += 1

    def _receive(self, event: Event) -> None:
        connection = self._connections.get(event.connection)
        if connection is None or not connection.awaits(event):
            return  # the answer to a request that was passed over
        self.compared_count += 1
        try:
            frame = memoryview(connection.receive())
        except ConnectionLost as error:
            self._differ(event, [f"there was a response, and now {error}"])
            return
        self._differ(event, self._differences(event, frame))

    def _differences(self, event: Event, frame: memoryview) -> Iterator[str]:
        """Yields how a new response differs from the recorded one."""
        if frame[: CORRELATION_ID.size] != CORRELATION_ID.pack(event.correlation_id):
            yield "there is a response with another correlation id"
            return
        version, message = decode_response(event.api_key, event.version, frame)
        if event.fields is None or isinstance(message, Undecoded):
            if bytes(frame) != event.frame:
                yield "it is not the same, and cannot be decoded"
            return
        recorded = self._recorded.response(event.api, event.fields)
        new = self._new.response(event.api, to_plain(message, version))
        yield from differences(recorded, new)

    def _differ(self, event: Event, how: Iterator[str] | list[str]) -> None:
        lines = [f"{event.title}: {each}\n" for each in how]
        self.different_count += bool(lines)
        for line in lines:
            self._write(line)

    def _close(self, number: int) -> None:
        if connection := self._connections.pop(number, None):
            connection.close()


class ReplayedConnection:
    """A connection to the new broker in the place of a recorded one."""

    def __init__(self, to: Address) -> None:
        self._socket = socket.create_connection(to, RESPONSE_TIMEOUT_SECONDS)
        self._splitter = FrameSplitter(0x7FFF_FFFF)
        self._frames: list[bytes] = []
        self._sent: set[int] = set()
        """The correlation ids of the requests that were sent."""
        self._lost: ConnectionLost | None = None

    def send(self, event: Event, frame: bytes) -> None:
        """Send a request; a connection that is lost shows when its response is due."""
        self._sent.add(event.correlation_id)
        try:
            self._socket.sendall(LENGTH.pack(len(frame)) + frame)
        except OSError as error:
            self._lost = ConnectionLost(f"the connection is lost: {reason_of(error)}")

    def awaits(self, event: Event) -> bool:
        """Tell whether the request of a recorded response was sent."""
        return event.correlation_id in self._sent

    def receive(self) -> bytes:
        """Return the next response. Raises ConnectionLost, at this call and at all that follow."""
        while not self._frames and self._lost is None:
            try:
                data = self._socket.recv(_BYTES_PER_READ)
            except TimeoutError:
                self._lost = ConnectionLost(f"there is none within {RESPONSE_TIMEOUT_SECONDS:g} s")
            except OSError as error:
                self._lost = ConnectionLost(f"the connection is lost: {reason_of(error)}")
            else:
                self._frames += self._splitter.feed(data)
                if not data:
                    self._lost = ConnectionLost("the broker has closed the connection")
        if not self._frames:
            assert self._lost is not None
            raise self._lost
        return self._frames.pop(0)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def differences(recorded: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yields the places where plain values differ, and how."""
    if isinstance(recorded, dict) and isinstance(new, dict):
        for name in [*recorded, *(name for name in new if name not in recorded)]:
            place = f"{path}.{name}" if path else name
            if name not in recorded or name not in new:
                yield f"{place} is only in the {'recording' if name in recorded else 'new response'}"
            else:
                yield from differences(recorded[name], new[name], place)
    elif isinstance(recorded, list) and isinstance(new, list) and len(recorded) == len(new):
        for index, (old_item, new_item) in enumerate(zip(recorded, new, strict=True)):
            yield from differences(old_item, new_item, f"{path}[{index}]")
    elif isinstance(recorded, list) and isinstance(new, list):
        yield f"{path} had {len(recorded)} elements and has {len(new)}"
        yield from (f"{path} has no more {_short(item)}" for item in recorded if item not in new)
        yield from (f"{path} has now {_short(item)}" for item in new if item not in recorded)
    elif recorded != new:
        yield f"{path} was {_short(recorded)} and is {_short(new)}"


def _short(value: Any) -> str:
    text = plain_to_text(value)
    return text if len(text) <= _CHARACTERS_SHOWN else f"{text[:_CHARACTERS_SHOWN]}..."
