"""Codecs of messages: compiled per class and version at their first use, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .decoding import compile_decoder
from .encoding import Part, compile_encoder
from .errors import MalformedFrame
from .schema import Versioned

__all__ = ["Part", "decode_versioned", "decoder", "encode_versioned", "encoder"]

M = TypeVar("M", bound=Versioned)

# What is kept here depends on nothing but the declarations, so that all brokers of a process can share it.
_decoders: dict[tuple[type[Versioned], int], Callable[[memoryview, int], tuple[Any, int]]] = {}
_encoders: dict[tuple[type[Versioned], int], Callable[[Any, list[Part]], None]] = {}


def decoder(cls: type[M], version: int) -> Callable[[memoryview, int], tuple[M, int]]:
    """The function that decodes a `cls` in `version`: buffer and position → message and the position after it.

    It raises nothing but MalformedFrame, and lets records be views of the buffer. Raises ValueError for a version that
    the message does not have.
    """
    function = _decoders.get((cls, version))
    if function is None:
        function = _decoders[cls, version] = compile_decoder(cls, _checked(cls, version))
    return function


def encoder(cls: type[M], version: int) -> Callable[[M, list[Part]], None]:
    """The function that appends a `cls` in `version` to a list of parts.

    All that lies between two fields of records is one part. It raises ValueError for a value that the version cannot
    carry, which is a bug of ours. Raises ValueError for a version that the message does not have.
    """
    function = _encoders.get((cls, version))
    if function is None:
        function = _encoders[cls, version] = compile_encoder(cls, _checked(cls, version))
    return function


def encode_versioned(struct: Versioned, version: int) -> bytes:
    """Encode a structure behind its version, an int16, as it stands in a coordinator's records.

    Raises ValueError for a value that the version cannot carry.
    """
    parts: list[Any] = [version.to_bytes(2)]
    encoder(type(struct), version)(struct, parts)
    return b"".join(parts)


def decode_versioned(cls: type[M], data: bytes) -> M:
    """Decode what `encode_versioned` made, or raise MalformedFrame; bytes that follow are left alone."""
    version = int.from_bytes(data[:2], signed=True)
    if len(data) < 2 or version not in cls.VERSIONS:
        raise MalformedFrame(f"{cls.__name__} has the versions {cls.VERSIONS}, not {data[:2].hex() or 'nothing'}")
    return decoder(cls, version)(memoryview(data), 2)[0]


def _checked(cls: type[Versioned], version: int) -> int:
    if version not in cls.VERSIONS:
        raise ValueError(f"{cls.__name__} has the versions {cls.VERSIONS}, not {version}")
    return version
