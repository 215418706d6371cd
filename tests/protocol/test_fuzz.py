"""Hostile bytes: every decoder returns or raises MalformedFrame, and allocates in proportion to what it was given."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.codec import decoder
from protocol.errors import MalformedFrame
from protocol.header import decode_request_header
from protocol.schema import Message
from tests.protocol.messages import REQUESTS, RESPONSES, encode, name_of, sample, structs, versions

HUGE = [b"\x7f\xff\xff\xff", b"\x7f\xff", b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\x0f", b"\xff" * 10]
NEGATIVE = [b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xfe", b"\x80\x00"]
TAGS = [
    b"\x01\x00\x00",
    b"\x01\x01\x05",
    b"\x02\x00\x01\x00\x00\x01\x00",
    b"\x7f\x00\x7f",
    b"\x01\xff\xff\xff\xff\x0f\x01x",
]
LENGTHS = [b"\x00", b"\x01", b"\x80", b"\x80\x00", *HUGE, *NEGATIVE]

all_requests = pytest.mark.parametrize(("cls", "version"), versions(REQUESTS), ids=name_of)
all_responses = pytest.mark.parametrize(("cls", "version"), versions(RESPONSES), ids=name_of)


@st.composite
def mutations(draw: st.DrawFn, original: bytes, first: int = 0) -> bytes:
    """A few changes at or after the position `first`: flipped bits, cuts, other lengths, spliced tags."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(min(first, len(data)), len(data)))
        kind = draw(st.sampled_from(["flip", "cut", "length", "insert", "tags", "repeat"]))
        if kind == "flip" and position < len(data):
            data[position] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[position:]
        elif kind == "length":
            length = draw(st.sampled_from(LENGTHS))
            data[position : position + len(length)] = length
        elif kind == "insert":
            data[position:position] = draw(st.binary(max_size=4) | st.sampled_from(LENGTHS))
        elif kind == "tags":
            data[position : position + 1] = draw(st.sampled_from(TAGS))
        else:
            data[position:position] = data[first:position]
    return bytes(data)


@all_requests
def test_mutated_frames_decode_or_are_malformed(cls: type[Message], version: int) -> None:
    decode = decoder(cls, version)
    messages = st.just(sample(cls, version)) | structs(cls, version)
    seen = past_header = 0

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        nonlocal seen, past_header
        header = struct.pack(">hhih", cls.API_KEY, version, 1, 3) + b"abc" + cls.has_flexible_header(version) * b"\x00"
        message = data.draw(messages)
        # Most changes are made behind the header, or few frames would come as far as the body.
        first = data.draw(st.sampled_from([0, len(header), len(header), len(header)]))
        frame = memoryview(data.draw(mutations(header + encode(message, version), first)))
        seen += 1
        try:
            request_header = decode_request_header(frame, cls.has_flexible_header(version))
            past_header += 1
            decoded, position = decode(frame, request_header.body_position)
        except MalformedFrame:
            return
        assert isinstance(decoded, cls)
        assert request_header.body_position <= position <= len(frame)
        repr(decoded)  # all attributes are there

    check()
    assert past_header * 2 >= seen


@all_responses
def test_mutated_responses_decode_or_are_malformed(cls: type[Message], version: int) -> None:
    decode = decoder(cls, version)

    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=60) | mutations(encode(sample(cls, version), version)))
    def check(body: bytes) -> None:
        with suppress(MalformedFrame):
            decode(memoryview(body), 0)

    check()


@all_requests
def test_what_a_body_claims_costs_no_more_than_what_it_holds(cls: type[Message], version: int) -> None:
    """Every byte in turn becomes the begin of a huge number, in place of as many bytes or in front of them."""
    body = encode(sample(cls, version), version)
    for position in range(len(body)):
        for huge in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff\x07", b"\xff" * 10):
            for end in (position, position + len(huge)):
                attempt = body[:position] + huge + body[end:]
                assert peak_bytes(cls, version, attempt) < 16_384 + 64 * len(attempt)


@all_requests
def test_as_many_elements_as_fit_cost_no_more_than_in_proportion(cls: type[Message], version: int) -> None:
    for body in (struct.pack(">i", 5_000) + bytes(20_000), b"\x88\x27" + b"\x01" * 20_000):
        assert peak_bytes(cls, version, body) < 256 * len(body)


def peak_bytes(cls: type[Message], version: int, body: bytes) -> int:
    """What decoding allocates at most at one time."""
    decode = decoder(cls, version)
    tracemalloc.start()
    with suppress(MalformedFrame):
        decode(memoryview(body), 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
