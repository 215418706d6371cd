"""The store of offsets: what it takes over from the log, and what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.groups import offset_store
from broker.core.groups.offset_store import (
    NO_EXPIRY,
    OffsetStore,
    decode_place,
    decode_value,
    encode_place,
    encode_value,
    key_prefix,
)
from protocol.codec import encode_versioned
from protocol.consumer_offsets import OffsetCommitKey, OffsetCommitValue, encode_offset_commit_value
from protocol.schema import ZERO_UUID
from tests.support.consumer_offsets import encode_offset_commit_key

TOPIC_ID = bytes(range(16))


def key_of(group: str, topic: str, partition: int) -> bytes:
    return encode_offset_commit_key(OffsetCommitKey(group=group, topic=topic, partition=partition))


def value_of(offset: int, metadata: str = "", topic_id: bytes = TOPIC_ID) -> bytes:
    return encode_offset_commit_value(
        OffsetCommitValue(offset=offset, metadata=metadata, commit_timestamp=1_700_000_000_000, topic_id=topic_id)
    )


def content(store: OffsetStore) -> dict[bytes, dict[bytes, bytes]]:
    return {group_id: dict(store.of_group(group_id) or {}) for group_id in store.group_ids}


@given(st.text(max_size=20), st.text(max_size=20), st.integers(-(2**31), 2**31 - 1))
def test_keys_are_those_of_the_log(group: str, topic: str, partition: int) -> None:
    place = encode_place(topic, partition)
    assert key_prefix(group.encode()) + place == key_of(group, topic, partition)
    assert decode_place(place) == (topic, partition)


@given(
    offset=st.integers(-(2**63), 2**63 - 1),
    leader_epoch=st.integers(-(2**31), 2**31 - 1),
    metadata=st.sampled_from(["", "", "metadata", "ä" * 100]),
    commit_timestamp=st.integers(0, 2**63 - 1),
    expire_timestamp=st.sampled_from([NO_EXPIRY, NO_EXPIRY, 5]),
    topic_id=st.binary(min_size=16, max_size=16) | st.just(ZERO_UUID),
)
def test_values_are_those_of_the_log(**fields: Any) -> None:
    assert encode_value(**fields) == encode_offset_commit_value(OffsetCommitValue(**fields))


def test_the_last_value_of_a_partition_counts() -> None:
    store = OffsetStore()
    assert store.replay(key_of("g", "orders", 0), value_of(1))
    assert store.replay(key_of("g", "orders", 1), value_of(2))
    assert store.replay(key_of("g", "orders", 0), value_of(3))
    assert content(store) == {b"g": {encode_place("orders", 0): value_of(3), encode_place("orders", 1): value_of(2)}}


def test_groups_do_not_touch_each_other() -> None:
    store = OffsetStore()
    store.replay(key_of("a", "orders", 0), value_of(1))
    store.replay(key_of("b", "orders", 0), value_of(2))
    store.replay(key_of("a", "orders", 0), None)
    assert content(store) == {b"a": {}, b"b": {encode_place("orders", 0): value_of(2)}}


def test_keys_of_version_0_mean_the_same() -> None:
    store = OffsetStore()
    key = OffsetCommitKey(group="g", topic="orders", partition=7)
    store.replay(encode_versioned(key, 0), value_of(1))
    store.replay(encode_versioned(key, 1), value_of(2))
    assert content(store) == {b"g": {encode_place("orders", 7): value_of(2)}}


def test_a_tombstone_without_an_offset_leaves_no_trace() -> None:
    store = OffsetStore()
    assert store.replay(key_of("g", "orders", 0), None)
    assert content(store) == {}


def test_a_group_lives_on_without_offsets_until_its_own_tombstone() -> None:
    store = OffsetStore()
    store.replay(key_of("g", "orders", 0), value_of(1))
    store.forget(b"g")
    assert content(store) == {b"g": {encode_place("orders", 0): value_of(1)}}  # its offsets have no tombstones
    store.replay(key_of("g", "orders", 0), None)
    assert store.of_group(b"g") == {}
    store.forget(b"g")
    assert store.of_group(b"g") is None
    store.forget(b"g")


@pytest.mark.parametrize("version", range(5))
def test_values_of_all_versions_are_taken(version: int) -> None:
    store = OffsetStore()
    value = OffsetCommitValue(offset=5, leader_epoch=3, metadata="where", commit_timestamp=7, expire_timestamp=9)
    store.replay(key_of("g", "orders", 0), encode_versioned(value, version))
    (stored,) = (store.of_group(b"g") or {}).values()
    decoded = decode_value(stored)
    assert (decoded.offset, decoded.metadata, decoded.commit_timestamp) == (5, "where", 7)
    assert decoded.leader_epoch == (3 if version >= 3 else -1)
    assert decoded.expire_timestamp == (9 if version == 1 else -1)


@pytest.mark.parametrize("metadata", ["", "x" * 200, "häß"])
@pytest.mark.parametrize("topic_id", [bytes(16), TOPIC_ID])
def test_values_are_kept_as_they_are(metadata: str, topic_id: bytes) -> None:
    store = OffsetStore()
    value = value_of(2**60, metadata, topic_id)
    store.replay(key_of("g", "orders", 0), value)
    assert content(store) == {b"g": {encode_place("orders", 0): value}}


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"\x00\x01",
        b"\x00\x01\x00",
        key_of("group", "orders", 0)[:-1],
        key_of("group", "orders", 0)[:7],
        key_of("group", "orders", 0) + b"x",
        b"\x00\x01\xff\xff" + key_of("group", "orders", 0)[4:],
        key_of("group", "orders", 0).replace(b"\x00\x06orders", b"\xff\xffordersx"),
        key_of("group", "orders", 0).replace(b"group", b"gro\xffp"),
        key_of("group", "orders", 0).replace(b"orders", b"order\xff"),
    ],
    ids=repr,
)
def test_malformed_keys_are_told_and_left_out(key: bytes) -> None:
    store = OffsetStore()
    assert not store.replay(key, value_of(1))
    assert content(store) == {}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x00",
        b"\x00\x05" + value_of(1)[2:],
        b"\xff\xff" + value_of(1)[2:],
        value_of(1)[:-1],
        value_of(1)[:20],
        value_of(1)[:14] + b"\x00" + value_of(1)[15:],
        value_of(1, "x").replace(b"x", b"\xff"),
        value_of(1)[:25] + b"\x0f" + value_of(1)[26:],
    ],
    ids=repr,
)
def test_malformed_values_are_told_and_left_out(value: bytes) -> None:
    store = OffsetStore()
    assert not store.replay(key_of("g", "orders", 0), value)
    assert content(store) == {}
    assert store.replay(key_of("g", "orders", 0), value_of(1))
    assert not store.replay(key_of("g", "orders", 0), value)
    assert content(store) == {b"g": {encode_place("orders", 0): value_of(1)}}


@given(st.binary(max_size=60), st.none() | st.binary(max_size=60))
def test_no_bytes_at_all_raise_and_what_is_kept_can_be_decoded(key: bytes, value: bytes | None) -> None:
    store = OffsetStore()
    store.replay(key, value)
    for group_id, places in content(store).items():
        group_id.decode()
        for place, kept in places.items():
            decode_place(place)
            decode_value(kept)


@given(st.data())
def test_a_damaged_record_raises_nothing(data: st.DataObject) -> None:
    record = [bytearray(key_of("group", "orders", 3)), bytearray(value_of(9, data.draw(st.sampled_from(["", "x"]))))]
    part = data.draw(st.sampled_from(record))
    part[data.draw(st.integers(0, len(part) - 1))] = data.draw(st.integers(0, 255))
    store = OffsetStore()
    store.replay(bytes(record[0]), bytes(record[1]))
    for group_id, places in content(store).items():
        group_id.decode()
        for place, kept in places.items():
            decode_place(place)
            decode_value(kept)


def test_groups_share_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offset_store, "SHARED_PLACES_MAX", 3)
    store = OffsetStore()
    for group in ("a", "b"):
        for partition in range(2):
            store.replay(key_of(group, "orders", partition), value_of(partition))
    first, second = (list(store.of_group(group) or ()) for group in (b"a", b"b"))
    assert all(left is right for left, right in zip(first, second, strict=True))
    for partition in range(10):
        store.replay(key_of("c", "orders", partition), value_of(partition))
    assert len(store.of_group(b"c") or ()) == 10
    # Of so many places the first ones have been given up, or the memory of them would have no bound.
    store.replay(key_of("d", "orders", 0), value_of(1))
    (late,) = store.of_group(b"d") or ()
    assert late == first[0]
    assert late is not first[0]
