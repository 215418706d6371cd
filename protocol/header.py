"""Request headers v1 and v2, response headers v0 and v1.

v2 and v1 are the flexible ones: they end with tagged fields, of which none is defined so far. `client_id` keeps its
classic int16 length even in v2. Which header goes with which message is said by its `has_flexible_header`.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple

from .decoding import skip_tags
from .errors import MalformedFrame

_FIXED: Final = Struct(">hhih")
_SIZE_AND_CORRELATION_ID: Final = Struct(">ii")
_SIZE_CORRELATION_ID_AND_NO_TAGS: Final = Struct(">iix")


class RequestHeader(NamedTuple):
    """What stands before the body of every request; the body begins at `body_position` of the frame."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    body_position: int


def decode_request_header(frame: memoryview, flexible: bool) -> RequestHeader:
    """Read the header of a frame: v2, with tagged fields, if flexible, else v1. Raises MalformedFrame."""
    try:
        api_key, api_version, correlation_id, size = _FIXED.unpack_from(frame, 0)
        position = 10
        if size >= 0:
            position += size
            client_id = frame[10:position].tobytes().decode()
        else:
            client_id = None
        if flexible:
            tags = frame[position]
            position += 1
            if tags:
                position = skip_tags(frame, position, tags)
    except (struct_error, IndexError) as error:
        raise MalformedFrame("request header: it ends too early") from error
    except UnicodeDecodeError as error:
        raise MalformedFrame(f"request header: {error}") from error
    if position > len(frame):
        raise MalformedFrame(f"request header: {position - len(frame)} bytes are missing")
    # Made so, it takes a third of the time: one for each request.
    header: RequestHeader = tuple.__new__(RequestHeader, (api_key, api_version, correlation_id, client_id, position))
    return header


def framed_response_header(correlation_id: int, flexible: bool, body_bytes: int) -> bytes:
    """Encode what stands before a response's body: the frame's size, and the header, v1 without tags if flexible."""
    if flexible:
        return _SIZE_CORRELATION_ID_AND_NO_TAGS.pack(5 + body_bytes, correlation_id)
    return _SIZE_AND_CORRELATION_ID.pack(4 + body_bytes, correlation_id)
