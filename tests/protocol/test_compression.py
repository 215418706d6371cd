"""Decompression: what real compressors make, what they do not, and bombs."""

from __future__ import annotations

import contextlib
import gzip
import struct
import subprocess
import sys
from collections.abc import Callable

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.compression import GZIP, LZ4, NAMES, SNAPPY, ZSTD, decompress
from protocol.errors import MalformedFrame

LIMIT = 1 << 20


def xerial(data: bytes, block_bytes: int = 32768) -> bytes:
    """Snappy framed as snappy-java writes it."""
    out = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    for start in range(0, len(data), block_bytes):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + block_bytes]))
        out += struct.pack(">i", len(block)) + block
    return out


def lz4_independent(data: bytes, block_bytes: int = 65536) -> bytes:
    """An lz4 frame of independent blocks that are stored as they are, as Java writes what does not compress."""
    out = b"\x04\x22\x4d\x18\x60\x40\x82"
    for start in range(0, len(data), block_bytes):
        block = data[start : start + block_bytes]
        out += struct.pack("<I", len(block) | 1 << 31) + block
    return out + bytes(4)


COMPRESSORS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "gzip": (GZIP, gzip.compress),
    "gzip of cramjam": (GZIP, lambda data: bytes(cramjam.gzip.compress(data))),
    "two gzip members": (GZIP, lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
    "snappy block": (SNAPPY, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    "snappy of Java": (SNAPPY, xerial),
    "lz4, independent blocks": (LZ4, lz4_independent),
    "lz4, linked blocks": (LZ4, lambda data: bytes(cramjam.lz4.compress(data))),
    "zstd": (ZSTD, lambda data: bytes(cramjam.zstd.compress(data))),
}


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_decompresses_what_producers_send(name: str, size: int) -> None:
    codec, compress = COMPRESSORS[name]
    data = (b"some record " * (size // 12 + 1))[:size]
    assert decompress(codec, memoryview(compress(data)), LIMIT) == data
    assert decompress(codec, compress(data), size) == data


@pytest.mark.parametrize("name", COMPRESSORS)
def test_refuses_more_than_the_limit(name: str) -> None:
    codec, compress = COMPRESSORS[name]
    with pytest.raises(MalformedFrame, match="bytes"):
        decompress(codec, compress(bytes(100_001)), 100_000)


def test_a_bomb_costs_no_memory() -> None:
    # 64 MB of zeros in a few KB, with 64 KB allowed; the process may not grow by more than a little.
    script = f"""
import resource, cramjam
from protocol.compression import decompress
from protocol.errors import MalformedFrame
bombs = [(c, bytes(m.compress(bytes(64 << 20)))) for c, m in (({GZIP}, cramjam.gzip), ({ZSTD}, cramjam.zstd))]
decompress({ZSTD}, cramjam.zstd.compress(b"warm"), 100)
before = int(open("/proc/self/statm").read().split()[1])
for codec, bomb in bombs * 20:
    try:
        decompress(codec, bomb, 64 << 10)
    except MalformedFrame:
        continue
    raise SystemExit("accepted")
grown = (int(open("/proc/self/statm").read().split()[1]) - before) * resource.getpagesize()
raise SystemExit(0 if grown < 8 << 20 else f"grew by {{grown}}")
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_snappy_may_claim_any_length() -> None:
    # A raw block starts with its uncompressed length: here almost 4 GiB.
    with pytest.raises(MalformedFrame, match="claims 4294967295 bytes"):
        decompress(SNAPPY, b"\xff\xff\xff\xff\x0f", LIMIT)


@pytest.mark.parametrize("codec", [0, 5, 6, 7, -1])
def test_unknown_codec(codec: int) -> None:
    with pytest.raises(MalformedFrame, match="Unknown compression type"):
        decompress(codec, b"", LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        b"\x82SNAPPY\x00" + bytes(8) + b"\x00\x00",
        b"\x82SNAPPY\x00" + bytes(8) + b"\xff\xff\xff\xff",
        b"\x82SNAPPY\x00" + bytes(8) + b"\x00\x00\x00\x09x",
    ],
)
def test_broken_snappy_framing(data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decompress(SNAPPY, data, LIMIT)


@settings(deadline=None)
@given(st.sampled_from([GZIP, SNAPPY, LZ4, ZSTD]), st.binary(max_size=200))
def test_garbage_raises_nothing_but_malformed_frame(codec: int, data: bytes) -> None:
    with contextlib.suppress(MalformedFrame):
        assert len(decompress(codec, data, 10_000)) <= 10_000


@settings(deadline=None)
@given(st.sampled_from(sorted(COMPRESSORS)), st.data())
def test_damage_raises_nothing_but_malformed_frame(name: str, data: st.DataObject) -> None:
    codec, compress = COMPRESSORS[name]
    damaged = bytearray(compress(b"some record " * 50))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedFrame):
        assert len(decompress(codec, damaged, 10_000)) <= 10_000


def test_names() -> None:
    assert [NAMES[codec] for codec in (0, GZIP, SNAPPY, LZ4, ZSTD)] == ["none", "gzip", "snappy", "lz4", "zstd"]
