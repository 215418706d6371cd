"""Frames out of a stream of bytes."""

from __future__ import annotations

import pytest

from broker.wire.frames import FrameSplitter

STREAM = b"\0\0\0\3abc\0\0\0\0\0\0\0\1d"


@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_frames_come_out_however_the_bytes_come_in(step: int) -> None:
    splitter = FrameSplitter()
    frames = [frame for at in range(0, len(STREAM), step) for frame in splitter.feed(STREAM[at : at + step])]
    assert frames == [b"abc", b"", b"d"]
    assert not splitter.rest
    assert not splitter.has_lost_track


def test_what_is_not_whole_is_the_rest() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(STREAM[:9]) == [b"abc"]
    assert splitter.rest == b"\0\0"


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\0\1\0", b"\xff\xff\xff\xff"])
def test_what_cannot_be_a_length_ends_it(junk: bytes) -> None:
    splitter = FrameSplitter()
    assert splitter.feed(STREAM[:7] + junk) == [b"abc"]
    assert splitter.has_lost_track
    assert splitter.feed(STREAM) == []
    assert splitter.rest == junk + STREAM
