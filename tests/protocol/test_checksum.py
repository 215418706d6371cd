"""The checksum against the whole package's, with the extension loaded by itself and with the fallback."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

import crc32c as package
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import checksum

RFC_3720_VECTORS = [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)]


@pytest.mark.parametrize(("data", "expected"), RFC_3720_VECTORS)
def test_the_vectors_of_the_standard(data: bytes, expected: int) -> None:
    assert checksum.crc32c(data) == expected


@given(st.binary())
def test_views_and_bytes_alike(data: bytes) -> None:
    assert checksum.crc32c(data) == checksum.crc32c(memoryview(bytearray(data))) == package.crc32c(data)


def test_the_extension_is_loaded_without_the_package() -> None:
    assert checksum.crc32c.__module__ in ("_crc32c", None)
    loaded = checksum._load()
    assert loaded is not package.crc32c
    assert Path(sys.modules["crc32c"].__file__ or "").parent.name == "crc32c"


def test_without_the_extension_by_itself_the_package_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PathFinder, "find_spec", classmethod(lambda *_: None))
    assert checksum._load() is package.crc32c
