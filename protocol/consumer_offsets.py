"""The records of `__consumer_offsets`: what a group has committed, and the generation that its members agreed on.

Key and value are structures behind an int16. In a value it is the version, in a key it tells what the record is: 0 and
1 an offset, 2 a classic group. The keys above are those of KIP-848 and of what followed it. Names, types and versions
are those of Kafka's definitions (`group-coordinator/src/main/resources/common/message`); the versions written are
those that Kafka 4.3 writes. A record without a value is a tombstone.
"""

from __future__ import annotations

from typing import Final

from .codec import encode_versioned
from .schema import Struct, Versioned, array, binary, int32, int64, string, uuid

GROUP_METADATA_KEY_VERSION: Final = 2
GROUP_METADATA_VALUE_VERSION: Final = 3


class OffsetCommitKey(Versioned, versions="0-1"):
    """Which partition's offset; v0 is of Kafka before 0.8.2 and means the same."""

    group: str = string()
    topic: str = string()
    partition: int = int32()


class OffsetCommitValue(Versioned, versions="0-4", flexible="4+"):
    """A committed offset. v1: when it expires. v3: leader_epoch (KIP-320). v4: flexible; topic_id (KIP-848)."""

    offset: int = int64()
    leader_epoch: int = int32("3+", default=-1, ignorable=True)
    metadata: str = string()
    commit_timestamp: int = int64()
    """Wall time in ms, as `expire_timestamp`."""
    expire_timestamp: int = int64("1", default=-1, ignorable=True)
    """Set where the client asked for a retention time of its own, which OffsetCommit up to v4 can."""
    topic_id: bytes = uuid("4+", ignorable=True, tag=0)


class GroupMetadataKey(Versioned, versions="2"):
    """Which classic group."""

    group: str = string()


class MemberMetadata(Struct):
    member_id: str = string()
    group_instance_id: str | None = string("3+", nullable="3+", default=None, ignorable=True)
    client_id: str = string()
    client_host: str = string()
    """As Kafka shows it: `/127.0.0.1`."""
    rebalance_timeout: int = int32("1+", default=-1, ignorable=True)
    """In ms, as `session_timeout`."""
    session_timeout: int = int32()
    subscription: bytes = binary()
    assignment: bytes = binary()


class GroupMetadataValue(Versioned, versions="0-4", flexible="4+"):
    """A generation of a classic group. v2: current_state_timestamp. v3: static members (KIP-345). v4: flexible."""

    protocol_type: str = string()
    generation: int = int32()
    protocol: str | None = string(nullable="0+")
    """Null, as `leader`, if the group has no members."""
    leader: str | None = string(nullable="0+")
    current_state_timestamp: int = int64("2+", default=-1, ignorable=True)
    """Wall time in ms."""
    members: list[MemberMetadata] = array(MemberMetadata)


def encode_offset_commit_value(value: OffsetCommitValue) -> bytes:
    """Encode a committed offset; only v1 can say when it expires, at the price of leader epoch and topic id."""
    return encode_versioned(value, 4 if value.expire_timestamp == -1 else 1)


def encode_group_metadata_key(key: GroupMetadataKey) -> bytes:
    """Encode the key of a classic group."""
    return encode_versioned(key, GROUP_METADATA_KEY_VERSION)


def encode_group_metadata_value(value: GroupMetadataValue) -> bytes:
    """Encode a generation of a classic group."""
    return encode_versioned(value, GROUP_METADATA_VALUE_VERSION)
