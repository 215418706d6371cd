"""Request headers against kio's, and what is no header."""

from __future__ import annotations

import io
from typing import Any

import kio.serial
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.request_header.v1.header import RequestHeader as KioHeaderV1
from kio.schema.request_header.v2.header import RequestHeader as KioHeaderV2

from protocol.errors import MalformedFrame
from protocol.header import RequestHeader, decode_request_header, framed_response_header

INT16 = st.integers(-(2**15), 2**15 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
CLIENT_IDS = st.none() | st.text(max_size=20)


def encoded(api_key: int, api_version: int, correlation_id: int, client_id: str | None, flexible: bool) -> bytes:
    cls: Any = KioHeaderV2 if flexible else KioHeaderV1
    header = cls(
        request_api_key=api_key,
        request_api_version=api_version,
        correlation_id=correlation_id,
        client_id=client_id,
    )
    buffer = io.BytesIO()
    kio.serial.entity_writer(cls)(buffer, header)
    return buffer.getvalue()


def as_tuple(header: RequestHeader) -> tuple[int, int, int, str | None, int]:
    return header.api_key, header.api_version, header.correlation_id, header.client_id, header.body_position


@given(INT16, INT16, INT32, CLIENT_IDS, st.binary(max_size=5), st.booleans())
def test_headers_are_read_as_kio_writes_them(
    api_key: int, api_version: int, correlation_id: int, client_id: str | None, body: bytes, flexible: bool
) -> None:
    header = encoded(api_key, api_version, correlation_id, client_id, flexible)
    decoded = decode_request_header(memoryview(header + body), flexible)
    assert as_tuple(decoded) == (api_key, api_version, correlation_id, client_id, len(header))


def test_the_client_id_keeps_its_classic_length_and_tags_follow_it() -> None:
    frame = b"\x00\x00\x00\x09\x00\x00\x00\x07\x00\x03abc\x02\x00\x01!\x63\x02??body"
    assert as_tuple(decode_request_header(memoryview(frame), flexible=True)) == (0, 9, 7, "abc", len(frame) - 4)


def test_an_old_header_has_no_tags() -> None:
    header = decode_request_header(memoryview(b"\x03\xe7\x00\x00\x00\x00\x00\x07\xff\xff\x00"), flexible=False)
    assert as_tuple(header) == (999, 0, 7, None, 10)
    assert repr(header) == (
        "RequestHeader(api_key=999, api_version=0, correlation_id=7, client_id=None, body_position=10)"
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00\x00\x00\x09\x00\x00\x00\x07\x00",
        b"\x00\x00\x00\x08\x00\x00\x00\x07\x00\x04abc",
        b"\x00\x00\x00\x08\x00\x00\x00\x07\x7f\xffabc",
        b"\x00\x00\x00\x08\x00\x00\x00\x07\x00\x02\xff\xff",
        b"\x00\x00\x00\x09\x00\x00\x00\x07\xff\xff",
        b"\x00\x00\x00\x09\x00\x00\x00\x07\xff\xff\x01",
        b"\x00\x00\x00\x09\x00\x00\x00\x07\xff\xff\x01\x00\x05abcd",
        b"\x00\x00\x00\x09\x00\x00\x00\x07\xff\xff\x80\x80\x80\x80\x80\x01",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_what_is_no_header_is_malformed(frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        # The fixed part tells whether tags follow, as the registry does: the test's key 0 has them from version 9 on.
        decode_request_header(memoryview(frame), flexible=frame[:4] == b"\x00\x00\x00\x09")


@given(
    st.booleans(),
    st.binary(max_size=40),
    st.sampled_from([b"", b"\x00\x00\x00\x09", b"\x00\x00\x00\x09\x00\x00\x00\x07\x00\x03"]),
)
def test_random_bytes_are_a_header_or_malformed(flexible: bool, tail: bytes, head: bytes) -> None:
    frame = head + tail
    try:
        header = decode_request_header(memoryview(frame), flexible)
    except MalformedFrame:
        return
    assert 10 <= header.body_position <= len(frame)


def test_response_headers() -> None:
    assert framed_response_header(7, flexible=False, body_bytes=2) == b"\x00\x00\x00\x06\x00\x00\x00\x07"
    assert framed_response_header(-1, flexible=True, body_bytes=2) == b"\x00\x00\x00\x07\xff\xff\xff\xff\x00"
