"""The `.timeindex` file: Kafka's bytes, and lookups that agree with a plain list."""

from __future__ import annotations

import struct
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.descriptors import CachedFile, DescriptorCache
from storage.filesystem import Filesystem
from storage.time_index import TimeIndex, TimestampOffset

BASE = 1000


def make_index(directory: Path) -> TimeIndex:
    path = directory / "timeindex"
    file = CachedFile(DescriptorCache(Filesystem()), str(path))
    return TimeIndex(file, BASE, path.stat().st_size if path.exists() else None)


def test_empty(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    assert index.lookup(5) == index.last() == TimestampOffset(-1, BASE)


def test_bytes_are_kafkas(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.append(1_700_000_000_000, BASE + 3)
    index.append(1_700_000_000_500, BASE + 9)
    index.entries.write_out()
    assert (tmp_path / "timeindex").read_bytes() == struct.pack(">qiqi", 1_700_000_000_000, 3, 1_700_000_000_500, 9)


def test_only_rising_timestamps(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.append(100, BASE + 3)
    index.append(100, BASE + 5)
    index.append(90, BASE + 7)
    assert (len(index.entries), index.last()) == (1, TimestampOffset(100, BASE + 3))
    index.entries.write_out()
    again = make_index(tmp_path)
    again.append(100, BASE + 9)
    assert len(again.entries) == 1


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=1200),
    written=st.integers(0, 1200),
    data=st.data(),
)
def test_lookups_agree_with_a_list(
    tmp_path: Path, steps: list[tuple[int, int]], written: int, data: st.DataObject
) -> None:
    (tmp_path / "timeindex").unlink(missing_ok=True)
    index = make_index(tmp_path)
    model: list[tuple[int, int]] = []
    timestamp, offset = 0, BASE
    for number, (timestamp_step, offset_step) in enumerate(steps):
        timestamp += timestamp_step
        offset += offset_step
        index.append(timestamp, offset)
        if not model or timestamp > model[-1][0]:
            model.append((timestamp, offset))
        if number == written:
            index.entries.write_out()
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(BASE, offset + 1))
        index.truncate_to(cut)
        model = [entry for entry in model if entry[1] < cut]
    if data.draw(st.booleans()):
        index.entries.write_out()
        index = make_index(tmp_path)
    assert index.last() == (model[-1] if model else (-1, BASE))
    for _ in range(5):
        target = data.draw(st.integers(-1, timestamp + 2))
        assert index.lookup(target) == max((e for e in model if e[0] <= target), default=(-1, BASE))


def test_clear(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    index.append(100, BASE + 3)
    index.entries.write_out()
    index.clear()
    index.append(50, BASE + 1)
    index.entries.write_out()
    assert (tmp_path / "timeindex").read_bytes() == struct.pack(">qi", 50, 1)
