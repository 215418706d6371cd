"""The leader epochs of a log: literal examples, the file, and a model that knows the epoch of every record."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.filesystem import Filesystem
from storage.leader_epochs import FILE_NAME, UNDEFINED, EpochEnd, EpochStart, LeaderEpochs, decode, encode
from storage.text_checkpoint import CorruptCheckpoint


class CountingFilesystem(Filesystem):
    """Counts atomic writes, and fails them on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.syncs = 0
        self.failing = False

    def write_atomically(self, path: str, data: bytes, *, sync: bool = True) -> None:
        if self.failing:
            raise OSError(28, "No space left on device")
        self.writes += 1
        super().write_atomically(path, data, sync=sync)

    def fsync(self, fd: int) -> None:
        self.syncs += 1
        super().fsync(fd)


@pytest.fixture
def filesystem() -> CountingFilesystem:
    return CountingFilesystem()


@pytest.fixture
def epochs(tmp_path: Path, filesystem: CountingFilesystem) -> LeaderEpochs:
    """{(3,0) (5,20) (6,40)}"""
    cache = LeaderEpochs(str(tmp_path), filesystem)
    cache.assign(3, 0)
    cache.assign(5, 20)
    cache.assign(6, 40)
    return cache


def pairs(epochs: LeaderEpochs) -> list[tuple[int, int]]:
    return [tuple(entry) for entry in epochs.entries]


def test_the_file_is_kafkas(tmp_path: Path, epochs: LeaderEpochs) -> None:
    assert (tmp_path / FILE_NAME).read_bytes() == b"0\n3\n3 0\n5 20\n6 40\n"
    assert pairs(LeaderEpochs.load(str(tmp_path), Filesystem())) == pairs(epochs)
    assert epochs.latest == 6


def test_no_file_means_no_epochs(tmp_path: Path) -> None:
    epochs = LeaderEpochs.load(str(tmp_path), Filesystem())
    assert epochs.latest == -1
    assert epochs.epoch_for(0) == -1
    assert epochs.end_offset_for(0, 10) == UNDEFINED
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_written_at_the_first_batch_of_an_epoch_only(
    epochs: LeaderEpochs, filesystem: CountingFilesystem
) -> None:
    filesystem.writes = 0
    epochs.assign(6, 41)
    epochs.assign(6, 50)
    assert filesystem.writes == 0
    epochs.assign(7, 60)
    assert filesystem.writes == 1


def test_flush_makes_the_last_write_durable_once(epochs: LeaderEpochs, filesystem: CountingFilesystem) -> None:
    assert filesystem.syncs == 0
    epochs.flush()
    assert filesystem.syncs == 2  # the file and its directory
    epochs.flush()
    assert filesystem.syncs == 2


def test_a_full_disk_leaves_the_epochs_as_they_were(epochs: LeaderEpochs, filesystem: CountingFilesystem) -> None:
    filesystem.failing = True
    with pytest.raises(OSError, match="No space"):
        epochs.assign(7, 60)
    assert epochs.latest == 6
    filesystem.failing = False
    epochs.assign(7, 60)
    assert epochs.latest == 7


@pytest.mark.parametrize(
    ("epoch", "answer"),
    [(2, (2, 0)), (3, (3, 20)), (4, (3, 20)), (5, (5, 40)), (6, (6, 50)), (7, (-1, -1)), (-1, (-1, -1)), (-2, (-2, 0))],
)
def test_end_offset_for(epochs: LeaderEpochs, epoch: int, answer: tuple[int, int]) -> None:
    assert epochs.end_offset_for(epoch, 50) == EpochEnd(*answer)


@pytest.mark.parametrize(("epoch", "answer"), [(6, (6, 50)), (7, (6, 50)), (8, (8, 50)), (9, (-1, -1))])
def test_the_epoch_being_led_counts_before_its_first_batch(
    epochs: LeaderEpochs, epoch: int, answer: tuple[int, int]
) -> None:
    assert epochs.end_offset_for(epoch, 50, current_epoch=8) == EpochEnd(*answer)


@pytest.mark.parametrize(("offset", "epoch"), [(0, 3), (19, 3), (20, 5), (39, 5), (40, 6), (99, 6), (-1, -1)])
def test_epoch_for(epochs: LeaderEpochs, offset: int, epoch: int) -> None:
    assert epochs.epoch_for(offset) == epoch


