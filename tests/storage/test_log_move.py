"""Moves of logs between log directories while they are written and read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from protocol.record_batch import BatchHeader
from storage.log_config import LogConfig
from storage.log_move import REST_BYTES_MAX, TargetError

from .log_support import NOW_MS, batch_of, read_all
from .move_support import CONFIG, KEY, ORDERS, MovedLog, copy, facts, steps, take_to


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[MovedLog]:
    moved = MovedLog(tmp_path)
    yield moved
    moved.manager.close(clean=False)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def copied_segments(moved: MovedLog) -> list[int]:
    """Base offsets of the segments that have a file in the copy."""
    (copy_directory,) = moved.b.glob("*-future")
    return sorted(int(path.stem) for path in copy_directory.glob("*.log"))


class TestTheLog:
    def test_it_is_the_same_in_another_directory(self, moved: MovedLog) -> None:
        moved.append(10)
        moved.append(10, epoch=3)
        log, before = moved.log, facts(moved.log)
        assert len(log.segments) >= 5
        moved.move()
        assert moved.manager.get(*KEY) is log
        assert log.directory == str(moved.b / "orders-0")
        assert facts(log) == before
        assert moved.names == ({"orders-0.*-delete"}, {"orders-0"})
        assert moved.manager.moves.moves == []
        assert moved.offline == []

    def test_its_files_are_the_same_bytes(self, moved: MovedLog) -> None:
        moved.append(10)
        moved.append(10, epoch=3)
        moved.log.flush()
        before = files(moved.a / "orders-0")
        assert {name.partition(".")[2] for name in before} == {"log", "index", "timeindex", "snapshot", "metadata", ""}
        moved.move()
        assert files(moved.b / "orders-0") == before

    @pytest.mark.parametrize("clean", [False, True])
    def test_it_goes_on_there_and_back(self, moved: MovedLog, clean: bool) -> None:
        moved.append(5)
        moved.move()
        moved.append(15, epoch=4)
        expected = facts(moved.log)
        moved.restart(clean=clean)
        assert facts(moved.log) == expected
        assert moved.log.directory == str(moved.b / "orders-0")
        moved.append()
        moved.move(moved.a)
        assert moved.log.directory == str(moved.a / "orders-0")
        moved.append(5)
        expected = facts(moved.log)
        moved.restart(clean=clean)
        assert facts(moved.log) == expected

    def test_an_empty_log(self, moved: MovedLog) -> None:
        moved.move()
        assert moved.names == ({"orders-0.*-delete"}, {"orders-0"})
        moved.append(3)
        moved.restart()
        assert len(read_all(moved.log)) == 3

    def test_one_piece_is_enough_for_many_small_segments(self, moved: MovedLog) -> None:
        moved.append(20)
        assert moved.move(piece_bytes=1 << 20).count("copied") == 1

    def test_it_is_written_between_any_two_steps(self, moved: MovedLog) -> None:
        moved.append(6)
        epochs = iter(range(1, 6))

        def write(step: str) -> None:
            if moved.log.log_end_offset < 150:
                epoch = next(epochs, 5) if step == "copied" else moved.log.leader_epochs.latest
                moved.append(epoch=epoch, records=3)

        moved.move(between=write)
        expected = facts(moved.log)
        headers: list[BatchHeader] = expected["headers"]
        assert [header.base_offset for header in headers] == [0, *(header.next_offset for header in headers[:-1])]
        assert headers[-1].next_offset == moved.log.log_end_offset > 40
        moved.restart()
        assert facts(moved.log) == expected

    def test_its_last_records_are_copied_as_it_goes_on_with_the_copy(self, moved: MovedLog) -> None:
        moved.append(2)
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "rest")
        moved.append(1, records=1)
        expected = facts(moved.log)
        assert next(taking) == "committed"
        assert facts(moved.log) == expected

    def test_segments_that_are_begun_meanwhile_are_copied_with_the_last_records(self, moved: MovedLog) -> None:
        moved.append(4)
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "rest")
        segments = len(moved.log.segments)
        moved.append(12)
        assert len(moved.log.segments) >= segments + 2
        expected = facts(moved.log)
        assert next(taking) == "committed"
        assert facts(moved.log) == expected
        assert all(index.unsynced for segment in moved.log.segments[1:] for index in segment.indexes if index.is_made)
        moved.append()
        moved.log.flush()
        expected = facts(moved.log)
        take_to(taking, "finished")
        moved.restart(clean=True)
        assert facts(moved.log) == expected

    def test_many_files_may_be_missing_in_the_end(self, moved: MovedLog) -> None:
        moved.append()
        taking = steps(moved.manager, moved.begin())
        for _ in range(3):
            take_to(taking, "rest")
            while 3 * len(moved.log.segments) < 200:
                moved.append(20)
            assert next(taking) == "not ready"
            moved.log.delete_records(moved.log.log_end_offset)
        take_to(taking, "rest")
        segments = len(moved.log.segments)
        while 3 * (len(moved.log.segments) - segments) < 100:  # more than are copied at a time
            moved.append()
        expected = facts(moved.log)
        assert next(taking) == "committed"
        assert facts(moved.log) == expected

    def test_too_many_last_records_are_copied_before(self, tmp_path: Path) -> None:
        moved = MovedLog(tmp_path)
        moved.log.config = LogConfig()
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "rest")
        while moved.log.size_bytes <= REST_BYTES_MAX:
            moved.log.append(batch_of([bytes(50_000)]), 0, NOW_MS)
        expected = read_all(moved.log)
        assert next(taking) == "not ready"
        take_to(taking, "finished")
        assert read_all(moved.log) == expected
        moved.manager.close(clean=False)

    def test_what_was_cut_is_copied_again(self, moved: MovedLog) -> None:
        moved.append(20)
        taking = steps(moved.manager, moved.begin())
        for _ in range(8):
            next(taking)
        moved.log.truncate_to(13)
        moved._sequence = 12
        moved.append(10, epoch=2)
        take_to(taking, "rest")
        moved.log.truncate_to(29)
        moved._sequence = 28
        assert next(taking) == "not ready"
        take_to(taking, "finished")
        assert [header.base_offset for header in read_all(moved.log)] == list(range(0, 28, 2))
        assert moved.log.leader_epochs.entries == ((0, 0), (2, 12))
        expected = facts(moved.log)
        moved.restart()
        assert facts(moved.log) == expected

    def test_a_piece_of_a_log_that_was_cut_meanwhile_counts_for_nothing(self, moved: MovedLog) -> None:
        moved.append(20)
        move = moved.begin()
        piece = move.begin(1 << 20)
        moved.log.truncate_to(13)
        copy(move, piece)
        assert (move.size_bytes, move.recovery_point) == (0, 0)

    def test_its_old_directory_is_removed_later(self, moved: MovedLog) -> None:
        moved.append()
        moved.move()
        assert moved.manager.remove_deleted() == 60_000
        moved.remove_deleted()
        assert moved.names == (set(), {"orders-0"})

    def test_other_files_of_a_segment_come_along(self, moved: MovedLog) -> None:
        moved.append(20)
        (moved.a / f"orders-0/{0:020}.txnindex").write_bytes(b"aborted")
        moved.move()
        assert (moved.b / f"orders-0/{0:020}.txnindex").read_bytes() == b"aborted"


class TestDurability:
    def test_what_is_durable_stays_so(self, moved: MovedLog) -> None:
        moved.append(20)
        moved.log.flush()
        moved.append(1, records=1)
        move = moved.begin()
        taking = steps(moved.manager, move)
        take_to(taking, "committed")
        assert moved.log.recovery_point == 41
        moved.manager.close(clean=False)
        report = moved.start()
        assert report.bytes_scanned <= moved.log.segments[-1].size_bytes
        assert moved.log.log_end_offset == 41

    def test_a_flush_under_way_holds_the_move_up(self, moved: MovedLog) -> None:
        moved.append(3)
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "rest")
        flush = moved.log.begin_flush()
        assert next(taking) == "not ready"
        flush.sync()
        moved.log.end_flush(flush)
        take_to(taking, "confirmed")
        moved.append()
        flush = moved.log.begin_flush()
        assert next(taking) == "not renamed"
        flush.sync()
        moved.log.end_flush(flush)
        assert next(taking) == "renamed"
        assert moved.log.recovery_point == moved.log.log_end_offset

    def test_a_flush_after_a_failed_one_is_not_waited_for(self, moved: MovedLog) -> None:
        moved.append(3)
        moved.log.begin_flush().release()
        assert "not ready" not in moved.move()

    def test_what_is_flushed_before_the_copy_has_it_holds_the_move_up(self, moved: MovedLog) -> None:
        moved.append(3)
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "prepared")
        moved.append()
        moved.log.flush()
        take_to(taking, "not ready")
        take_to(taking, "committed")
        assert moved.log.recovery_point >= 8

    def test_the_first_flush_after_it_syncs_what_it_has_renamed(
        self, moved: MovedLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[str] = []
        moved.append(3)
        moved.log.flush()
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "committed")
        moved.append(records=1)
        monkeypatch.setattr(moved.log.filesystem, "fsync_directory", synced.append)
        moved.log.flush()
        assert {str(moved.a), moved.log.directory} <= {*synced}
        moved.append()
        synced.clear()
        moved.log.flush()
        assert str(moved.a) not in synced

    def test_an_index_that_was_synced_is_synced_again_in_the_copy(self, moved: MovedLog) -> None:
        while len(moved.log.segments) == 1:
            size_bytes = moved.log.size_bytes
            moved.append()
        while moved.log.segments[-1].size_bytes < size_bytes:
            moved.append()
        moved.log.flush()
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "rest")
        moved.append()  # into a new segment: the index of the one before gets its last entry
        flush = moved.log.begin_flush(rolled_only=True)
        flush.sync()
        moved.log.end_flush(flush)
        finished = moved.log.segments[-2]
        assert not finished.has_unsynced_indexes
        assert next(taking) == "committed"
        assert finished.has_unsynced_indexes

    def test_where_it_starts_survives_a_crash(self, moved: MovedLog) -> None:
        moved.append(10)
        moved.manager.delete_segments({moved.log: moved.log.delete_records(7)})
        take_to(steps(moved.manager, moved.begin()), "committed")
        moved.restart()
        assert (moved.log.log_start_offset, moved.log.log_end_offset) == (7, 20)

    @pytest.mark.parametrize("step", ["begun", "copied", "small files", "prepared", "rest"])
    def test_records_that_are_deleted_meanwhile_do_not_come_back(self, moved: MovedLog, step: str) -> None:
        moved.append(20)
        taking = steps(moved.manager, moved.begin())
        take_to(taking, step)
        segments = moved.log.delete_records(moved.log.segments[2].base_offset + 1)
        start_offset = moved.log.log_start_offset
        assert moved.manager.delete_segments({moved.log: segments}) == {moved.log}
        take_to(taking, "committed")
        assert copied_segments(moved) == [segment.base_offset for segment in moved.log.segments]
        moved.restart()
        assert moved.log.log_start_offset == start_offset
        assert [path.name for path in moved.b.glob("orders-0/*.log")] != []
        assert min(int(path.stem) for path in moved.b.glob("orders-0/*.log")) == moved.log.segments[0].base_offset

    def test_records_that_are_deleted_as_the_copy_gets_its_name(self, moved: MovedLog) -> None:
        moved.append(20)
        taking = steps(moved.manager, moved.begin())
        take_to(taking, "confirmed")
        segments = moved.log.delete_records(25)
        assert segments
        assert next(taking) == "renamed"
        assert moved.manager.delete_segments({moved.log: segments}) == {moved.log}
        moved.restart()
        assert (moved.log.log_start_offset, moved.log.log_end_offset) == (25, 40)
        assert min(int(path.stem) for path in moved.b.glob("orders-0/*.log")) == moved.log.segments[0].base_offset

    def test_checkpoints_know_of_the_copy(self, moved: MovedLog) -> None:
        moved.append(10)
        moved.log.flush()
        moved.log.delete_records(3)
        move = moved.begin()
        moved.manager.checkpoint()
        checkpoint = moved.b / "recovery-point-offset-checkpoint"
        assert checkpoint.read_bytes() == b"0\n1\norders 0 0\n"
        taking = steps(moved.manager, move)
        take_to(taking, "prepared")
        assert checkpoint.read_bytes() == b"0\n1\norders 0 20\n"
        assert (moved.b / "log-start-offset-checkpoint").read_bytes() == b"0\n1\norders 0 3\n"
        take_to(taking, "finished")
        moved.manager.checkpoint()
        assert checkpoint.read_bytes() == b"0\n1\norders 0 20\n"
        assert (moved.a / "recovery-point-offset-checkpoint").read_bytes() == b"0\n0\n"

    def test_offsets_of_an_earlier_stay_are_forgotten(self, moved: MovedLog) -> None:
        moved.append(10)
        moved.log.flush()
        moved.manager.checkpoint()
        moved.move()
        moved.begin(moved.a)
        assert (moved.a / "recovery-point-offset-checkpoint").read_bytes() == b"0\n0\n"


class TestReaders:
    def test_what_is_being_sent_is_read_to_its_end(self, moved: MovedLog) -> None:
        moved.append(20)
        spans = []
        for header in read_all(moved.log):
            span = moved.log.read(header.base_offset, 1 << 20, max_offset=40, min_one_message=True)
            assert span is not None
            spans.append(span)
        contents = [span.read() for span in spans]
        moved.manager._descriptors.close_all()  # to be opened again where they are by now
        moved.move()
        moved.remove_deleted()
        assert moved.names == (set(), {"orders-0"})
        assert [span.read() for span in spans] == contents
        for span in spans:
            span.release()
        assert len(read_all(moved.log)) == 20

    def test_no_descriptor_is_left_open(self, moved: MovedLog) -> None:
        moved.append(20)
        moved.log.close_files()
        before = set(os.listdir("/proc/self/fd"))
        read_all(moved.log)
        moved.move()
        read_all(moved.log)
        moved.log.close_files()
        assert set(os.listdir("/proc/self/fd")) <= before

    def test_few_descriptors_are_enough(self, tmp_path: Path) -> None:
        moved = MovedLog(tmp_path, descriptors_max=2)
        moved.append(30)
        expected = facts(moved.log)
        moved.move()
        assert facts(moved.log) == expected
        moved.manager.close()

    def test_a_search_goes_on_over_the_move(self, moved: MovedLog) -> None:
        config = LogConfig(index_interval_bytes=1 << 20)
        moved.manager.moves.prefer(("many", 0), str(moved.a))
        moved.log = moved.manager.create("many", 0, ORDERS, config)
        for _ in range(600):
            moved.log.append(batch_of(), 0, NOW_MS)
        moved.log.append(batch_of(timestamp=NOW_MS + 1), 0, NOW_MS)
        search = moved.log.search_timestamp(NOW_MS + 1)
        next(search)
        moved.move(piece_bytes=1 << 20)
        moved.remove_deleted()
        with pytest.raises(StopIteration) as end:
            while True:
                next(search)
        assert end.value.value.offset == 600


class TestProgress:
    def test_lag_and_size_tell_how_far_the_copy_is(self, moved: MovedLog) -> None:
        moved.append(20)
        move = moved.begin()
        assert (move.size_bytes, move.log_end_offset, move.lag) == (0, 0, 40)
        seen = []
        while (piece := move.begin(600)) is not None:
            copy(move, piece)
            seen.append((move.size_bytes, move.log_end_offset))
            assert move.lag == 40 - move.log_end_offset
        assert seen == sorted(seen)
        assert len(set(seen)) > 3
        assert seen[-1] == (moved.log.size_bytes, 40)
        moved.append()
        assert move.lag == 2

    def test_half_a_batch_does_not_count(self, moved: MovedLog) -> None:
        moved.append(3)
        move = moved.begin()
        size_bytes = moved.log.size_bytes // 3
        for copied_bytes, end_offset in ((size_bytes - 1, 0), (1, 2), (1, 2), (size_bytes - 2, 2), (1, 4)):
            piece = move.begin(copied_bytes)
            assert piece is not None
            copy(move, piece)
            assert move.log_end_offset == end_offset

    def test_a_log_that_starts_within_its_first_segment(self, moved: MovedLog) -> None:
        moved.append(3)
        moved.log.delete_records(3)
        assert moved.begin().lag == 6


class TestCancelling:
    @pytest.mark.parametrize("step", ["begun", "copied", "small files", "prepared", "rest"])
    def test_nothing_is_left_of_a_cancelled_move(self, moved: MovedLog, step: str) -> None:
        moved.append(20)
        expected = facts(moved.log)
        move = moved.begin()
        taking = steps(moved.manager, move)
        take_to(taking, step)
        moved.manager.moves.cancel(KEY)
        moved.manager.moves.cancel(KEY)
        assert move.is_cancelled
        assert moved.manager.moves.get(KEY) is None
        assert moved.names == ({"orders-0"}, {"orders-0.*-delete"})
        moved.remove_deleted()
        assert moved.names == ({"orders-0"}, set())
        assert facts(moved.log) == expected
        moved.move()
        assert facts(moved.log) == expected

    @pytest.mark.parametrize("step", ["begun", "copied", "prepared", "committed", "confirmed", "renamed", "finished"])
    def test_its_topic_is_deleted_meanwhile(self, moved: MovedLog, step: str) -> None:
        moved.append(20)
        taking = steps(moved.manager, moved.begin())
        take_to(taking, step)
        moved.manager.delete(*KEY, ORDERS)
        again = moved.manager.create(*KEY, b"n" * 16, CONFIG)
        for _ in _until_it_fails(taking):
            pass
        moved.remove_deleted()
        directories = sorted(moved.names[0] | moved.names[1])
        assert directories == ["orders-0"]
        assert moved.manager.get(*KEY) is again
        assert moved.offline == []
        moved.restart(expected={KEY: b"n" * 16})
        assert moved.manager.get(*KEY) is not None
        assert (moved.log.log_start_offset, moved.log.log_end_offset) == (0, 0)


def _until_it_fails(taking: Iterator[str]) -> Iterator[str]:
    """Steps of a move that is over: its thread may find that the copy's directory is gone."""
    try:
        yield from taking
    except TargetError as error:
        assert isinstance(error.error, FileNotFoundError)


def test_two_logs_at_once(moved: MovedLog) -> None:
    moved.append(10)
    moved.manager.moves.prefer(("other", 0), str(moved.b))
    other = moved.manager.create("other", 0, ORDERS, CONFIG)
    for _ in range(10):
        other.append(batch_of(), 0, NOW_MS)
    expected = facts(moved.log), facts(other)
    back = moved.manager.moves.begin(other, moved.manager.moves.directory(str(moved.a)))
    there = moved.begin()
    assert moved.manager.moves.moves == [back, there]
    for _ in zip_longest(steps(moved.manager, back), steps(moved.manager, there)):
        moved.manager.checkpoint()
    assert (facts(moved.log), facts(other)) == expected
    moved.remove_deleted()
    assert moved.names == ({"other-0"}, {"orders-0"})
