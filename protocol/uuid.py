"""Topic ids as text: URL-safe base64 without padding, 22 characters, as Kafka writes them."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode


def uuid_to_text(uuid: bytes) -> str:
    """Write 16 bytes as 22 characters."""
    return urlsafe_b64encode(uuid).rstrip(b"=").decode("ascii")


def uuid_from_text(text: str) -> bytes:
    """Read 22 characters as 16 bytes. Raises ValueError for anything that `uuid_to_text` does not write."""
    try:
        uuid = urlsafe_b64decode(f"{text}==")
    except ValueError:
        uuid = b""
    # The decoder skips characters that are none of its alphabet.
    if len(uuid) != 16 or uuid_to_text(uuid) != text:
        raise ValueError(f"{text!r} is no base64 uuid of 22 characters")
    return uuid