@pytest.mark.parametrize(
    ("offset", "left"),
    [(41, [(3, 0), (5, 20), (6, 40)]), (40, [(3, 0), (5, 20)]), (1, [(3, 0)]), (0, [])],
)
def test_truncate_from_end(tmp_path: Path, epochs: LeaderEpochs, offset: int, left: list[tuple[int, int]]) -> None:
    epochs.truncate_from_end(offset)
    assert pairs(epochs) == left
    assert pairs(LeaderEpochs.load(str(tmp_path), Filesystem())) == left


@pytest.mark.parametrize(
    ("offset", "left"),
    [
        (0, [(3, 0), (5, 20), (6, 40)]),
        (10, [(3, 10), (5, 20), (6, 40)]),
        (20, [(5, 20), (6, 40)]),
        (30, [(5, 30), (6, 40)]),
        (99, [(6, 99)]),
    ],
)
def test_truncate_from_start(
    tmp_path: Path,
    epochs: LeaderEpochs,
    filesystem: CountingFilesystem,
    offset: int,
    left: list[tuple[int, int]],
) -> None:
    writes = filesystem.writes
    epochs.truncate_from_start(offset)
    assert pairs(epochs) == left
    assert filesystem.writes == writes, "on a full disk, too, and a start of the broker does it again"
    epochs.assign(7, 100)
    assert pairs(LeaderEpochs.load(str(tmp_path), Filesystem())) == [*left, (7, 100)]


def test_an_epoch_that_never_had_a_batch_gives_way(epochs: LeaderEpochs) -> None:
    epochs.assign(9, 40)
    assert pairs(epochs) == [(3, 0), (5, 20), (9, 40)]
    epochs.assign(4, 30)
    assert pairs(epochs) == [(3, 0), (4, 30)]


def test_replace_writes_only_what_differs(tmp_path: Path, epochs: LeaderEpochs, filesystem: CountingFilesystem) -> None:
    filesystem.writes = 0
    epochs.replace(list(epochs.entries))
    assert filesystem.writes == 0
    epochs.flush()
    synced = filesystem.syncs
    epochs.replace(list(epochs.entries))
    epochs.flush()
    assert (filesystem.writes, filesystem.syncs) == (0, synced + 2), "a killed process may have left it unsynced"
    epochs.replace(())
    assert (tmp_path / FILE_NAME).read_bytes() == b"0\n0\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0",
        b"1\n0\n",
        b"0\n2\n3 0\n",
        b"0\n1\n3 0\n5 20\n",
        b"0\n1\n3\n",
        b"0\n1\nx 0\n",
        b"0\n1\n3 0 1\n",
        b"0\n2\n5 0\n3 20\n",
        b"0\n2\n3 20\n5 20\n",
        b"0\n1\n-1 0\n",
        b"\xff\xfe\n",
        b"\0\0\0\0\0\0\0\0",
    ],
)
def test_damage_is_kept_until_it_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(CorruptCheckpoint, match=FILE_NAME):
        decode(content, FILE_NAME)
    epochs = LeaderEpochs.load(str(tmp_path), Filesystem())
    assert epochs.damaged
    assert epochs.entries == ()
    epochs.truncate_from_end(0)
    assert (tmp_path / FILE_NAME).read_bytes() == content
    epochs.replace(())
    assert not epochs.damaged
    assert (tmp_path / FILE_NAME).read_bytes() == b"0\n0\n"


class MemoryFilesystem(Filesystem):
    """Drops checkpoints, for the model test."""

    def write_atomically(self, path: str, data: bytes, *, sync: bool = True) -> None:
        assert decode(data, path) or data == encode([])


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("cut end"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("cut start"), st.integers(0, 40), st.just(0)),
    )
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_agrees_with_a_log_of_epochs(script: list[tuple[str, int, int]]) -> None:
    """The model is the epoch of every record; the answers are read off it."""
    epochs = LeaderEpochs("unused", MemoryFilesystem())
    records: list[int] = []
    start = 0
    for step, argument, count in script:
        if step == "append":
            epoch = (records[-1] if records else 0) + argument
            epochs.assign(epoch, len(records))
            records += [epoch] * count
        elif step == "cut end":
            end = max(start, min(argument, len(records)))
            del records[end:]
            epochs.truncate_from_end(end)
        else:
            start = max(start, min(argument, len(records)))
            epochs.truncate_from_start(start)
        end = len(records)
        for offset in range(start, end):
            assert epochs.epoch_for(offset) == records[offset]
        held = records[start:]
        assert [EpochStart(epoch, start + held.index(epoch)) for epoch in sorted(set(held))] == [
            entry for entry in epochs.entries if entry.start_offset < end
        ]
        for epoch in set(held):
            last = start + len(held) - 1 - held[::-1].index(epoch)
            assert epochs.end_offset_for(epoch, end) == EpochEnd(epoch, last + 1)
