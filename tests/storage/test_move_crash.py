"""Crashes at every point of a log's move: there is one log in the end, with all that must be in it, and it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from protocol.record_batch import BatchHeader
from storage.log import Log
from storage.log_manager import LogManager

from .crash_support import Loss
from .disk_story import Disk, DiskStory, QuickFilesystem
from .log_support import NOW_MS, batch_of, read_all
from .move_support import CONFIG, KEY, ORDERS, PRODUCER, MovedLog, carry_out, steps


@dataclass
class Life:
    """The story of a log that is moved, and what was true at each point of it."""

    path: Path
    disk: DiskStory
    headers: list[BatchHeader] = field(default_factory=list)
    """Of all batches appended, as they lie in the log."""
    written: list[int] = field(default_factory=list)
    """How many changes had been made when each batch had been appended."""
    durable: list[tuple[int, int]] = field(default_factory=list)
    """(changes made, recovery point) after each flush."""
    starts: list[tuple[int, int]] = field(default_factory=list)
    """(changes made, log start) after each deletion of records."""
    first_change: int = 0
    """Of the move."""

    def at(self, facts: list[tuple[int, int]], count: int) -> int:
        return max((value for made, value in facts if made <= count), default=0)

    def end_after(self, count: int) -> int:
        """The end of the log after so many changes."""
        appended = sum(made <= count for made in self.written)
        return self.headers[appended - 1].next_offset if appended else 0


@pytest.fixture(scope="module", params=[False, True], ids=["flushed late", "flushed at once"])
def life(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Life:
    """A log of some segments that is written, rolled, flushed, cut at its front and checkpointed while it is moved.

    It is flushed as soon as it has gone on with the copy, or once the copy has its name.
    """
    disk = DiskStory()
    path = tmp_path_factory.mktemp("life")
    moved = MovedLog(path, disk)
    life = Life(path, disk)

    def append(times: int, epoch: int) -> None:
        for _ in range(times):
            moved.append(epoch=epoch)
            life.headers.append(read_all(moved.log)[-1])
            life.written.append(len(disk.changes))

    def flush() -> None:
        moved.log.flush()
        life.durable.append((len(disk.changes), moved.log.recovery_point))

    def delete(offset: int) -> None:
        segments = moved.log.delete_records(offset)
        moved.manager.delete_segments({moved.log: segments})
        life.starts.append((len(disk.changes), offset))

    append(9, 0)
    flush()
    append(4, 1)
    moved.manager.checkpoint()
    life.first_change = len(disk.changes)
    script = {
        3: lambda: append(2, 1),
        5: flush,
        6: moved.manager.checkpoint,
        7: lambda: delete(5),
        9: lambda: append(1, 2),
        11: lambda: delete(11),
        12: lambda: append(1, 2),
    }
    names = []
    for index, step in enumerate(steps(moved.manager, moved.begin(), piece_bytes=900)):
        names.append(step)
        script.get(index, lambda: None)()
        if step == "rest":  # which is copied together with the rest of the rest
            append(4, moved.log.leader_epochs.latest)
        if step in ("committed", "confirmed", "renamed"):
            append(1, 3)
        if step == ("committed" if request.param else "renamed"):
            flush()
            append(1, 3)
    append(2, 4)
    flush()
    moved.manager.checkpoint()
    append(1, 4)
    moved.remove_deleted()
    assert {"not ready", "committed", "finished"} <= {*names}
    moved.manager.close(clean=False)
    return life


def load(path: Path) -> tuple[LogManager, Log]:
    manager = LogManager(
        [str(path / "a"), str(path / "b")], QuickFilesystem(), cluster_id="cluster", node_id=0, now_ms=lambda: NOW_MS
    )
    manager.load({KEY: ORDERS}, lambda topic: CONFIG)
    log = manager.get(*KEY)
    assert log is not None
    return manager, log


def check(life: Life, log: Log, *, start: int, least: int, most: int) -> None:
    """The log holds the batches from `start` up to an end between `least` and `most`, and knows what they say."""
    end_offset = log.log_end_offset
    assert least <= end_offset <= most
    assert start <= log.log_start_offset <= max((value for _, value in life.starts), default=0)
    expected = [h for h in life.headers if log.log_start_offset < h.next_offset and h.base_offset < end_offset]
    assert read_all(log) == expected
    epochs = {header.partition_leader_epoch: header.base_offset for header in reversed(expected)}
    epochs[expected[0].partition_leader_epoch] = max(log.log_start_offset, min(epochs.values()))
    assert dict(log.leader_epochs.entries) == epochs
    entry = log.producers.get(PRODUCER)
    assert entry is not None
    last = [header for header in life.headers if header.base_offset < end_offset][-5:]
    assert [batch.base_offset for batch in entry.batches][-len(last) :] == [header.base_offset for header in last]


def go_on(path: Path, manager: LogManager, log: Log) -> None:
    """Finishes the move, appends, and finds everything where it belongs after a clean start."""
    for move in manager.moves.moves:
        carry_out(manager, move, piece_bytes=900)
    log.append(batch_of([b"again"]), 9, NOW_MS)
    start_offset, headers = log.log_start_offset, read_all(log)
    manager.close()
    manager, log = load(path)
    assert (log.log_start_offset, read_all(log)) == (start_offset, headers)
    assert manager.moves.moves == []
    assert len(sorted(path.glob("*/orders-0"))) == 1
    assert sorted(path.glob("*/*-future")) == sorted(path.glob("*/*-stray")) == []
    manager.close(clean=False)


def play(life: Life, count: int, path: Path, loss: Loss, names_lost: str = "") -> tuple[LogManager, Log]:
    disk = Disk(life.disk.changes[:count])
    for name in names_lost:
        disk.lose_names(life.path / name)
    disk.write(loss, life.path, path)
    return load(path)


def test_a_killed_process_loses_nothing(life: Life, tmp_path: Path) -> None:
    places = set()
    for count in range(life.first_change, len(life.disk.changes) + 1):
        path = tmp_path / str(count)
        manager, log = play(life, count, path, Loss.NOTHING)
        # The write of a batch may be the last change before its append is known to be done.
        most = life.headers[min(len(life.headers), sum(made <= count for made in life.written) + 1) - 1].next_offset
        check(life, log, start=life.at(life.starts, count), least=life.end_after(count), most=most)
        places.add(Path(log.directory).relative_to(path).parts)
        if count % 4:
            manager.close(clean=False)
        else:
            go_on(path, manager, log)
    assert places == {("a", "orders-0"), ("b", "orders-0")}


@pytest.mark.parametrize(
    ("loss", "names_lost"), [(Loss.ZEROS, ""), (Loss.MISSING, "a"), (Loss.ZEROS, "b"), (Loss.MISSING, "ab")]
)
def test_a_power_loss_takes_only_what_was_not_flushed(life: Life, tmp_path: Path, loss: Loss, names_lost: str) -> None:
    """`names_lost` are the log directories in which directories may have their old names again."""
    for count in range(life.first_change, len(life.disk.changes) + 1, 2):
        path = tmp_path / str(count)
        manager, log = play(life, count, path, loss, names_lost)
        check(
            life,
            log,
            start=life.at(life.starts, count),
            least=life.at(life.durable, count),
            most=life.headers[-1].next_offset,
        )
        if count % 8:
            manager.close(clean=False)
        else:
            go_on(path, manager, log)


def test_the_story_has_moments_at_which_the_names_are_not_durable(life: Life) -> None:
    """Or the tests with lost names would say nothing."""
    moments = [
        count
        for count in range(life.first_change, len(life.disk.changes) + 1)
        if Disk(life.disk.changes[:count]).has_unsynced_names
    ]
    assert len(moments) > 4
