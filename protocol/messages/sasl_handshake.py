"""SaslHandshake (API key 17): which mechanism the client will authenticate with.

v0: the mechanism's tokens follow as bare frames, without a header. v1: they travel in SaslAuthenticate (KIP-152).
"""

from __future__ import annotations

from ..schema import Message, array, int16, string


class SaslHandshakeRequest(Message, api_key=17, versions="0-1"):
    mechanism: str = string()


class SaslHandshakeResponse(Message, api_key=17, versions="0-1"):
    error_code: int = int16()
    mechanisms: list[str] = array(string)
