"""`iterate_key_values` is `iterate` in haste: the same keys and values, and the same refusals, whatever the bytes."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import MalformedFrame
from protocol.record_batch import HEADER_BYTES, read_header, set_log_append_time
from protocol.records import Record, iterate, iterate_key_values
from tests.support.built_batches import build_batch

from .captured_batches import CAPTURED

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
Pairs = list[tuple[bytes | None, bytes | None]]

# Lengths on both sides of where a varint takes one byte more.
EDGES = [0, 1, 62, 63, 64, 65, 8190, 8191, 8192, 8193]


def slowly(batch: bytes, max_decompressed_bytes: int) -> tuple[Pairs, bool]:
    """What `iterate` yields, and whether it then raises."""
    found: Pairs = []
    try:
        for record in iterate(batch, max_decompressed_bytes):
            found.append((record.key, record.value))
    except MalformedFrame:
        return found, True
    return found, False


def in_haste(batch: bytes, max_decompressed_bytes: int, before: bytes, behind: bytes) -> tuple[Pairs, bool]:
    """The same of the walk under test, over a batch that lies within more bytes."""
    buffer = before + batch + behind
    found: Pairs = []
    try:
        header = read_header(buffer, len(before))
        for pair in iterate_key_values(buffer, len(before), header, max_decompressed_bytes):
            found.append(pair)
    except MalformedFrame:
        return found, True
    return found, False


def check(batch: bytes, before: bytes = b"", behind: bytes = b"", max_decompressed_bytes: int = 1 << 16) -> Pairs:
    """Read a batch both ways, and return what was read."""
    expected = slowly(batch, max_decompressed_bytes)
    assert in_haste(batch, max_decompressed_bytes, before, behind) == expected
    return expected[0]


def with_body(
    body: bytes, *, count: int = 1, last_offset_delta: int = 0, base_timestamp: int = 1000, attributes: int = 0
) -> bytes:
    """A batch with a good CRC around any body."""
    tail = struct.pack(">hiqqqhii", attributes, last_offset_delta, base_timestamp, 1000, -1, -1, -1, count) + body
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


@pytest.mark.parametrize("name", CAPTURED)
def test_what_clients_sent(name: str) -> None:
    batch, records = CAPTURED[name]
    assert check(bytes(batch), b"before", b"behind") == [(record.key, record.value) for record in records]


@pytest.mark.parametrize("key_bytes", EDGES)
@pytest.mark.parametrize("value_bytes", EDGES)
def test_lengths_of_every_size(key_bytes: int, value_bytes: int) -> None:
    pairs = [(b"k" * key_bytes, b"v" * value_bytes)] * 3
    assert check(bytes(build_batch([Record(i, 1000, *pair) for i, pair in enumerate(pairs)]))) == pairs


def test_many_records_in_a_batch() -> None:
    pairs = [(b"%d" % i, b"v") for i in range(10_000)]
    assert check(bytes(build_batch([Record(i, 1000, *pair) for i, pair in enumerate(pairs)]))) == pairs


def test_tombstones_headers_and_missing_keys() -> None:
    records = [
        Record(0, 1000, b"k", None),
        Record(1, 900, b"k", b"v", (("h", b"x"),)),
        Record(2, 5000, None, b"v"),
        Record(7, 1 << 50, None, None, (("h", None),)),
        Record(8, 1000, b"", b""),
    ]
    batch = build_batch(records)
    assert check(bytes(batch)) == [(record.key, record.value) for record in records]
    set_log_append_time(batch, 7)
    assert check(bytes(batch)) == [(record.key, record.value) for record in records]


def test_the_last_batch_may_not_reach_beyond_the_buffer() -> None:
    batch = bytes(build_batch([Record(0, 1, b"k", b"v")]))
    with pytest.raises(MalformedFrame):
        list(iterate_key_values(batch[:-1], 0, read_header(batch)))


@pytest.mark.parametrize("base_timestamp", [-(1 << 63), -(1 << 62), 1 << 62, (1 << 63) - 1])
@pytest.mark.parametrize("delta", [0, 1, 63, -1, -64])
def test_timestamps_at_the_ends_of_their_range(base_timestamp: int, delta: int) -> None:
    body = bytes((14, 0, delta << 1 if delta >= 0 else ~(delta << 1), 0, 2, 107, 0, 0))
    check(with_body(body, base_timestamp=base_timestamp))
    check(with_body(body, base_timestamp=base_timestamp, attributes=8))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\x10\0\0\0\2k\2v\0", [(b"k", b"v")]),
        # Taken for one byte each, these varints would make a record that seems sound, too.
        (b"\x12\0\x80\0\0\2k\2v\0", [(b"k", b"v")]),  # a timestamp delta of two bytes
        (b"\x10\0\x80\0\2\2k\2\0", []),  # and one that makes the offset delta 1
        (b"\x10\0\0\1\2k\2v\0", []),  # offset delta -1
        (b"\x10\0\0\2\2k\2v\0", []),  # offset delta 1 in a batch of one
        (b"\x10\0\0\0\2k\3v\0", []),  # a value of length -2
        (b"\x10\0\0\0\3k\2v\0", []),  # a key of length -2
        (b"\x11\0\0\0\2k\2v\0", []),  # a record of length -9
        (b"\x90\x80\0\0\0\0\2k\2v\0", [(b"k", b"v")]),  # lengths in more bytes than they need
        (b"\x14\0\0\x80\0\2k\x82\0v\0", [(b"k", b"v")]),
        (b"\x10\0\0\0\2k\2v\1", []),  # -1 headers
        (b"\x12\0\0\0\2k\2v\0\0", []),  # a byte too many in the record
        (b"\x10\0\0\0\2k\2v\0\0", [(b"k", b"v")]),  # and in the batch
        (b"\x0e\0\0\0\2k\1\0", [(b"k", None)]),
        (b"\x80\x80\x80\x80\x80\x01", []),  # a length of six bytes
    ],
)
def test_varints_that_are_not_what_they_seem(body: bytes, expected: Pairs) -> None:
    assert check(with_body(body), b"", bytes(100)) == expected


@settings(deadline=None)
@given(st.lists(st.binary(min_size=0, max_size=12), max_size=6), st.integers(-1, 8), st.integers(0, 5), INT64)
def test_any_body(pieces: list[bytes], count: int, last_offset_delta: int, base_timestamp: int) -> None:
    # Bodies whose records have the lengths that they say are rare by chance.
    body = b"".join(bytes((len(piece) << 1,)) + piece for piece in pieces)
    check(with_body(body, count=count, last_offset_delta=last_offset_delta, base_timestamp=base_timestamp), b"", body)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_any_damage_to_plain_records(data: st.DataObject) -> None:
    sizes = st.sampled_from([0, 1, 5, 63, 64, 200])
    pairs = data.draw(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4))
    batch = bytearray(
        build_batch([Record(i, 1000 + i % 2, b"k" * key, b"\x01" * value) for i, (key, value) in enumerate(pairs)])
    )
    for _ in range(data.draw(st.integers(0, 3))):
        position = data.draw(st.integers(HEADER_BYTES - 4, len(batch) - 1))
        batch[position] = data.draw(st.integers(0, 255))
    check(bytes(batch), data.draw(st.binary(max_size=3)), data.draw(st.sampled_from([b"", b"\0" * 300, b"\x02" * 300])))


@settings(deadline=None)
@given(st.sampled_from(sorted(CAPTURED)), st.data())
def test_any_damage_to_what_clients_sent(name: str, data: st.DataObject) -> None:
    damaged = bytearray(CAPTURED[name][0])
    for _ in range(data.draw(st.integers(1, 4))):
        # Its length and magic stay: other bytes are no batch to begin with.
        damaged[data.draw(st.integers(17, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(damaged))


def test_a_batch_cut_at_every_byte() -> None:
    body = bytes(build_batch([Record(i, 1000, b"k" * 70, b"v" * 70) for i in range(2)]))[HEADER_BYTES:]
    read = [len(check(with_body(body[:end], count=2, last_offset_delta=1), b"", body)) for end in range(len(body) + 1)]
    assert all(earlier <= later for earlier, later in pairwise(read))
    assert read[-1] == 2
