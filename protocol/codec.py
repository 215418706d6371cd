"""Codecs of messages: compiled per class and version at their first use, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .decoding import compile_decoder
from .encoding import Part, compile_encoder
from .schema import Message

__all__ = ["Part", "decoder", "encoder"]

M = TypeVar("M", bound=Message)

# What is kept here depends on nothing but the declarations, so that all brokers of a process can share it.
_decoders: dict[tuple[type[Message], int], Callable[[memoryview, int], tuple[Any, int]]] = {}
_encoders: dict[tuple[type[Message], int], Callable[[Any, list[Part]], None]] = {}


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


def _checked(cls: type[Message], version: int) -> int:
    if version not in cls.VERSIONS:
        raise ValueError(f"{cls.__name__} has the versions {cls.VERSIONS}, not {version}")
    return version
