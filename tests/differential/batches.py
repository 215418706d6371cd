"""Record batches as scripts write them: `batch(3, codec='gzip')`, or one that is wrong in a certain way."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

import cramjam
import lz4.frame
from crc32c import crc32c

from tests.support.record_batches import CODECS, Record, encode_batch

_LENGTH = 8
_MAGIC = 16
_CRC = 17
_ATTRIBUTES = 21
_LAST_OFFSET_DELTA = 23
_COUNT = 57
_HEADER_BYTES = 61


def batch(
    count: int = 1,
    *,
    now_ms: int,
    codec: str = "none",
    key: str | None = "k",
    value_bytes: int = 6,
    age_ms: int = 1000,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    damage: str = "",
) -> bytes:
    """Make a batch of `count` records, a millisecond apart, the first of them `age_ms` before the run began."""
    records = [
        Record(
            value=f"{number:0{value_bytes}}".encode(),
            key=None if key is None else key.encode(),
            headers=(("h", b"1"),) if number % 2 else (),
            timestamp=now_ms - age_ms + number,
        )
        for number in range(count)
    ]
    plain = codec if codec in ("none", "gzip", "zstd") else "none"
    data = bytearray(
        encode_batch(
            records, codec=plain, producer_id=producer_id, producer_epoch=producer_epoch, base_sequence=base_sequence
        )
    )
    if plain != codec:
        body = bytes(data[_HEADER_BYTES:])
        data[_HEADER_BYTES:] = _lz4(body) if codec == "lz4" else bytes(cramjam.snappy.compress_raw(body))
        data[_ATTRIBUTES + 1] = CODECS.index(codec)
        struct.pack_into(">i", data, _LENGTH, len(data) - _LENGTH - 4)
    _seal(data)
    if damage:
        DAMAGES[damage](data)
    return bytes(data)


def _lz4(data: bytes) -> bytes:
    """A frame of independent blocks: Kafka reads no others."""
    compressed: bytes = lz4.frame.compress(data, block_linked=False)
    return compressed


def _seal(data: bytearray) -> None:
    struct.pack_into(">I", data, _CRC, crc32c(bytes(data[_ATTRIBUTES:])))


def _sealed(change: Callable[[bytearray], None]) -> Callable[[bytearray], None]:
    """A change under a CRC that fits."""

    def damage(data: bytearray) -> None:
        change(data)
        _seal(data)

    return damage


def _put(format: str, position: int, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into(format, data, position, value)


def _add(format: str, position: int, difference: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        (value,) = struct.unpack_from(format, data, position)
        struct.pack_into(format, data, position, value + difference)

    return change


def _set_bits(bits: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[_ATTRIBUTES + 1] |= bits

    return change


def _cut(data: bytearray) -> None:
    del data[-3:]


def _cut_header(data: bytearray) -> None:
    del data[30:]


DAMAGES: Final[Mapping[str, Callable[[bytearray], None]]] = {
    "crc": _add(">I", _CRC, -1),
    "magic 0": _put(">b", _MAGIC, 0),
    "magic 1": _put(">b", _MAGIC, 1),
    "magic 3": _put(">b", _MAGIC, 3),
    "longer": _add(">i", _LENGTH, 1),
    "shorter": _add(">i", _LENGTH, -1),
    "no length": _put(">i", _LENGTH, 0),
    "cut": _cut,
    "cut header": _cut_header,
    "base offset": _put(">q", 0, 7),
    "count": _sealed(_add(">i", _COUNT, 1)),
    "no records": _sealed(_put(">i", _COUNT, 0)),
    "last offset": _sealed(_add(">i", _LAST_OFFSET_DELTA, 1)),
    "transactional": _sealed(_set_bits(16)),
    "control": _sealed(_set_bits(32)),
    "append time": _sealed(_set_bits(8)),
    "codec 5": _sealed(_set_bits(5)),
    "body": _sealed(_put(">b", _HEADER_BYTES, 1)),
}
"""Ways in which a batch can be wrong, by their names in scripts."""
