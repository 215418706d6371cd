"""What consumers say in the metadata of their JoinGroup, as far as a coordinator looks at it: their topics.

The bytes come from clients and are opaque but for this: they may be anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol.codec import decoder
from protocol.errors import MalformedFrame
from protocol.schema import Versioned, array, binary, string

_VERSION_BYTES = 2


class ConsumerProtocolSubscription(Versioned, versions="0"):
    """As far as version 0, which all others begin with."""

    topics: list[str] = array(string)
    user_data: bytes | None = binary(nullable="0+")


def topics_of(subscriptions: Iterable[bytes | None]) -> frozenset[str] | None:
    """All topics in these subscriptions; None if one is missing or cannot be read."""
    decode = decoder(ConsumerProtocolSubscription, 0)
    topics: set[str] = set()
    last_topics = b"none yet"
    for subscription in subscriptions:
        if subscription is None:
            return None
        # Most members of a group have the same topics, and many of them: those are not read again for each.
        if subscription.startswith(last_topics, _VERSION_BYTES):
            continue
        try:
            decoded, end = decode(memoryview(subscription), _VERSION_BYTES)
        except MalformedFrame:
            return None
        topics.update(decoded.topics)
        user_data_bytes = 4 + len(decoded.user_data or b"")
        last_topics = subscription[_VERSION_BYTES : end - user_data_bytes]
    return frozenset(topics)
