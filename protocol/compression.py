"""Decompression of record batches, bounded: a few bytes from a stranger must not become gigabytes.

The native library is imported at the first compressed batch that has to be opened, which most brokers never see:
batches are stored and sent as they came.
"""

from __future__ import annotations

import mmap
import struct

from .errors import MalformedFrame

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
"""Codec names as Kafka's `compression.type` has them, by codec."""

# snappy-java's stream: this, two int32 versions, then blocks of an int32 length and raw snappy.
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_INT32 = struct.Struct(">i")


def decompress(codec: int, data: bytes | bytearray | memoryview, max_bytes: int) -> bytes:
    """Decompresses what a producer compressed with codec 1 to 4.

    Raises MalformedFrame for damaged data, for an unknown codec, and where the result would exceed `max_bytes`.
    """
    if not NONE < codec <= ZSTD:
        raise MalformedFrame(f"Unknown compression type {codec}")
    import cramjam

    # Anonymous memory is a bound that costs nothing: only the pages that are written to come to exist.
    output = memoryview(mmap.mmap(-1, max(1, max_bytes)))[:max_bytes]
    try:
        if codec == GZIP:
            length = cramjam.gzip.decompress_into(data, output)
        elif codec == SNAPPY:
            length = _decompress_snappy(memoryview(data), output)
        elif codec == LZ4:
            length = cramjam.lz4.decompress_into(data, output)
        else:
            length = cramjam.zstd.decompress_into(data, output)
    except cramjam.DecompressionError as error:
        raise MalformedFrame(f"Cannot decompress {NAMES[codec]} within {max_bytes} bytes: {error}") from None
    return bytes(output[:length])


def _decompress_snappy(data: memoryview, output: memoryview) -> int:
    """Decompresses snappy, framed as snappy-java does it or one raw block, and returns the length."""
    if data[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        return _decompress_snappy_block(data, output)
    length = 0
    position = _XERIAL_HEADER_BYTES
    while position < len(data):
        if len(data) - position < _INT32.size:
            raise MalformedFrame("Snappy stream ends within the length of a block")
        (block_bytes,) = _INT32.unpack_from(data, position)
        position += _INT32.size
        if not 0 <= block_bytes <= len(data) - position:
            raise MalformedFrame(f"Snappy block of {block_bytes} bytes where {len(data) - position} are left")
        length += _decompress_snappy_block(data[position : position + block_bytes], output[length:])
        position += block_bytes
    return length


def _decompress_snappy_block(block: memoryview, output: memoryview) -> int:
    from cramjam import snappy

    length = snappy.decompress_raw_len(block)
    if length > len(output):
        raise MalformedFrame(f"Snappy block claims {length} bytes where {len(output)} are allowed")
    return snappy.decompress_raw_into(block, output)
