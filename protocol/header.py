"""Request headers v1 and v2, response headers v0 and v1.

v2 and v1 are the flexible ones: they end with tagged fields, of which none is defined so far. `client_id` keeps its
classic int16 length even in v2. Which header goes with which message is said by its `has_flexible_header`.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error
from typing import Final

from .decoding import skip_tags
from .errors import MalformedFrame

_FIXED: Final = Struct(">hhih")
_CORRELATION_ID: Final = Struct(">i")
_CORRELATION_ID_AND_NO_TAGS: Final = Struct(">ix")


class RequestHeader:
    """What stands before the body of every request; the body begins at `body_position` of the frame."""

    __slots__ = ("api_key", "api_version", "body_position", "client_id", "correlation_id")

    def __init__(
        self, api_key: int, api_version: int, correlation_id: int, client_id: str | None, body_position: int
    ) -> None:
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.body_position = body_position

    def __repr__(self) -> str:
        return (
            f"RequestHeader(api_key={self.api_key}, api_version={self.api_version}, "
            f"correlation_id={self.correlation_id}, client_id={self.client_id!r}, body_position={self.body_position})"
        )


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
    return RequestHeader(api_key, api_version, correlation_id, client_id, position)


def response_header(correlation_id: int, flexible: bool) -> bytes:
    """Encode a response header: v1, with no tagged fields, if flexible, else v0."""
    return (_CORRELATION_ID_AND_NO_TAGS if flexible else _CORRELATION_ID).pack(correlation_id)
