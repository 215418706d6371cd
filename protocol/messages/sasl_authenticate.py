"""SaslAuthenticate (API key 36, KIP-152): one token of the SASL exchange each way.

v1: how long the session lasts, so that the client authenticates again in time (KIP-368). v2: flexible.
"""

from __future__ import annotations

from ..schema import Message, binary, int16, int64, string


class SaslAuthenticateRequest(Message, api_key=36, versions="0-2", flexible="2+"):
    auth_bytes: bytes = binary()


class SaslAuthenticateResponse(Message, api_key=36, versions="0-2", flexible="2+"):
    error_code: int = int16()
    error_message: str | None = string(nullable="0+")
    auth_bytes: bytes = binary()
    session_lifetime_ms: int = int64("1+", default=0, ignorable=True)
