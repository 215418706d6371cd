"""What recovery cuts, case by case, and what it says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.record_batch import read_header
from storage.descriptors import DescriptorCache
from storage.filesystem import Filesystem
from storage.leader_epochs import EpochStart
from storage.log import Log
from storage.log_config import LogConfig
from storage.recovery import Cut, recover

from .log_support import NOW_MS, FailingFilesystem, batch_of, broken, create_log, read_all
from .test_crash import open_recovered
from .test_producer_state import header

EPOCHS = (0, 0, 1, 1, 2)
FIRST_SEGMENT = "00000000000000000000"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Five batches of two records each, in epochs 0, 0, 1, 1, 2, in one segment of an unclosed log."""
    log = create_log(str(tmp_path / "orders-0"))
    for epoch in EPOCHS:
        log.append(batch_of([b"a" * 50, b"b" * 50]), epoch, NOW_MS)
    log.close_files()
    return tmp_path / "orders-0"


def positions(directory: Path) -> list[int]:
    """Where each batch of the first segment starts, and where the last one ends."""
    data = (directory / f"{FIRST_SEGMENT}.log").read_bytes()
    found = [0]
    while found[-1] < len(data):
        found.append(found[-1] + read_header(data, found[-1]).size_bytes)
    return found


def recovered_cut(directory: Path, recovery_point: int = 0) -> tuple[Log, Cut]:
    log, cut = open_recovered(directory, recovery_point)
    assert cut is not None
    return log, cut


def patch(directory: Path, position: int, data: bytes) -> None:
    with (directory / f"{FIRST_SEGMENT}.log").open("r+b") as file:
        file.seek(position)
        file.write(data)


@pytest.mark.parametrize(
    ("at", "data", "reason"),
    [
        (70, b"\xff", "wrong CRC"),
        (16, b"\x09", "magic 9"),
        (8, b"\0\0\0\x05", "length 5"),
        (8, b"\x7f\xff\xff\xff", "bytes has"),
        (8, b"\xff\xff\xff\xff", "length -1"),
        (0, b"\0\0\0\0\0\0\0\x01", "offset 1, before 6"),
        (0, b"\x7f" + b"\xff" * 7, "impossible"),
        (12, b"\0\0\0\0", "leader epoch 0, after 1"),
    ],
)
def test_the_first_bad_batch_ends_the_log(directory: Path, at: int, data: bytes, reason: str) -> None:
    starts = positions(directory)
    patch(directory, starts[3] + at, data)
    log, cut = recovered_cut(directory)
    assert (cut.end_offset, cut.position, cut.bytes_cut) == (6, starts[3], starts[5] - starts[3])
    assert reason in cut.reason
    assert log.log_end_offset == 6
    assert (directory / f"{FIRST_SEGMENT}.log").stat().st_size == starts[3]
    assert [batch.base_offset for batch in read_all(log)] == [0, 2, 4]
    assert log.leader_epochs.entries == (EpochStart(0, 0), EpochStart(1, 4))


def test_a_cut_says_where_and_how_much() -> None:
    cut = Cut(end_offset=6, position=100, bytes_cut=50, segments_removed=2, reason="wrong CRC")
    assert str(cut) == "cut 50 bytes and 2 later segments from offset 6 (byte 100) on: wrong CRC"


def test_batches_before_the_recovery_points_segment_are_not_read(tmp_path: Path) -> None:
    directory = tmp_path / "orders-0"
    log = create_log(str(directory), LogConfig(segment_bytes=300))
    for _ in range(6):
        log.append(batch_of([b"a" * 150]), 0, NOW_MS)
    log.close_files()
    patch(directory, 100, b"\xff")
    log, cut = open_recovered(directory, 3)
    assert cut is None
    log.close_files()
    _, cut = recovered_cut(directory, 0)
    assert (cut.end_offset, cut.segments_removed) == (0, 5)


def test_a_gap_below_the_recovery_point_is_compactions_work(tmp_path: Path) -> None:
    directory = tmp_path / "orders-0"
    log = create_log(str(directory), LogConfig(segment_bytes=300))
    for _ in range(4):
        log.append(batch_of([b"a" * 150]), 0, NOW_MS)
    log.close_files()
    for path in directory.glob("00000000000000000001.*"):
        path.unlink()
    (directory / "leader-epoch-checkpoint").write_bytes(b"")
    log, cut = open_recovered(directory, 3)
    assert cut is None
    assert [batch.base_offset for batch in read_all(log)] == [0, 2, 3]
    log.close_files()
    _, cut = recovered_cut(directory, 1)
    assert cut.end_offset == 1


