"""What a start does with the copies of logs that were being moved when the broker ended."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.directory_names import FutureName
from storage.log_directory_error import LogDirectoryError

from .log_support import FailingFilesystem, broken
from .move_support import KEY, MovedLog, carry_out, facts, steps, take_to

UNCOMMITTED = ["begun", "copied", "small files", "prepared", "rest"]
COMMITTED = ["committed", "confirmed", "renamed", "finished"]


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[MovedLog]:
    moved = MovedLog(tmp_path, FailingFilesystem())
    moved.append(20)
    yield moved
    moved.manager.close(clean=False)


def copy_of(moved: MovedLog) -> Path:
    (directory,) = moved.b.glob("*-future")
    return directory


def copied_bytes(moved: MovedLog) -> int:
    """How many bytes of the segments are still to be copied; copies them."""
    (move,) = moved.manager.moves.moves
    before = move.size_bytes
    carry_out(moved.manager, move)
    return moved.log.size_bytes - before


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("step", UNCOMMITTED)
def test_a_move_goes_on(moved: MovedLog, step: str, clean: bool) -> None:
    taking = steps(moved.manager, moved.begin())
    take_to(taking, step)
    expected = facts(moved.log)
    taking.close()
    moved.restart(clean=clean)
    assert facts(moved.log) == expected
    assert moved.log.directory == str(moved.a / "orders-0")
    (move,) = moved.manager.moves.moves
    assert (move.key, move.log_directory) == (KEY, str(moved.b))
    moved.append(3, epoch=1)
    expected = facts(moved.log)
    carry_out(moved.manager, move)
    assert facts(moved.log) == expected
    assert moved.names == ({"orders-0.*-delete"}, {"orders-0"})
    moved.restart(clean=clean)
    assert facts(moved.log) == expected


@pytest.mark.parametrize("step", COMMITTED)
def test_the_copy_is_the_log_from_the_rename_on(moved: MovedLog, step: str) -> None:
    taking = steps(moved.manager, moved.begin())
    take_to(taking, step)
    moved.append(5, epoch=2)
    expected = facts(moved.log)
    moved.restart()
    assert facts(moved.log) == expected
    assert moved.log.directory == str(moved.b / "orders-0")
    assert moved.manager.moves.moves == []
    moved.remove_deleted()
    assert moved.names == (set(), {"orders-0"})


def test_segments_that_were_copied_whole_are_not_copied_again(moved: MovedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.log_move._UNSYNCED_BYTES_MAX", 1)
    moved.log.flush()
    taking = steps(moved.manager, moved.begin(), piece_bytes=moved.log.size_bytes * 2 // 3)
    take_to(taking, "copied")
    moved.restart(clean=True)
    (move,) = moved.manager.moves.moves
    assert 0 < move.size_bytes < moved.log.size_bytes
    first, second = moved.log.segments[:2]
    assert copied_bytes(moved) == moved.log.size_bytes - first.size_bytes - second.size_bytes


def test_what_is_not_known_to_be_durable_is_copied_again(moved: MovedLog) -> None:
    moved.log.flush()
    moved.manager.checkpoint()
    taking = steps(moved.manager, moved.begin())
    take_to(taking, "rest")
    copied = copy_of(moved)
    spoiled = sorted(copied.glob("*.log"))[1]
    spoiled.write_bytes(bytes(spoiled.stat().st_size))
    # No checkpoint was written since: as far as is known, no byte is on disk.
    (moved.b / "recovery-point-offset-checkpoint").write_bytes(b"0\n0\n")
    expected = facts(moved.log)
    moved.restart()
    carry_out(moved.manager, moved.manager.moves.moves[0])
    assert facts(moved.log) == expected


def test_segments_of_another_size_are_copied_again(moved: MovedLog) -> None:
    moved.log.flush()
    moved.manager.checkpoint()
    taking = steps(moved.manager, moved.begin())
    take_to(taking, "prepared")
    copied = copy_of(moved)
    expected = facts(moved.log)
    for suffix in ("log", "index", "timeindex"):
        path = sorted(copied.glob(f"*.{suffix}"))[1]
        path.write_bytes(path.read_bytes() + b"more")
        moved.restart()
        (move,) = moved.manager.moves.moves
        assert move.recovery_point == moved.log.segments[1].base_offset
    (copied / f"{77:020}.log").write_bytes(b"of no segment that there is")
    carry_out(moved.manager, move)
    assert facts(moved.log) == expected
    moved.restart(clean=True)
    assert facts(moved.log) == expected


def test_the_copy_of_a_deleted_topic_is_removed(moved: MovedLog) -> None:
    take_to(steps(moved.manager, moved.begin()), "copied")
    moved.restart(expected={})
    assert moved.manager.moves.moves == []
    assert moved.names == ({"orders-0.*-stray"}, {"orders-0.*-delete"})
    moved.remove_deleted()
    assert moved.names == ({"orders-0.*-stray"}, set())


@pytest.mark.parametrize("metadata", [b"", b"version: 0\ntopic_id: cHBwcHBwcHBwcHBwcHBwcA"])
def test_the_copy_of_another_topic_of_the_name_is_removed(moved: MovedLog, metadata: bytes) -> None:
    take_to(steps(moved.manager, moved.begin()), "copied")
    (copy_of(moved) / "partition.metadata").write_bytes(metadata)
    moved.restart()
    moved.remove_deleted()
    assert moved.names == ({"orders-0"}, set())
    assert facts(moved.log)["end"] == 40


def test_a_second_copy_is_removed(moved: MovedLog) -> None:
    take_to(steps(moved.manager, moved.begin()), "copied")
    copied = copy_of(moved)
    shutil.copytree(copied, moved.b / str(FutureName(KEY, "f" * 32)))
    shutil.copytree(copied, moved.a / str(FutureName(KEY, "e" * 32)))  # beside the log itself
    moved.restart()
    assert len(moved.manager.moves.moves) == 1
    moved.remove_deleted()
    assert moved.names == ({"orders-0"}, {"orders-0.*-future"})


def test_the_copy_of_a_log_that_is_gone_is_set_aside(moved: MovedLog, caplog: pytest.LogCaptureFixture) -> None:
    take_to(steps(moved.manager, moved.begin()), "copied")
    moved.manager.close(clean=False)
    shutil.rmtree(moved.a / "orders-0")
    with caplog.at_level(logging.WARNING):
        moved.start()
    assert moved.manager.get(*KEY) is None
    assert moved.names == (set(), {"orders-0.*-stray"})
    assert "is the copy of a log that is gone" in caplog.text


def test_it_is_left_alone_while_its_log_may_come_back(moved: MovedLog, caplog: pytest.LogCaptureFixture) -> None:
    filesystem = moved._filesystem
    assert isinstance(filesystem, FailingFilesystem)
    take_to(steps(moved.manager, moved.begin()), "copied")
    expected = facts(moved.log)
    filesystem.fail["lock"] = lambda path: broken() if path.startswith(str(moved.a)) else None
    with caplog.at_level(logging.WARNING):
        moved.restart()
    assert moved.manager.get(*KEY) is None
    assert moved.names[1] == {"orders-0.*-future"}
    assert "is kept" in caplog.text
    filesystem.fail.clear()
    moved.restart()
    assert facts(moved.log) == expected
    assert len(moved.manager.moves.moves) == 1


@pytest.mark.parametrize("call", ["lock", "list_directories"])
def test_what_decides_is_kept_while_the_copy_may_come_back(moved: MovedLog, call: str) -> None:
    filesystem = moved._filesystem
    assert isinstance(filesystem, FailingFilesystem)
    take_to(steps(moved.manager, moved.begin()), "confirmed")
    expected = facts(moved.log)
    filesystem.fail[call] = lambda path: broken() if path.startswith(str(moved.b)) else None
    moved.restart()
    assert moved.manager.get(*KEY) is None
    assert KEY in moved.manager.offline_partitions
    moved.remove_deleted()
    assert moved.names[0] == {"orders-0.*-delete"}
    filesystem.fail.clear()
    moved.restart()
    assert facts(moved.log) == expected
    assert moved.log.directory == str(moved.b / "orders-0")


def test_a_copy_that_cannot_be_renamed_takes_its_directory_offline(moved: MovedLog) -> None:
    filesystem = moved._filesystem
    assert isinstance(filesystem, FailingFilesystem)
    take_to(steps(moved.manager, moved.begin()), "confirmed")
    expected = facts(moved.log)
    moved.manager.close(clean=False)
    filesystem.fail["rename"] = lambda source, target: broken() if source.endswith("-future") else None
    moved.start()
    assert moved.manager.online_directories == [str(moved.a)]
    moved.remove_deleted()
    filesystem.fail.clear()
    moved.restart()
    assert facts(moved.log) == expected


def test_whatever_else_has_the_name_is_set_aside(moved: MovedLog) -> None:
    take_to(steps(moved.manager, moved.begin()), "confirmed")
    expected = facts(moved.log)
    moved.manager.close(clean=False)
    (moved.b / "orders-0").mkdir()
    moved.start()
    assert facts(moved.log) == expected
    assert moved.names[1] == {"orders-0", "orders-0.*-stray"}


def test_a_log_in_both_directories_is_no_leftover_of_a_move(moved: MovedLog) -> None:
    moved.manager.close(clean=False)
    shutil.copytree(moved.a / "orders-0", moved.b / "orders-0")
    with pytest.raises(LogDirectoryError, match="in two log directories"):
        moved.start()
    shutil.rmtree(moved.b / "orders-0")
    moved.start()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("orders-0." + "a" * 32 + "-future", (("orders", 0), "a" * 32)),
        ("a.b-c-12." + "0" * 32 + "-future", (("a.b-c", 12), "0" * 32)),
        ("orders-0." + "a" * 31 + "-future", None),
        ("orders-0." + "A" * 32 + "-future", None),
        ("orders-00." + "a" * 32 + "-future", None),
        ("orders-0." + "a" * 32 + "-delete", None),
        ("orders-0." + "a" * 32 + "-future-0", None),
        ("orders-0", None),
    ],
)
def test_names_of_copies(name: str, expected: tuple[tuple[str, int], str] | None) -> None:
    from storage.directory_names import parse_directory_name, parse_future_name

    assert parse_future_name(name) == expected
    if expected is not None:
        assert parse_directory_name(name) is None
        assert str(FutureName(*expected)) == name


def test_names_that_are_too_long() -> None:
    assert not FutureName(("x" * 213, 0), "a" * 32).is_too_long
    assert FutureName(("x" * 214, 0), "a" * 32).is_too_long
    assert len(str(FutureName(("x" * 213, 0), "a" * 32))) == 255
