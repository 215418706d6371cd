"""The front of a log: records deleted by offset, and by retention."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from protocol.errors import ErrorCode, KafkaError
from storage.file_span import FileSpan
from storage.leader_epochs import EpochStart
from storage.log import Log
from storage.log_config import LogConfig
from storage.retention import Reason

from .log_support import NOW_MS, FailingFilesystem, batch_of, create_log, headers_of, no_space, open_log, read_all, take

EPOCH = 4
SMALL = LogConfig(segment_bytes=250)
"""Two batches of `append` to a segment."""


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "orders-0")


@pytest.fixture
def filesystem() -> FailingFilesystem:
    return FailingFilesystem()


def append(log: Log, count: int = 1, timestamp: int = NOW_MS, epoch: int = EPOCH, **fields: int) -> int:
    """Appends a batch of 118 bytes for a single record, and returns its first offset."""
    return log.append(batch_of([b"v" * 50] * count, timestamp, **fields), epoch, NOW_MS).base_offset


def bases(log: Log) -> list[int]:
    return [segment.base_offset for segment in log.segments]


def names(directory: str, suffix: str) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name.endswith(suffix))


class TestByOffset:
    def test_the_start_moves_and_whole_segments_go(self, directory: str) -> None:
        log = create_log(directory, LogConfig(segment_bytes=300))
        for number in range(10):
            append(log, 2, epoch=number // 4)
        with pytest.raises(KafkaError) as raised:
            log.delete_records(21)
        assert raised.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
        removed = log.delete_records(7)
        assert [segment.base_offset for segment in removed] == [0, 2, 4]
        assert log.delete_records(3) == []
        assert log.log_start_offset == 7
        assert bases(log)[:2] == [6, 8]
        assert log.leader_epochs.entries[0] == EpochStart(0, 7)
        with pytest.raises(KafkaError):
            log.read(6, 100, max_offset=20, min_one_message=True)
        data = take(log.read(7, 1 << 20, max_offset=20, min_one_message=True))
        assert headers_of(data)[0].base_offset == 6, "the batch that holds it, whole"
        assert append(log) == 20
        log.delete_records(log.log_end_offset)
        assert len(log.segments) == 1
        assert log.read(21, 100, max_offset=21, min_one_message=True) is None
        assert append(log) == 21
        log.close()
        again = open_log(directory, log_start_offset=21)
        assert (again.log_start_offset, again.log_end_offset) == (21, 22)

    def test_a_segment_that_is_finished_after_its_records_were_deleted(self, directory: str) -> None:
        log = create_log(directory, SMALL)
        append(log)
        assert log.delete_records(1) == []
        append(log)
        append(log)
        assert bases(log) == [0, 2]
        assert log.delete_records(2) != []
        assert bases(log) == [2]

    def test_files_are_there_until_they_are_marked(self, directory: str) -> None:
        log = create_log(directory, SMALL)
        for _ in range(6):
            append(log)
        (segment,) = log.delete_records(3)
        assert names(directory, ".log")[0] == f"{0:020d}.log"
        (Path(directory) / f"{0:020d}.txnindex").touch()
        expected = [f"{directory}/{0:020d}.{kind}.deleted" for kind in ("log", "index", "timeindex", "txnindex")]
        assert segment.mark_deleted() == expected
        assert names(directory, ".deleted") == sorted(os.path.basename(path) for path in expected)
        assert names(directory, ".log") == [f"{offset:020d}.log" for offset in (2, 4)]
        assert segment.mark_deleted() == []
        segment.unlink()
        log.close()
        assert open_log(directory, SMALL, log_start_offset=3).log_start_offset == 3
        assert names(directory, ".deleted") == []

    @pytest.mark.parametrize("marked", [0, 1, 2, 3])
    def test_a_start_removes_what_the_crash_has_left(self, directory: str, marked: int) -> None:
        """Where the log begins is on disk before the first file goes; of the others any may come back."""
        log = create_log(directory, SMALL)
        for _ in range(9):
            append(log)
        removed = log.delete_records(7)
        assert len(removed) == 3
        for segment in removed[:marked]:
            segment.mark_deleted()
        log.close_files()
        again = open_log(directory, SMALL, log_start_offset=7)
        assert (again.log_start_offset, bases(again)) == (7, [6, 8])
        assert names(directory, ".log") == [f"{offset:020d}.log" for offset in (6, 8)]
        assert [header.base_offset for header in read_all(again)] == [7, 8]

    def test_deleted_records_are_still_sent(self, directory: str) -> None:
        log = create_log(directory, SMALL)
        for _ in range(10):
            append(log)
        span = log.read(0, 1 << 20, max_offset=10, min_one_message=True)
        unread = log.read(2, 1 << 20, max_offset=10, min_one_message=True)
        assert isinstance(span, FileSpan)
        assert isinstance(unread, FileSpan)
        for segment in log.delete_records(10):
            for path in segment.mark_deleted():
                os.unlink(path)
        assert [header.base_offset for header in headers_of(take(span))] == [0, 1]
        assert [header.base_offset for header in headers_of(take(unread))] == [2, 3]
        assert all(segment.file.pins == 0 for segment in log.segments)

    def test_it_needs_no_room(self, directory: str, filesystem: FailingFilesystem) -> None:
        log = create_log(directory, SMALL, filesystem)
        for _ in range(10):
            append(log)
        filesystem.fail["create"] = filesystem.fail["pwrite"] = no_space
        assert [segment.base_offset for segment in log.delete_records(7)] == [0, 2, 4]
        assert log.leader_epochs.entries == (EpochStart(EPOCH, 7),)
        assert names(directory, ".snapshot") == [f"{offset:020d}.snapshot" for offset in (6, 8)]

    def test_a_flush_under_way_is_not_disturbed(self, directory: str) -> None:
        log = create_log(directory, SMALL)
        for _ in range(6):
            append(log)
        flush = log.begin_flush()
        for segment in log.delete_records(5):
            segment.mark_deleted()
        flush.sync()
        log.end_flush(flush)
        assert log.recovery_point == 6


class TestByRetention:
    def test_by_size(self, directory: str) -> None:
        log = create_log(directory, LogConfig(segment_bytes=250, retention_bytes=500))
        for _ in range(9):
            append(log)
        expired = log.expire(NOW_MS, 9)
        assert expired is not None
        assert [segment.base_offset for segment in expired.segments] == [0, 2]
        assert expired.reasons == [Reason.SIZE] * 2
        assert expired.size_bytes == 4 * 118
        assert (log.log_start_offset, bases(log), log.size_bytes) == (4, [4, 6, 8], 5 * 118)
        assert log.expire(NOW_MS, 9) is None

    def test_by_age_the_active_segment_too(self, directory: str) -> None:
        log = create_log(directory, LogConfig(segment_bytes=250, retention_ms=1000))
        for number in range(5):
            append(log, timestamp=NOW_MS + number, producer_id=7, producer_epoch=0, base_sequence=number)
        assert log.expire(NOW_MS + 1001, 5) is None
        expired = log.expire(NOW_MS + 1002, 5)
        assert expired is not None
        assert [segment.base_offset for segment in expired.segments] == [0]
        expired = log.expire(NOW_MS + 2000, 5)
        assert expired is not None
        assert [segment.base_offset for segment in expired.segments] == [2, 4]
        assert (log.log_start_offset, log.log_end_offset, bases(log), log.size_bytes) == (5, 5, [5], 0)
        assert log.expire(NOW_MS + 5000, 5) is None
        assert names(directory, ".snapshot") == [f"{5:020d}.snapshot"]
        assert log.append(batch_of(producer_id=7, producer_epoch=0, base_sequence=5), EPOCH, NOW_MS).base_offset == 5
        assert [header.base_offset for header in read_all(log)] == [5]

    @pytest.mark.parametrize("clean", [True, False])
    def test_an_emptied_log_goes_on_where_it_was(self, directory: str, clean: bool) -> None:
        config = LogConfig(retention_ms=1000)
        log = create_log(directory, config)
        append(log, producer_id=7, producer_epoch=0, base_sequence=0)
        expired = log.expire(NOW_MS + 2000, 1)
        assert expired is not None
        for segment in expired.segments:
            segment.mark_deleted()
        if clean:
            log.close()
        else:
            log.close_files()
        again = open_log(directory, config, log_start_offset=1)
        assert (again.log_start_offset, again.log_end_offset) == (1, 1)
        assert again.leader_epochs.entries == (EpochStart(EPOCH, 1),)
        duplicate = batch_of(producer_id=7, producer_epoch=0, base_sequence=0)
        assert again.append(duplicate, EPOCH, NOW_MS).duplicate
        assert append(again) == 1

    def test_records_without_a_time_count_from_the_last_write(
        self, directory: str, filesystem: FailingFilesystem
    ) -> None:
        log = create_log(directory, LogConfig(retention_ms=1000), filesystem)
        append(log, timestamp=-1)
        os.utime(f"{directory}/{0:020d}.log", (0, NOW_MS / 1000))
        assert log.expire(NOW_MS + 1000, 1) is None
        assert log.expire(NOW_MS + 1001, 1) is not None

    def test_after_a_restart_the_age_is_read_from_the_index(self, directory: str) -> None:
        config = LogConfig(segment_bytes=250, retention_ms=1000)
        log = create_log(directory, config)
        for number in range(6):
            append(log, timestamp=NOW_MS + 500 * (number // 2))
        log.close()
        again = open_log(directory, config)
        expired = again.expire(NOW_MS + 1600, 6)
        assert expired is not None
        assert bases(again) == [4]

    def test_what_is_not_committed_stays(self, directory: str) -> None:
        log = create_log(directory, LogConfig(segment_bytes=250, retention_bytes=0))
        for _ in range(6):
            append(log)
        expired = log.expire(NOW_MS, 3)
        assert expired is not None
        assert bases(log) == [2, 4]

    def test_on_a_full_disk_the_older_segments_go(self, directory: str, filesystem: FailingFilesystem) -> None:
        log = create_log(directory, LogConfig(segment_bytes=250, retention_bytes=0), filesystem)
        for _ in range(5):
            append(log)
        filesystem.fail["create"] = no_space
        expired = log.expire(NOW_MS, 5)
        assert expired is not None
        assert [segment.base_offset for segment in expired.segments] == [0, 2]
        assert expired.reasons == [Reason.SIZE] * 2
        with pytest.raises(OSError, match="No space"):
            log.expire(NOW_MS, 5)
        assert [header.base_offset for header in read_all(log)] == [4]
        filesystem.fail.clear()
        assert log.expire(NOW_MS, 5) is not None
        assert bases(log) == [5]

    def test_what_a_client_has_deleted_goes_whatever_the_policy(self, directory: str) -> None:
        log = create_log(directory, LogConfig(segment_bytes=250, cleanup_policy=frozenset(), retention_ms=0))
        append(log)
        log.delete_records(1)
        assert log.expire(NOW_MS + 10, 1) is None
        append(log)
        append(log)
        log.delete_records(1)
        assert log.expire(NOW_MS + 10, 3) is None, "offset 1 is still in the first segment"
        log.log_start_offset = 2
        expired = log.expire(NOW_MS + 10, 3)
        assert expired is not None
        assert expired.reasons == [Reason.START]
        assert bases(log) == [2]
