"""CRC-32C in hardware, from the crc32c package's extension module alone.

The package's own `__init__` asks importlib.metadata for its version, which draws in email, zipfile and others: a fifth
of the time in which a broker starts. Where the extension is not found by itself, the package is imported as usual.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Protocol, cast


class Crc32c(Protocol):
    def __call__(self, data: bytes | bytearray | memoryview, value: int = 0, /) -> int:
        """The checksum of the data behind that which has the checksum `value`."""


def _load() -> Crc32c:
    package = find_spec("crc32c")
    extension = package and PathFinder.find_spec("_crc32c", package.submodule_search_locations)
    if extension is None or extension.loader is None:
        import crc32c as whole_package

        return whole_package.crc32c
    module = module_from_spec(extension)
    extension.loader.exec_module(module)
    return cast("Crc32c", module.crc32c)


crc32c = _load()
"""Checksum of a buffer, Castagnoli's polynomial (RFC 3720, appendix B.4)."""
