"""Keys of `__consumer_offsets` read and written as their definitions say; the broker has quicker ways."""

from __future__ import annotations

from protocol.codec import decode_versioned, encode_versioned
from protocol.consumer_offsets import GroupMetadataKey, OffsetCommitKey
from protocol.errors import MalformedFrame


def decode_key(data: bytes) -> OffsetCommitKey | GroupMetadataKey | None:
    """Decode a record's key, None for a kind of record that is not known; raises MalformedFrame."""
    if len(data) < 2:
        raise MalformedFrame(f"a key of {len(data)} bytes")
    kind = int.from_bytes(data[:2], signed=True)
    if kind in OffsetCommitKey.VERSIONS:
        return decode_versioned(OffsetCommitKey, data)
    if kind in GroupMetadataKey.VERSIONS:
        return decode_versioned(GroupMetadataKey, data)
    return None


def encode_offset_commit_key(key: OffsetCommitKey) -> bytes:
    """Encode the key of an offset in the version that Kafka 4.3 writes."""
    return encode_versioned(key, 1)
