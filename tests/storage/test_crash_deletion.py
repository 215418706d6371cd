"""Crashes at every point of a log whose front is deleted: an acknowledged start stays, and so do the other records."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from protocol.record_batch import read_header
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from storage.log_manager import LogManager
from storage.segment import Segment

from .crash_support import Loss, Operation, RecordingFilesystem, files_after, write_files
from .log_support import NOW_MS, batch_of, read_all

CONFIG = LogConfig(segment_bytes=500, index_interval_bytes=150, retention_bytes=500, file_delete_delay_ms=0)
TOPIC_ID = b"o" * 16
EXPECTED = {("orders", 0): TOPIC_ID}
BATCHES = 40


@dataclass
class Life:
    """The story of a log directory with one log, and what was true at each point of it."""

    directory: Path
    story: list[Operation]
    batches: list[bytes] = field(default_factory=list)
    appended: list[int] = field(default_factory=list)
    """How many operations had been made when each batch had been appended."""
    moved: list[tuple[int, int]] = field(default_factory=list)
    """(operations made, log start) whenever the start was about to be moved there."""
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    """(operations made, log start) whenever a client could know that it will stay there."""
    flushed: list[tuple[int, int]] = field(default_factory=list)
    """(operations made, offset) whenever a recovery point was written down."""


def manage(directory: Path, filesystem: Filesystem) -> LogManager:
    return LogManager([str(directory)], filesystem, cluster_id="c", node_id=0, now_ms=lambda: NOW_MS)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """40 batches of an idempotent producer; deletions by a client and by retention, some of them after a flush."""
    directory = tmp_path_factory.mktemp("life") / "logs"
    filesystem = RecordingFilesystem()
    manager = manage(directory, filesystem)
    manager.load({}, lambda topic: CONFIG)
    log = manager.create("orders", 0, TOPIC_ID, CONFIG)
    life = Life(directory, filesystem.story)
    for index in range(BATCHES):
        batch = batch_of([b"%d" % index * 20], NOW_MS + index, producer_id=7, producer_epoch=0, base_sequence=index)
        log.append(batch, index // 9, NOW_MS)
        life.batches.append(bytes(batch))
        life.appended.append(len(filesystem.story))
        if index % 6 == 5:
            segments = log.delete_records(max(log.log_start_offset, index - 7))
            settle(life, manager, log, segments)
        if index % 8 == 7:
            expired = log.expire(NOW_MS, log.log_end_offset)
            settle(life, manager, log, expired.segments if expired else [])
        if index % 20 == 19:
            log.flush()
            manager.checkpoint()
            life.flushed.append((len(filesystem.story), log.recovery_point))
    settle(life, manager, log, log.delete_records(log.log_end_offset))
    manager.close(clean=False)
    assert log.segments[0].base_offset > 20
    assert len(life.acknowledged) > 8
    return life


def settle(life: Life, manager: LogManager, log: Log, segments: Sequence[Segment]) -> None:
    life.moved.append((len(life.story), log.log_start_offset))
    assert manager.delete_segments({log: segments}) == {log}
    life.acknowledged.append((len(life.story), log.log_start_offset))
    assert manager.remove_deleted() is None


def latest(told: list[tuple[int, int]], count: int) -> int:
    return max((offset for made, offset in told if made <= count), default=0)


def without_names(story: list[Operation], seed: int) -> list[Operation]:
    """A story some of whose deletions have not reached the disk: a power loss may take any of the new names."""
    choice = random.Random(seed)
    lost = {each.path for each in story if each.target.endswith(".deleted") and choice.random() < 0.5}
    return [
        each
        for each in story
        if each.path.removesuffix(".deleted") not in lost or each.kind not in ("rename", "unlink")
    ]


@pytest.mark.parametrize(
    ("loss", "names_lost"), [(Loss.NOTHING, False), (Loss.NOTHING, True), (Loss.ZEROS, True), (Loss.MISSING, True)]
)
def test_no_crash_brings_deleted_records_back_or_takes_others(
    life: Life, tmp_path: Path, loss: Loss, names_lost: bool
) -> None:
    created = next(index for index, operation in enumerate(life.story) if operation.path.endswith("partition.metadata"))
    for count in range(created + 3, len(life.story) + 1):
        directory = tmp_path / str(count)
        story = without_names(life.story[:count], count) if names_lost else life.story[:count]
        write_files(files_after(story, len(story), loss=loss), life.directory, directory)
        manager = manage(directory, Filesystem())
        manager.load(EXPECTED, lambda topic: CONFIG)
        log = manager.get("orders", 0)
        if log is None:
            assert loss is not Loss.NOTHING
            assert not latest(life.flushed, count), "the file that names its topic is on disk with the first flush"
            continue
        assert latest(life.acknowledged, count) <= log.log_start_offset <= latest(life.moved, count)
        kept = life.batches[log.log_start_offset : log.log_end_offset]
        assert read_all(log) == [read_header(batch) for batch in kept]
        appended = sum(made <= count for made in life.appended)
        least = appended if loss is Loss.NOTHING else max(latest(life.flushed, count), log.log_start_offset)
        assert least <= log.log_end_offset <= max(appended + 1, log.log_start_offset)
        assert log.append(batch_of(), 9, NOW_MS).base_offset == log.log_end_offset - 1
        manager.close(clean=False)
