"""Whole frames to messages, for whoever looks on: what cannot be decoded is no error but a fact to be shown."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from protocol.codec import decoder
from protocol.decoding import skip_tags
from protocol.errors import ErrorCode, MalformedFrame
from protocol.header import RequestHeader, decode_request_header
from protocol.messages.produce import ProduceRequest
from protocol.schema import Message

from .apis import API_VERSIONS, messages_of

CORRELATION_ID: Final = struct.Struct(">i")
_KEY_AND_VERSION: Final = struct.Struct(">hh")
_ERROR_CODE: Final = struct.Struct(">h")


class Undecoded(NamedTuple):
    """What stands in the place of a message that cannot be decoded."""

    reason: str


def decode_request(frame: memoryview) -> tuple[RequestHeader, Message | Undecoded]:
    """Return header and body of a request. Raises MalformedFrame where not even the header can be read."""
    if len(frame) < _KEY_AND_VERSION.size:
        raise MalformedFrame(f"a request of {len(frame)} bytes has no header")
    api_key, version = _KEY_AND_VERSION.unpack_from(frame)
    messages = messages_of(api_key)
    if messages is None or version not in messages.request.VERSIONS:
        # Both kinds of header begin alike; their tags are left to the body that nobody reads.
        return decode_request_header(frame, flexible=False), _undeclared(messages is not None)
    header = decode_request_header(frame, messages.request.has_flexible_header(version))
    try:
        return header, decoder(messages.request, version)(frame, header.body_position)[0]
    except MalformedFrame as error:
        return header, Undecoded(str(error))


def decode_response(api_key: int, version: int, frame: memoryview) -> tuple[int, Message | Undecoded]:
    """Return the version that a response has, which is not always the request's, and its body."""
    messages = messages_of(api_key)
    if api_key == API_VERSIONS and _refuses_version(frame):
        version = 0  # KIP-511
    if messages is None or version not in messages.response.VERSIONS:
        return version, _undeclared(messages is not None)
    try:
        return version, decoder(messages.response, version)(frame, response_body(messages.response, version, frame))[0]
    except MalformedFrame as error:
        return version, Undecoded(str(error))


def expects_response(request: Message | Undecoded) -> bool:
    """Tell whether a request is answered: all are, but for producers that do not want to know."""
    return not (isinstance(request, ProduceRequest) and request.acks == 0)


def response_body(cls: type[Message], version: int, frame: memoryview) -> int:
    """Return where the body of a response begins. Raises MalformedFrame."""
    position = CORRELATION_ID.size
    if not cls.has_flexible_header(version):
        return position
    try:
        return skip_tags(frame, position + 1, frame[position])
    except IndexError as error:
        raise MalformedFrame("response header: it ends too early") from error


def _refuses_version(frame: memoryview) -> bool:
    if len(frame) < CORRELATION_ID.size + _ERROR_CODE.size:
        return False
    return bool(_ERROR_CODE.unpack_from(frame, CORRELATION_ID.size)[0] == ErrorCode.UNSUPPORTED_VERSION)


def _undeclared(is_known: bool) -> Undecoded:
    return Undecoded("this version is not known here" if is_known else "this API is not known here")
