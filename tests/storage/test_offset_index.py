"""The `.index` file: Kafka's bytes, and lookups that agree with a plain list."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.descriptors import CachedFile, DescriptorCache
from storage.filesystem import Filesystem
from storage.index_file import ENTRIES_BUFFERED_MAX
from storage.offset_index import OffsetIndex, OffsetPosition
from tests.storage.log_support import FailingFilesystem, broken, no_space

BASE = 1000


def make_index(directory: Path, filesystem: Filesystem | None = None) -> OffsetIndex:
    path = directory / "index"
    file = CachedFile(DescriptorCache(filesystem or Filesystem()), str(path))
    return OffsetIndex(file, BASE, path.stat().st_size if path.exists() else None)


def test_empty(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    assert index.lookup(BASE + 5) == index.lookup_position(99) == index.last() == OffsetPosition(BASE, 0)
    index.truncate_to(BASE)


def test_bytes_are_kafkas(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.append(BASE + 7, 4200)
    index.append(BASE + 9, 8500)
    assert not (tmp_path / "index").exists()
    index.entries.write_out()
    assert (tmp_path / "index").read_bytes() == struct.pack(">4i", 7, 4200, 9, 8500)


def test_only_rising_offsets(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.append(BASE + 7, 4200)
    index.append(BASE + 7, 8400)
    assert index.last() == OffsetPosition(BASE + 7, 4200)
    index.entries.write_out()
    again = make_index(tmp_path)
    again.append(BASE + 6, 8400)
    assert len(again.entries) == 1


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), max_size=1400),
    data=st.data(),
    written=st.integers(0, 1400),
)
def test_lookups_agree_with_a_list(
    tmp_path: Path, steps: list[tuple[int, int]], written: int, data: st.DataObject
) -> None:
    (tmp_path / "index").unlink(missing_ok=True)
    index = make_index(tmp_path)
    model: list[tuple[int, int]] = []
    offset, position = BASE, 0
    for number, (offset_step, position_step) in enumerate(steps):
        offset += offset_step
        position += position_step
        index.append(offset, position)
        model.append((offset, position))
        if number == written:
            index.entries.write_out()
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(BASE, offset + 1))
        index.truncate_to(cut)
        model = [entry for entry in model if entry[0] < cut]
    if data.draw(st.booleans()):
        index.entries.write_out()
        index = make_index(tmp_path)
    assert [tuple(index.entries[i]) for i in range(len(index.entries))] == [(o - BASE, p) for o, p in model]
    assert index.last() == (model[-1] if model else (BASE, 0))
    for _ in range(5):
        target = data.draw(st.integers(BASE, offset + 2))
        assert index.lookup(target) == max((e for e in model if e[0] <= target), default=(BASE, 0))
        target = data.draw(st.integers(0, position + 2))
        assert index.lookup_position(target) == max((e for e in model if e[1] <= target), default=(BASE, 0))


def test_many_entries_cost_few_writes(tmp_path: Path) -> None:
    filesystem = FailingFilesystem()
    index = make_index(tmp_path, filesystem)
    for number in range(1, 10 * ENTRIES_BUFFERED_MAX + 1):
        index.append(BASE + number, number * 100)
    assert filesystem.calls.count("write_fully") == 10


def test_a_full_disk_keeps_entries_in_memory(tmp_path: Path) -> None:
    filesystem = FailingFilesystem()
    index = make_index(tmp_path, filesystem)
    filesystem.fail["pwrite"] = no_space
    count = 3 * ENTRIES_BUFFERED_MAX
    for number in range(1, count + 1):
        index.append(BASE + number, number * 100)
    assert index.lookup(BASE + 200) == OffsetPosition(BASE + 200, 20_000)
    with pytest.raises(OSError, match="No space"):
        index.entries.write_out()
    filesystem.fail.clear()
    index.entries.write_out()
    again = make_index(tmp_path)
    assert [again.entries[i] for i in range(len(again.entries))] == [(n, n * 100) for n in range(1, count + 1)]


def test_a_broken_disk_is_reported(tmp_path: Path) -> None:
    filesystem = FailingFilesystem()
    index = make_index(tmp_path, filesystem)
    filesystem.fail["pwrite"] = broken
    with pytest.raises(OSError, match="Input/output"):
        for number in range(1, ENTRIES_BUFFERED_MAX + 1):
            index.append(BASE + number, number)


def test_clear_forgets_whatever_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"no index, and no multiple of eight bytes")
    index = make_index(tmp_path)
    index.clear()
    assert (tmp_path / "index").read_bytes() == b""
    (tmp_path / "index").unlink()
    index = OffsetIndex(CachedFile(DescriptorCache(Filesystem()), str(tmp_path / "index")), BASE)
    index.clear()
    index.append(BASE + 1, 5)
    index.entries.write_out()
    assert (tmp_path / "index").read_bytes() == struct.pack(">2i", 1, 5)


def test_syncing_is_asked_for_once(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    assert not index.entries.unsynced
    index.append(BASE + 1, 5)
    index.entries.synced()
    assert index.entries.unsynced, "what is still in memory is not synced"
    index.entries.write_out()
    assert index.entries.unsynced
    index.entries.synced()
    assert not index.entries.unsynced