def test_a_batch_larger_than_what_is_read_at_once(tmp_path: Path) -> None:
    config = LogConfig(max_message_bytes=1 << 24)
    log = create_log(str(tmp_path / "orders-0"), config)
    for size_bytes in (100, 3 << 20, 900_000, 200_000, 5 << 20, 1):
        log.append(batch_of([b"x" * size_bytes]), 0, NOW_MS)
    log.close_files()
    log, cut = open_recovered(tmp_path / "orders-0", 0)
    assert cut is None
    assert log.log_end_offset == 6
    log.close_files()
    starts = positions(tmp_path / "orders-0")
    patch(tmp_path / "orders-0", starts[5] - 1, b"\xff")
    _, cut = recovered_cut(tmp_path / "orders-0")
    assert (cut.end_offset, cut.bytes_cut) == (4, starts[6] - starts[4])


def test_damaged_epochs_are_read_from_the_whole_log(directory: Path) -> None:
    (directory / "leader-epoch-checkpoint").write_bytes(b"\0\0\0\0")
    log, cut = open_recovered(directory, 10)
    assert cut is None
    assert log.leader_epochs.entries == (EpochStart(0, 0), EpochStart(1, 4), EpochStart(2, 8))
    assert (directory / "leader-epoch-checkpoint").read_bytes() == b"0\n3\n0 0\n1 4\n2 8\n"


def test_offsets_that_were_deleted_are_not_given_out_again(directory: Path) -> None:
    """The log start was moved to 9 and written down; then the end of the log was lost."""
    patch(directory, positions(directory)[2], b"\xff" * 30)
    filesystem = Filesystem()
    descriptors = DescriptorCache(filesystem)
    cuts: list[Cut | None] = []
    log = Log.open(
        str(directory),
        "orders",
        0,
        LogConfig(),
        filesystem,
        now_ms=NOW_MS,
        descriptors=descriptors,
        log_start_offset=9,
        recovery_point=0,
        recover=lambda log: cuts.append(recover(log, 0, descriptors, NOW_MS)[0]),
    )
    assert cuts[0] is not None
    assert cuts[0].end_offset == 9
    assert (log.log_start_offset, log.log_end_offset, log.leader_epochs.latest) == (9, 9, -1)
    assert log.append(batch_of(), 4, NOW_MS).base_offset == 9
    log.close()
    reopened = Log.open(str(directory), "orders", 0, LogConfig(), filesystem, now_ms=NOW_MS, log_start_offset=9)
    assert (reopened.log_start_offset, reopened.log_end_offset) == (9, 10)


def test_a_disk_that_cannot_be_read_is_not_taken_for_a_torn_log(directory: Path) -> None:
    filesystem = FailingFilesystem()
    filesystem.fail["pread"] = broken
    before = (directory / f"{FIRST_SEGMENT}.log").read_bytes()
    with pytest.raises(OSError, match="Input/output"):
        open_recovered(directory, 0, filesystem)
    assert (directory / f"{FIRST_SEGMENT}.log").read_bytes() == before


def test_the_five_batches_in_flight_are_known_after_any_crash(tmp_path: Path) -> None:
    """Kafka's snapshot keeps one batch of a producer; a roll between the five would make Kafka forget the others."""
    directory = tmp_path / "orders-0"
    log = create_log(str(directory), LogConfig(segment_bytes=600))
    for sequence in range(9):
        log.append(batch_of([b"a" * 100], producer_id=7, producer_epoch=0, base_sequence=sequence), 0, NOW_MS)
    last_base = log.segments[-1].base_offset
    assert last_base > 5
    log.close_files()
    log, _ = open_recovered(directory, last_base)
    for sequence in range(4, 9):
        duplicate = log.producers.check(header(sequence))
        assert duplicate is not None
        assert duplicate.base_offset == sequence


def test_snapshots_are_made_again_for_every_segment(tmp_path: Path) -> None:
    directory = tmp_path / "orders-0"
    log = create_log(str(directory), LogConfig(segment_bytes=300))
    for sequence in range(4):
        log.append(batch_of([b"a" * 150], producer_id=7, producer_epoch=0, base_sequence=sequence), 0, NOW_MS)
    log.close_files()
    before = {path.name: path.read_bytes() for path in directory.glob("*.snapshot")}
    assert len(before) == 3
    for path in directory.glob("*.snapshot"):
        path.unlink()
    log, _ = open_recovered(directory, 0)
    after = {path.name: path.read_bytes() for path in directory.glob("*.snapshot")}
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"00000000000000000004.snapshot"}
