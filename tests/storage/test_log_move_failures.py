"""Moves of logs whose disks fail, are full, or are taken offline by others meanwhile."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ErrorCode, KafkaError
from storage.log_move import TargetError

from .log_support import FailingFilesystem, broken, no_descriptor, no_space
from .move_support import CONFIG, KEY, ORDERS, MovedLog, carry_out, facts, steps, take_to


class Failing(MovedLog):
    """A moved log on disks that fail when a test says so."""

    def __init__(self, path: Path) -> None:
        self.filesystem = FailingFilesystem()
        super().__init__(path, self.filesystem)

    def fail(self, call: str, error: Callable[..., OSError], *, within: Path) -> None:
        """Has a call of the filesystem fail for what is in that directory, by path or by descriptor."""

        def rule(first: Any, *_: Any) -> OSError | None:
            path = first if isinstance(first, str) else _path_of(first)
            return error() if path.startswith(str(within)) else None

        self.filesystem.fail[call] = rule


def _path_of(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[Failing]:
    moved = Failing(tmp_path)
    moved.append(20)
    yield moved
    moved.filesystem.fail.clear()
    moved.manager.close(clean=False)


CALLS = ["create", "pwrite", "fsync"]


def test_a_shortage_of_descriptors_ends_the_move_alone(moved: Failing) -> None:
    expected = facts(moved.log)
    move = moved.begin()
    moved.manager.moves.fail(move, no_descriptor())
    assert move.is_cancelled
    assert moved.manager.online_directories == [str(moved.a), str(moved.b)]
    moved.remove_deleted()
    assert moved.names == ({"orders-0"}, set())
    assert facts(moved.log) == expected
    moved.append()
    moved.move()
    assert moved.names[1] == {"orders-0"}


class TestTheTarget:
    @pytest.mark.parametrize("call", [*CALLS, "fsync_directory"])
    def test_a_full_disk_ends_the_move_alone(self, moved: Failing, call: str) -> None:
        expected = facts(moved.log)
        move = moved.begin()
        moved.fail(call, no_space, within=moved.b)
        with pytest.raises(TargetError) as caught:
            carry_out(moved.manager, move)
        moved.filesystem.fail.clear()
        assert caught.value.error.errno == errno.ENOSPC
        moved.manager.moves.fail(move, caught.value)
        assert move.is_cancelled
        assert moved.manager.online_directories == [str(moved.a), str(moved.b)]
        moved.remove_deleted()
        assert moved.names == ({"orders-0"}, set())
        assert facts(moved.log) == expected
        moved.append()
        moved.move()
        assert moved.names[1] == {"orders-0"}

    @pytest.mark.parametrize("call", [*CALLS, "fsync_directory", "rename"])
    def test_a_failing_disk_takes_its_directory_offline(self, moved: Failing, call: str) -> None:
        expected = facts(moved.log)
        move = moved.begin()
        moved.fail(call, broken, within=moved.b)
        with pytest.raises(TargetError) as caught:
            carry_out(moved.manager, move)
        moved.manager.moves.fail(move, caught.value)
        moved.filesystem.fail.clear()
        assert moved.manager.online_directories == [str(moved.a)]
        assert moved.manager.moves.moves == []
        assert moved.offline == []
        moved.append()
        assert facts(moved.log)["headers"][:-1] == expected["headers"]
        with pytest.raises(KafkaError) as refused:
            moved.begin()
        assert refused.value.code == ErrorCode.KAFKA_STORAGE_ERROR

    @pytest.mark.parametrize("call", ["create", "pwrite"])
    def test_it_fails_as_the_log_is_about_to_go_on_with_the_copy(self, moved: Failing, call: str) -> None:
        move = moved.begin()
        taking = steps(moved.manager, move)
        take_to(taking, "rest")
        moved.append(records=1)
        expected = facts(moved.log)
        moved.fail(call, broken, within=moved.b)
        with pytest.raises(TargetError) as caught:
            next(taking)
        moved.manager.moves.fail(move, caught.value)
        moved.filesystem.fail.clear()
        assert moved.log.directory == str(moved.a / "orders-0")
        assert facts(moved.log) == expected
        assert moved.offline == []

    @pytest.mark.parametrize("error", [broken, no_space])
    @pytest.mark.parametrize("call", ["mkdir", "create"])
    def test_nothing_is_left_of_a_move_that_cannot_be_begun(
        self, moved: Failing, call: str, error: Callable[..., OSError]
    ) -> None:
        moved.fail(call, error, within=moved.b)
        with pytest.raises(OSError):
            moved.begin()
        moved.filesystem.fail.clear()
        assert moved.names == ({"orders-0"}, set())
        assert moved.manager.moves.moves == []
        assert (str(moved.b) in moved.manager.online_directories) == (error is no_space)

    def test_it_goes_offline_while_a_piece_is_copied(self, moved: Failing) -> None:
        move = moved.begin()
        taking = steps(moved.manager, move)
        take_to(taking, "begun")
        moved.manager.take_offline(moved.manager.directories[1], broken())
        assert move.is_cancelled
        assert list(taking) == ["copied"]
        moved.manager.moves.fail(move, TargetError(broken()))  # what its thread met comes after that
        assert moved.manager.online_directories == [str(moved.a)]
        # The next start sees to what is left there.
        assert moved.names[1] == {"orders-0.*-future"}

    @pytest.mark.parametrize("error", [broken, no_space])
    def test_the_copy_cannot_be_given_the_name(self, moved: Failing, error: Callable[..., OSError]) -> None:
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "confirmed")
        moved.append()
        expected = facts(moved.log)
        moved.fail("rename", error, within=moved.b)
        take_to(taking, "finished")
        moved.filesystem.fail.clear()
        moved.remove_deleted()
        # It is by the name of the old directory that the next start knows which is the log.
        assert moved.names == ({"orders-0.*-delete"}, {"orders-0.*-future"})
        assert (moved.offline == [KEY]) == (error is broken)
        moved.restart()
        assert moved.names == ({"orders-0.*-delete"}, {"orders-0"})
        assert facts(moved.log) == expected

    def test_the_name_is_not_known_to_survive(self, moved: Failing) -> None:
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "renamed")
        moved.fail("fsync_directory", broken, within=moved.b)
        assert next(taking) == "finished"
        moved.filesystem.fail.clear()
        moved.remove_deleted()
        assert moved.names == ({"orders-0.*-delete"}, {"orders-0"})
        assert moved.offline == [KEY]


class TestTheSource:
    @pytest.mark.parametrize("call", ["pread", "open"])
    def test_it_cannot_be_read(self, moved: Failing, call: str) -> None:
        moved.log.close_files()
        move = moved.begin()
        moved.fail(call, broken, within=moved.a)
        with pytest.raises(OSError) as caught:
            carry_out(moved.manager, move)
        assert not isinstance(caught.value, TargetError)
        moved.manager.moves.fail(move, caught.value)
        moved.filesystem.fail.clear()
        assert moved.manager.online_directories == [str(moved.b)]
        assert moved.offline == [KEY]
        assert move.is_cancelled
        # Its records may be all that is left of the log.
        assert moved.names == ({"orders-0"}, {"orders-0.*-future"})

    def test_it_ends_before_it_should(self, moved: Failing) -> None:
        moved.log.segments[0].size_bytes += 100
        with pytest.raises(OSError) as caught:
            carry_out(moved.manager, moved.begin())
        assert caught.value.errno == errno.EIO

    def test_it_ends_before_it_should_as_the_log_is_about_to_go_on_with_the_copy(self, moved: Failing) -> None:
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "rest")
        moved.log.segments[-1].size_bytes += 100
        with pytest.raises(OSError, match="shorter"):
            next(taking)
        assert moved.log.directory == str(moved.a / "orders-0")

    def test_its_directory_cannot_be_renamed(self, moved: Failing) -> None:
        move = moved.begin()
        taking = steps(moved.manager, move)
        take_to(taking, "rest")
        moved.fail("rename", broken, within=moved.a)
        with pytest.raises(OSError) as caught:
            next(taking)
        moved.filesystem.fail.clear()
        assert moved.log.directory == str(moved.a / "orders-0")
        moved.manager.moves.fail(move, caught.value)
        assert moved.offline == [KEY]
        moved.restart()
        assert facts(moved.log)["end"] == 40
        assert moved.log.directory == str(moved.a / "orders-0")

    def test_a_file_that_is_being_sent_cannot_be_opened(self, moved: Failing) -> None:
        span = moved.log.read(0, 1 << 20, max_offset=40, min_one_message=True)
        assert span is not None
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "rest")
        moved.manager._descriptors.close_all()
        moved.fail("open", broken, within=moved.a)
        with pytest.raises(OSError):
            next(taking)
        moved.filesystem.fail.clear()
        assert moved.log.directory == str(moved.a / "orders-0")
        assert moved.names == ({"orders-0"}, {"orders-0.*-future"})
        assert span.read() != b""
        span.release()

    def test_its_new_name_is_not_known_to_survive(self, moved: Failing) -> None:
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "committed")
        moved.fail("fsync_directory", broken, within=moved.a)
        take_to(taking, "finished")
        moved.filesystem.fail.clear()
        moved.append()
        assert moved.manager.online_directories == [str(moved.b)]
        assert moved.offline == []  # the log is in the other one
        assert moved.log.directory == str(moved.b / "orders-0")
        expected = facts(moved.log)
        moved.restart()
        assert facts(moved.log) == expected

    def test_it_goes_offline_while_a_piece_is_copied(self, moved: Failing) -> None:
        move = moved.begin()
        taking = steps(moved.manager, move)
        take_to(taking, "begun")
        moved.manager.take_offline(moved.manager.directories[0], broken())
        assert list(taking) == ["copied"]
        assert moved.manager.moves.moves == []
        assert moved.names[1] == {"orders-0.*-future"}


def test_a_move_of_a_log_that_was_deleted_cannot_be_begun(moved: Failing) -> None:
    target = moved.manager.moves.directory(str(moved.b))
    moved.filesystem.fail["mkdir"] = lambda path: moved.manager.delete(*KEY, ORDERS)
    with pytest.raises(OSError, match="cannot be moved"):
        moved.manager.moves.begin(moved.log, target)
    moved.filesystem.fail.clear()
    assert moved.names == ({"orders-0.*-delete"}, set())


def test_a_log_has_one_move_at_a_time(moved: Failing) -> None:
    move = moved.begin()
    with pytest.raises(OSError, match="cannot be moved"):
        moved.begin()
    assert moved.manager.moves.moves == [move]
    assert moved.names[1] == {"orders-0.*-future"}


class TestDirectories:
    def test_they_go_by_their_path_to_the_letter(self, moved: Failing) -> None:
        moves = moved.manager.moves
        assert moves.directory(str(moved.a)).path == str(moved.a)
        for path in ("", "a", str(moved.a) + "/", f"{moved.b}/../a", str(moved.a.parent), "/"):
            with pytest.raises(KafkaError) as caught:
                moves.directory(path)
            assert caught.value.code == ErrorCode.LOG_DIR_NOT_FOUND

    def test_one_that_is_offline(self, moved: Failing) -> None:
        moved.manager.take_offline(moved.manager.directories[1], broken())
        with pytest.raises(KafkaError) as caught:
            moved.manager.moves.directory(str(moved.b))
        assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR

    def test_one_that_was_offline_at_the_start(self, tmp_path: Path) -> None:
        moved = Failing(tmp_path)
        moved.fail("lock", broken, within=moved.b)
        moved.restart()
        with pytest.raises(KafkaError) as caught:
            moved.manager.moves.directory(str(moved.b))
        assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
        moved.manager.close(clean=False)


class TestPreferences:
    def test_new_logs_are_made_where_they_are_wanted(self, moved: Failing) -> None:
        for partition in range(5):
            moved.manager.moves.prefer(("new", partition), str(moved.a))
        moved.manager.moves.prefer(("new", 4), str(moved.b))
        for partition in range(5):
            moved.manager.create("new", partition, ORDERS, CONFIG)
        assert moved.names[0] == {"orders-0", "new-0", "new-1", "new-2", "new-3"}
        assert moved.names[1] == {"new-4"}

    def test_they_hold_once(self, moved: Failing) -> None:
        moved.manager.moves.prefer(("new", 0), str(moved.a))
        moved.manager.create("new", 0, ORDERS, CONFIG)
        moved.manager.delete("new", 0, ORDERS)
        moved.manager.create("new", 0, ORDERS, CONFIG)
        assert "new-0" in moved.names[1]

    def test_they_do_not_hold_where_that_directory_has_failed(self, moved: Failing) -> None:
        moved.manager.moves.prefer(("new", 0), str(moved.b))
        moved.manager.take_offline(moved.manager.directories[1], broken())
        moved.manager.create("new", 0, ORDERS, CONFIG)
        assert "new-0" in moved.names[0]

    def test_the_oldest_are_forgotten_where_they_are_too_many(
        self, moved: Failing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("storage.log_moves._PREFERENCES_MAX", 2)
        for partition in (0, 1, 0, 2):
            moved.manager.moves.prefer(("new", partition), str(moved.a))
        for partition in range(3):
            moved.manager.create("new", partition, ORDERS, CONFIG)
        assert moved.names == ({"orders-0", "new-0", "new-2"}, {"new-1"})

    def test_copies_count_as_logs(self, moved: Failing) -> None:
        moved.begin()
        for partition in range(2):
            moved.manager.create("new", partition, ORDERS, CONFIG)
        assert moved.names == ({"orders-0", "new-0"}, {"orders-0.*-future", "new-1"})
