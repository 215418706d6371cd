"""Kafka's variable-length integers: seven bits a byte, the lowest first, the high bit set on all bytes but the last.

Unsigned ones are lengths and tags of flexible messages (KIP-482). Signed ones are zigzag-folded (0, -1, 1, -2 ...
become 0, 1, 2, 3 ...) and stand in records. Longer forms than needed are accepted, as by Kafka.

The readers raise MalformedFrame for a varint that is too long, and IndexError where the bytes end: their callers have
other reads that do, and turn it into a MalformedFrame in one place.
"""

from __future__ import annotations

from .errors import MalformedFrame

Buffer = bytes | bytearray | memoryview


def read_uvarint(buffer: Buffer, position: int, bytes_max: int = 5) -> tuple[int, int]:
    """Read an unsigned varint of at most `bytes_max` bytes; return it and the position after it."""
    byte = buffer[position]
    position += 1
    value = byte & 0x7F
    shift = 7
    while byte > 0x7F:
        if shift == 7 * bytes_max:
            raise MalformedFrame(f"a varint of more than {bytes_max} bytes")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return value, position


def read_varint(buffer: Buffer, position: int, bytes_max: int = 5) -> tuple[int, int]:
    """Read a zigzag varint of at most `bytes_max` bytes; return it and the position after it."""
    byte = buffer[position]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), position + 1
    folded, position = read_uvarint(buffer, position, bytes_max)
    return (folded >> 1) ^ -(folded & 1), position


def read_varlong(buffer: Buffer, position: int) -> tuple[int, int]:
    """Read a zigzag varint of at most 10 bytes, which holds 64 bits; return it and the position after it."""
    return read_varint(buffer, position, 10)


def encode_uvarint(value: int) -> bytes:
    """Encode an unsigned value."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_varint(value: int) -> bytes:
    """Encode a signed value, zigzag-folded; a varint and a varlong of the same value look alike."""
    return encode_uvarint(value << 1 if value >= 0 else ~(value << 1))


class _Varints(dict[int, bytes]):
    """What `encode_varint` makes of each value; the small ones, which are nearly all, are made once."""

    def __missing__(self, value: int) -> bytes:
        encoded = encode_varint(value)
        if -1 <= value < _KEPT_VALUES_MAX:
            self[value] = encoded
        return encoded


_KEPT_VALUES_MAX = 4096

VARINTS = _Varints()
"""`VARINTS[value]` is `encode_varint(value)`: a record of two fields has six of them."""
