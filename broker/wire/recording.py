"""Reads what a wire log of the format `recording` has written: one event a line, in the order of time."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

from .addresses import reason_of
from .apis import api_key


class RecordingError(Exception):
    """A file that is no recording; the message is a sentence."""


class Event(NamedTuple):
    """One line: a message, or the begin or the end of a connection."""

    kind: str
    """`connected`, `request`, `response` or `closed`."""
    connection: int
    api: str = ""
    version: int = -1
    correlation_id: int = 0
    fields: dict[str, Any] | None = None
    """The message in plain values; None if it could not be decoded."""
    frame: bytes | None = None
    """The message as it was on the wire; None where it holds a secret or is no message."""

    @property
    def api_key(self) -> int:
        """The key of the message's API."""
        return api_key(self.api)

    @property
    def title(self) -> str:
        """What a message is called in sentences."""
        return f"#{self.connection} {self.api} v{self.version} {self.correlation_id}"


def read(path: str) -> Iterator[Event]:
    """Yields the events of a recording. Raises RecordingError."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield _event(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise RecordingError(f"Line {number} of {path} is not what --format recording writes.") from error
    except OSError as error:
        raise RecordingError(f"Cannot read {path}: {reason_of(error)}.") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path} is no recording but something else than text.") from error


def _event(line: dict[str, Any]) -> Event:
    kind, connection, frame = line["event"], line["connection"], line.get("frame")
    return Event(
        kind,
        connection,
        line.get("api", ""),
        line.get("version", -1),
        line.get("correlation_id", 0),
        line.get("fields"),
        None if frame is None else b64decode(frame),
    )
