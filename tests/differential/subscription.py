"""What a consumer says of itself when it joins a group."""

from __future__ import annotations


def subscription(*topics: str) -> bytes:
    """Encode version 0 of Kafka's ConsumerProtocolSubscription, without user data."""
    names = b"".join(len(name.encode()).to_bytes(2) + name.encode() for name in topics)
    return b"\0\0" + len(topics).to_bytes(4) + names + b"\xff\xff\xff\xff"
