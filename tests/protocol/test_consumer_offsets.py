"""The records of __consumer_offsets: as Apache Kafka 4.3.1 writes them, there and back, and as hostile bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.codec import decode_versioned, encode_versioned
from protocol.consumer_offsets import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
    encode_group_metadata_key,
    encode_group_metadata_value,
    encode_offset_commit_value,
)
from protocol.errors import MalformedFrame
from protocol.schema import Versioned
from tests.protocol.messages import name_of, sample, structs, versions
from tests.protocol.test_fuzz import mutations
from tests.support.consumer_offsets import decode_key, encode_offset_commit_key

STRUCTS: list[type[Versioned]] = [OffsetCommitKey, OffsetCommitValue, GroupMetadataKey, GroupMetadataValue]
ALL = pytest.mark.parametrize(("cls", "version"), versions(STRUCTS), ids=name_of)
SOME = settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))

TOPIC_ID = bytes.fromhex("e67ee29dd6da4f2e9e2423d23cfdcd7e")
MEMBER_ID = "i-1-e78dc76b-1595-4c22-bb8e-b4e073e35ccc"
SUBSCRIPTION = "000300000001000e636170747572652d6f72646572730000000000000000ffffffff0000"
ASSIGNMENT = "000000000001000e636170747572652d6f726465727300000002000000000000000100000000"


class TestWrittenByKafka:
    """Keys and values copied out of the log of a Kafka 4.3.1."""

    @pytest.mark.parametrize(
        ("key", "value", "expected_key", "expected_value"),
        [
            pytest.param(
                OffsetCommitKey(group="capture-a", topic="capture-orders", partition=0),
                OffsetCommitValue(
                    offset=42, leader_epoch=0, metadata="meta\0", commit_timestamp=1_795_633_632_589, topic_id=TOPIC_ID
                ),
                "00010009636170747572652d61000e636170747572652d6f726465727300000000",
                "0004000000000000002a00000000066d65746100000001a2141ad54d010010e67ee29dd6da4f2e9e2423d23cfdcd7e",
                id="committed",
            ),
            pytest.param(
                OffsetCommitKey(group="capture-a2", topic="capture-orders", partition=0),
                OffsetCommitValue(
                    offset=5,
                    metadata="ö",
                    commit_timestamp=1_795_633_878_045,
                    expire_timestamp=1_795_720_278_045,
                ),
                "0001000a636170747572652d6132000e636170747572652d6f726465727300000000",
                "000100000000000000050002c3b6000001a2141e941d000001a21944f01d",
                id="committed with a retention time",
            ),
        ],
    )
    def test_offsets(
        self, key: OffsetCommitKey, value: OffsetCommitValue, expected_key: str, expected_value: str
    ) -> None:
        assert encode_offset_commit_key(key).hex() == expected_key
        assert encode_offset_commit_value(value).hex() == expected_value
        assert decode_key(bytes.fromhex(expected_key)) == key
        assert decode_versioned(OffsetCommitValue, bytes.fromhex(expected_value)) == value

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            pytest.param(
                GroupMetadataValue(
                    protocol_type="",
                    generation=0,
                    protocol=None,
                    leader=None,
                    current_state_timestamp=1_795_633_632_386,
                ),
                "0003000000000000ffffffff000001a2141ad48200000000",
                id="new",
            ),
            pytest.param(
                GroupMetadataValue(
                    protocol_type="consumer",
                    generation=1,
                    protocol="range",
                    leader=MEMBER_ID,
                    current_state_timestamp=1_795_633_632_492,
                    members=[
                        MemberMetadata(
                            member_id=MEMBER_ID,
                            group_instance_id="i-1",
                            client_id="capturer",
                            client_host="/127.0.0.1",
                            rebalance_timeout=300_000,
                            session_timeout=6_000,
                            subscription=bytes.fromhex(SUBSCRIPTION),
                            assignment=bytes.fromhex(ASSIGNMENT),
                        )
                    ],
                ),
                "00030008636f6e73756d657200000001000572616e6765"
                f"0028{MEMBER_ID.encode().hex()}000001a2141ad4ec00000001"
                f"0028{MEMBER_ID.encode().hex()}0003692d31000863617074757265"
                f"72000a2f3132372e302e302e31000493e00000177000000024{SUBSCRIPTION}00000026{ASSIGNMENT}",
                id="stable",
            ),
            pytest.param(
                GroupMetadataValue(
                    protocol_type="consumer",
                    generation=2,
                    protocol=None,
                    leader=None,
                    current_state_timestamp=1_795_633_638_590,
                ),
                "00030008636f6e73756d657200000002ffffffff000001a2141aecbe00000000",
                id="empty",
            ),
        ],
    )
    def test_groups(self, value: GroupMetadataValue, expected: str) -> None:
        key = bytes.fromhex("00020009636170747572652d61")
        assert encode_group_metadata_key(GroupMetadataKey(group="capture-a")) == key
        assert decode_key(key) == GroupMetadataKey(group="capture-a")
        assert encode_group_metadata_value(value).hex() == expected
        assert decode_versioned(GroupMetadataValue, bytes.fromhex(expected)) == value


class TestVersions:
    """What the classes of Kafka 4.3.1 make of one value in each version."""

    OFFSET = OffsetCommitValue(
        offset=42,
        leader_epoch=7,
        metadata="mö",
        commit_timestamp=1_796_000_000_000,
        expire_timestamp=1_796_000_086_400,
        topic_id=bytes(range(1, 17)),
    )
    GROUP = GroupMetadataValue(
        protocol_type="consumer",
        generation=3,
        protocol="range",
        leader="m-1",
        current_state_timestamp=1_796_000_000_000,
        members=[
            MemberMetadata(
                member_id="m-1",
                group_instance_id="i-1",
                client_id="c",
                client_host="/127.0.0.1",
                rebalance_timeout=60_000,
                session_timeout=30_000,
                subscription=b"\x01\x02",
                assignment=b"",
            )
        ],
    )

    @pytest.mark.parametrize(
        ("version", "expected"),
        list(
            enumerate(
                [
                    "0000000000000000002a00036dc3b6000001a229f12800",
                    "0001000000000000002a00036dc3b6000001a229f12800000001a229f27980",
                    "0002000000000000002a00036dc3b6000001a229f12800",
                    "0003000000000000002a0000000700036dc3b6000001a229f12800",
                    "0004000000000000002a00000007046dc3b6000001a229f128000100100102030405060708090a0b0c0d0e0f10",
                ]
            )
        ),
    )
    def test_offsets(self, version: int, expected: str) -> None:
        assert encode_versioned(self.OFFSET, version).hex() == expected

    @pytest.mark.parametrize(
        ("version", "expected"),
        list(
            enumerate(
                [
                    "00000008636f6e73756d657200000003000572616e676500036d2d310000000100036d2d31000163"
                    "000a2f3132372e302e302e310000753000000002010200000000",
                    "00010008636f6e73756d657200000003000572616e676500036d2d310000000100036d2d31000163"
                    "000a2f3132372e302e302e310000ea600000753000000002010200000000",
                    "00020008636f6e73756d657200000003000572616e676500036d2d31000001a229f128000000000100036d2d31000163"
                    "000a2f3132372e302e302e310000ea600000753000000002010200000000",
                    "00030008636f6e73756d657200000003000572616e676500036d2d31000001a229f128000000000100036d2d31"
                    "0003692d31000163000a2f3132372e302e302e310000ea600000753000000002010200000000",
                    "000409636f6e73756d6572000000030672616e6765046d2d31000001a229f1280002046d2d3104692d3102630b"
                    "2f3132372e302e302e310000ea6000007530030102010000",
                ]
            )
        ),
    )
    def test_groups(self, version: int, expected: str) -> None:
        assert encode_versioned(self.GROUP, version).hex() == expected

    def test_only_an_expiry_keeps_kafka_from_writing_the_last_version(self) -> None:
        assert encode_offset_commit_value(self.OFFSET) == encode_versioned(self.OFFSET, 1)
        lasting = OffsetCommitValue(offset=1, metadata="", commit_timestamp=0)
        assert encode_offset_commit_value(lasting) == encode_versioned(lasting, 4)


@ALL
def test_there_and_back(cls: type[Versioned], version: int) -> None:
    @SOME
    @given(structs(cls, version))
    def check(struct: Versioned) -> None:
        encoded = encode_versioned(struct, version)
        assert decode_versioned(cls, encoded) == struct
        assert decode_versioned(cls, encoded + b"more") == struct

    check()


@ALL
def test_hostile_bytes_decode_or_are_malformed(cls: type[Versioned], version: int) -> None:
    encoded = encode_versioned(sample(cls, version), version)

    @SOME
    @given(st.binary(max_size=40) | mutations(encoded) | mutations(encoded, 2))
    def check(data: bytes) -> None:
        with suppress(MalformedFrame):
            repr(decode_versioned(cls, data))
        with suppress(MalformedFrame):
            repr(decode_key(data))

    check()
    for size in range(len(encoded)):
        with pytest.raises(MalformedFrame):
            decode_versioned(cls, encoded[:size])


def test_the_first_two_bytes_of_a_key_tell_its_kind() -> None:
    offset = OffsetCommitKey(group="g", topic="t", partition=1)
    assert decode_key(encode_versioned(offset, 0)) == decode_key(encode_versioned(offset, 1)) == offset
    for unknown in (b"\x00\x03", b"\x00\x03\x00\x01g", b"\xff\xff\x00\x01g"):
        assert decode_key(unknown) is None
    for short in (b"", b"\x00"):
        with pytest.raises(MalformedFrame, match=f"a key of {len(short)} bytes"):
            decode_key(short)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x05", b"\x00\x05rest", b"\xff\xff"])
def test_a_version_that_is_not_known_is_malformed(data: bytes) -> None:
    with pytest.raises(
        MalformedFrame, match=f"OffsetCommitValue has the versions 0-4, not {data[:2].hex() or 'nothing'}"
    ):
        decode_versioned(OffsetCommitValue, data)
