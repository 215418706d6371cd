"""What the log says of requests that cannot be answered, so that their connection is closed."""

from __future__ import annotations

from collections.abc import Hashable

from protocol.errors import MalformedFrame
from protocol.header import decode_request_header

from .registry import APIS

_CLIENT_ID_LENGTH_MAX = 200  # so many characters of it are shown

# The first four bytes of a connection, where a frame has its length. TLS: a handshake record of any of its versions.
_TLS = (b"\x16\x03\x00", b"\x16\x03\x01", b"\x16\x03\x02", b"\x16\x03\x03")
_HTTP = (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")


class BadRequest(MalformedFrame):
    """A request that closes its connection; `cause` is the same for all that are bad in the same way."""

    def __init__(self, message: str, cause: Hashable) -> None:
        super().__init__(message)
        self.cause = cause


def cause_of(error: MalformedFrame) -> Hashable:
    """Return what similar errors have in common: of one of the decoder's, the message that was malformed."""
    return error.cause if isinstance(error, BadRequest) else str(error).partition(":")[0]


def no_frame(size: int, size_max: int, security_protocol: str) -> BadRequest:
    """Return the error for a frame whose size cannot be, of a listener that speaks `security_protocol`."""
    beginning = size.to_bytes(4, "big", signed=True)
    if beginning.startswith(_TLS):
        return BadRequest(
            f"what it sends looks like TLS, and this listener is {security_protocol}; set "
            f"security.protocol={security_protocol} at the client",
            "TLS",
        )
    if beginning.startswith(_HTTP):
        return BadRequest("what it sends looks like HTTP, and this port is for clients of Kafka", "HTTP")
    return BadRequest(f"a frame of {size} bytes, where socket.request.max.bytes is {size_max}", "size of a frame")


def unserved(frame: memoryview, api_key: int, version: int) -> BadRequest:
    """Return the error for an API, or a version of it, that is not served."""
    from .wire.apis import API_NAMES  # rarely needed

    name = f" ({API_NAMES[api_key]})" if api_key in API_NAMES else ""
    served = next((f"{api.min_version}-{api.max_version}" for api in APIS if api.key == api_key), None)
    which = "which is not served" if served is None else f"of which the versions {served} are served"
    return BadRequest(
        f"{_client_of(frame)} asks for API key {api_key}{name} in version {version}, {which}",
        ("API", api_key),
    )


def client_in_words(client_id: str | None) -> str:
    """Return what the log calls a client, on one line whatever it calls itself."""
    return "A client without client.id" if client_id is None else f"Client {client_id[:_CLIENT_ID_LENGTH_MAX]!r}"


def _client_of(frame: memoryview) -> str:
    """Return what the log calls the client, whose id is at the same place in all versions of the header."""
    try:
        client_id = decode_request_header(frame, flexible=False).client_id
    except MalformedFrame:
        client_id = None
    words = client_in_words(client_id)
    return words[0].lower() + words[1:]
