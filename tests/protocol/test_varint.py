"""Variable-length integers against kio's."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.serial import writers

from protocol.errors import MalformedFrame
from protocol.varint import VARINTS, encode_uvarint, encode_varint, read_uvarint, read_varint, read_varlong


def written_by(write: Callable[..., None], value: int) -> bytes:
    buffer = io.BytesIO()
    write(buffer, value)
    return buffer.getvalue()


@given(st.integers(0, 2**32 - 1) | st.sampled_from([0, 127, 128, 16_383, 16_384, 2**32 - 1]))
def test_unsigned(value: int) -> None:
    encoded = encode_uvarint(value)
    assert encoded == written_by(writers.write_unsigned_varint, value)
    assert read_uvarint(memoryview(b"??" + encoded + b"?"), 2) == (value, 2 + len(encoded))


@given(st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31)]))
def test_signed(value: int) -> None:
    encoded = encode_varint(value)
    assert encoded == VARINTS[value] == VARINTS[value]
    assert encoded == written_by(writers.write_signed_varint, value)
    assert read_varint(encoded, 0) == (value, len(encoded))


@given(st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**63 - 1, -(2**63)]))
def test_signed_long(value: int) -> None:
    encoded = encode_varint(value)
    assert encoded == VARINTS[value] == VARINTS[value]
    assert encoded == written_by(writers.write_signed_varlong, value)
    assert read_varlong(encoded, 0) == (value, len(encoded))


def test_longer_forms_than_needed_are_accepted() -> None:
    assert read_uvarint(b"\x80\x80\x80\x80\x00", 0) == (0, 5)
    assert read_uvarint(b"\x87\x00", 0) == (7, 2)


@pytest.mark.parametrize(("read", "bytes_max"), [(read_uvarint, 5), (read_varint, 5), (read_varlong, 10)])
def test_too_long_and_cut_off(read: Callable[[bytes, int], tuple[int, int]], bytes_max: int) -> None:
    with pytest.raises(MalformedFrame, match=f"more than {bytes_max} bytes"):
        read(b"\x80" * bytes_max + b"\x00", 0)
    with pytest.raises(IndexError):
        read(b"\x80" * (bytes_max - 1), 0)
