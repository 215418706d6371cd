"""All logs of a broker: start, clean and unclean stops, several directories, strays, deletion, failing disks."""

from __future__ import annotations

import errno
import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from storage.filesystem import Filesystem
from storage.log_config import LogConfig
from storage.log_directory_error import LogDirectoryError
from storage.log_flush import Flush
from storage.log_manager import LogManager

from .log_support import NOW_MS, FailingFilesystem, batch_of, broken, no_descriptor, no_space, read_all

CONFIG = LogConfig()
ORDERS, PAYMENTS = b"o" * 16, b"p" * 16
EXPECTED = {("orders", 0): ORDERS, ("payments", 0): PAYMENTS}


@pytest.fixture
def managers() -> Iterator[Callable[..., LogManager]]:
    """Makes managers that are closed, as by a crash, at the end."""
    made: list[LogManager] = []

    def make(*directories: Path, **options: Any) -> LogManager:
        manager = LogManager(
            [str(directory) for directory in directories],
            options.pop("filesystem", None) or Filesystem(),
            **{"cluster_id": "cluster", "node_id": 0, "now_ms": lambda: NOW_MS, "broker_epoch": 3, **options},
        )
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close(clean=False)


@pytest.fixture
def start(managers: Callable[..., LogManager]) -> Callable[..., LogManager]:
    """Makes a manager and loads the logs of `expected`, with one config for all."""

    def make(*directories: Path, expected: dict[tuple[str, int], bytes] | None = None, **options: Any) -> LogManager:
        config = options.pop("config", CONFIG)
        manager = managers(*directories, **options)
        manager.load(expected or {}, lambda topic: config)
        return manager

    return make


def sync(flush: Flush) -> Flush:
    flush.sync()
    return flush


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_new_log_has_its_file_at_once(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    manager = start(tmp_path / "logs")
    log = manager.create("orders", 0, ORDERS, CONFIG)
    assert manager.get("orders", 0) is log
    assert manager.get("orders", 1) is None
    assert names(tmp_path / "logs/orders-0") == {f"{0:020}.log", "partition.metadata"}
    assert names(tmp_path / "logs") == {".lock", "meta.properties", "orders-0"}


def test_new_logs_go_where_the_fewest_are(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    manager = start(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    for partition in range(7):
        manager.create("orders", partition, ORDERS, CONFIG)
    assert [len(list((tmp_path / name).glob("orders-*"))) for name in "abc"] == [3, 2, 2]


def test_some_new_logs_lie_together(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    class Recording(Filesystem):
        apart: ClassVar[list[bool]] = []

        def mkdir(self, path: str, *, apart: bool = False) -> None:
            self.apart.append(apart)
            super().mkdir(path, apart=apart)

    manager = start(tmp_path, filesystem=Recording())
    for partition in range(33):
        manager.create("orders", partition, ORDERS, CONFIG)
    assert [index for index, apart in enumerate(Recording.apart) if apart] == [0, 16, 32]


def test_all_logs_share_the_descriptors(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    class Counting(Filesystem):
        opened = closed = 0

        def open(self, path: str) -> int:
            self.opened += 1
            return super().open(path)

        def create(self, path: str, *, empty: bool = False) -> int:
            self.opened += 1
            return super().create(path, empty=empty)

        def close(self, fd: int) -> None:
            self.closed += 1
            super().close(fd)

    filesystem = Counting()
    manager = start(tmp_path, filesystem=filesystem, descriptors_max=4)
    logs = [manager.create("orders", partition, ORDERS, CONFIG) for partition in range(20)]
    before = filesystem.opened - filesystem.closed
    for log in logs:
        log.append(batch_of(), 0, NOW_MS)
    assert filesystem.opened - filesystem.closed - before == 4


class TestStops:
    def write(self, manager: LogManager) -> None:
        log = manager.create("orders", 0, ORDERS, CONFIG)
        for sequence in range(5):
            log.append(batch_of(producer_id=7, producer_epoch=0, base_sequence=sequence), 4, NOW_MS)
        log.delete_records(2)
        manager.create("payments", 0, PAYMENTS, CONFIG)

    def test_a_clean_stop_and_start(
        self, tmp_path: Path, start: Callable[..., LogManager], managers: Callable[..., LogManager]
    ) -> None:
        manager = start(tmp_path)
        self.write(manager)
        manager.close()
        assert (tmp_path / ".kafka_cleanshutdown").read_bytes() == b'{"version":0,"brokerEpoch":3}'
        assert (tmp_path / "recovery-point-offset-checkpoint").read_bytes() == b"0\n2\norders 0 5\npayments 0 0\n"
        assert (tmp_path / "log-start-offset-checkpoint").read_bytes() == b"0\n1\norders 0 2\n"
        assert (tmp_path / "replication-offset-checkpoint").read_bytes() == b"0\n2\norders 0 5\npayments 0 0\n"

        filesystem = FailingFilesystem()
        again = managers(tmp_path, filesystem=filesystem)
        report = again.load(EXPECTED, lambda topic: CONFIG)
        assert (report.cuts, report.recovered, report.bytes_scanned) == ({}, 0, 0)
        assert report.high_watermarks == {("orders", 0): 5, ("payments", 0): 0}
        assert not (tmp_path / ".kafka_cleanshutdown").exists()
        log = again.get("orders", 0)
        assert log is not None
        assert (log.log_start_offset, log.log_end_offset, log.recovery_point) == (2, 5, 5)
        assert log.leader_epochs.latest == 4
        entry = log.producers.get(7)
        assert entry is not None
        assert entry.last_sequence == 4
        # A log without records costs its listing and its metadata: no other file of it is opened.
        assert filesystem.calls.count("open") == 2  # the log and the index of orders-0

    def test_a_crash_and_start(self, tmp_path: Path, start: Callable[..., LogManager], managers: Any) -> None:
        manager = start(tmp_path)
        self.write(manager)
        manager.checkpoint()
        manager.close(clean=False)
        with (tmp_path / "orders-0" / f"{0:020d}.log").open("ab") as file:
            file.write(b"torn")
        again = managers(tmp_path)
        report = again.load(EXPECTED, lambda topic: CONFIG)
        assert report.recovered == 2
        assert report.bytes_scanned > 0
        cut = report.cuts["orders", 0]
        assert (cut.end_offset, cut.bytes_cut) == (5, 4)
        log = again.get("orders", 0)
        assert (log.log_start_offset, log.log_end_offset, log.recovery_point) == (2, 5, 0)
        assert [header.base_offset for header in read_all(log)] == [2, 3, 4]

    @pytest.mark.parametrize("clean", [True, False])
    def test_a_log_without_records_has_no_indexes(
        self, tmp_path: Path, start: Callable[..., LogManager], clean: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        manager = start(tmp_path)
        manager.create("orders", 0, ORDERS, CONFIG)
        manager.close(clean=clean)
        assert names(tmp_path / "orders-0") == {f"{0:020}.log", "partition.metadata"}
        for offset in range(2):
            manager = start(tmp_path, expected={("orders", 0): ORDERS})
            log = manager.get("orders", 0)
            assert log is not None
            assert log.append(batch_of(), 0, NOW_MS).base_offset == offset
            assert [header.base_offset for header in read_all(log)] == list(range(offset + 1))
            manager.close(clean=clean)
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    def test_an_index_that_was_there_before_its_segment_is_not_believed(
        self, tmp_path: Path, start: Callable[..., LogManager]
    ) -> None:
        manager = start(tmp_path)
        manager.create("orders", 0, ORDERS, CONFIG)
        manager.close()
        index = tmp_path / "orders-0" / f"{0:020}.index"
        index.write_bytes(struct.pack(">ii", 5, 500))
        log = start(tmp_path, expected={("orders", 0): ORDERS}).get("orders", 0)
        assert log is not None
        assert index.read_bytes() == b""
        assert log.segments[0].offset_index.last() == (0, 0)

    def test_the_names_of_index_files_are_durable(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        filesystem = FailingFilesystem()
        manager = start(tmp_path, filesystem=filesystem)
        log = manager.create("orders", 0, ORDERS, CONFIG)
        log.append(batch_of(), 0, NOW_MS)
        log.flush()
        log.append(batch_of(), 0, NOW_MS)
        made: list[set[str]] = []
        filesystem.fail["fsync_directory"] = lambda path: made.append(names(Path(path)))
        log.close()
        assert {f"{0:020}.index", f"{0:020}.timeindex"} <= made[-1]

    def test_epochs_start_no_earlier_than_the_log(
        self, tmp_path: Path, start: Callable[..., LogManager], managers: Any
    ) -> None:
        manager = start(tmp_path)
        self.write(manager)
        manager.checkpoint()
        manager.close(clean=False)
        again = managers(tmp_path)
        again.load(EXPECTED, lambda topic: CONFIG)
        log = again.get("orders", 0)
        assert log is not None
        assert log.log_start_offset == 2
        assert log.leader_epochs.entries == ((4, 2),)

    def test_a_cut_is_one_line(
        self, tmp_path: Path, start: Callable[..., LogManager], managers: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.test_a_crash_and_start(tmp_path, start, managers)
        (line,) = [record.message for record in caplog.records if "orders-0" in record.message]
        assert line.startswith("[orders-0] recovery cut 4 bytes from offset 5")

    def test_an_unreadable_recovery_point_means_everything_is_read(
        self, tmp_path: Path, start: Callable[..., LogManager], managers: Any
    ) -> None:
        manager = start(tmp_path)
        self.write(manager)
        manager.close()
        (tmp_path / ".kafka_cleanshutdown").unlink()
        (tmp_path / "recovery-point-offset-checkpoint").write_bytes(b"garbage")
        report = managers(tmp_path).load(EXPECTED, lambda topic: CONFIG)
        assert report.bytes_scanned == (tmp_path / "orders-0" / f"{0:020d}.log").stat().st_size

    @pytest.mark.parametrize("damage", ["epochs", "index zeros", "no index", "header"])
    def test_damage_after_a_clean_stop_is_mended(
        self, tmp_path: Path, start: Callable[..., LogManager], damage: str
    ) -> None:
        manager = start(tmp_path)
        config = LogConfig(index_interval_bytes=100)
        log = manager.create("orders", 0, ORDERS, config)
        for _ in range(10):
            log.append(batch_of([b"a" * 60]), 4, NOW_MS)
        manager.close()
        prefix = tmp_path / "orders-0" / f"{0:020d}"
        index = prefix.with_suffix(".index")
        before = index.read_bytes()
        assert before
        if damage == "epochs":
            (tmp_path / "orders-0/leader-epoch-checkpoint").write_bytes(b"")
        elif damage == "index zeros":
            index.write_bytes(bytes(len(before)))
        elif damage == "no index":
            index.unlink()
        else:
            data = bytearray(prefix.with_suffix(".log").read_bytes())
            data[-129:] = bytes(129)
            prefix.with_suffix(".log").write_bytes(data)
        again = start(tmp_path, expected={("orders", 0): ORDERS}, config=config)
        log = again.get("orders", 0)
        assert log is not None
        assert log.log_end_offset == (9 if damage == "header" else 10)
        assert log.leader_epochs.latest == 4
        assert len(read_all(log)) == log.log_end_offset
        again.close()
        assert index.read_bytes()[:56] == before[:56]

    def test_a_start_that_crashes_was_no_clean_stop(
        self, tmp_path: Path, start: Callable[..., LogManager], managers: Callable[..., LogManager]
    ) -> None:
        manager = start(tmp_path)
        self.write(manager)
        manager.close()
        (tmp_path / "orders-0" / f"{0:020d}.index").unlink()

        class Crash(Exception):
            pass

        def crash(fd: int) -> None:
            raise Crash

        filesystem = FailingFilesystem()
        filesystem.fail["fdatasync"] = crash
        with pytest.raises(Crash):
            managers(tmp_path, filesystem=filesystem).load(EXPECTED, lambda topic: CONFIG)
        assert not (tmp_path / ".kafka_cleanshutdown").exists()

    def test_nothing_is_marked_clean_that_could_not_be_closed(
        self, tmp_path: Path, start: Callable[..., LogManager]
    ) -> None:
        filesystem = FailingFilesystem()
        manager = start(tmp_path, filesystem=filesystem)
        self.write(manager)
        filesystem.fail["fdatasync"] = broken
        manager.close()
        assert not (tmp_path / ".kafka_cleanshutdown").exists()


class TestOwnership:
    def test_a_directory_in_use_is_refused(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        first = start(tmp_path)
        with pytest.raises(LogDirectoryError, match=f"{tmp_path} is in use"):
            start(tmp_path)
        first.close()
        start(tmp_path)

    def test_a_refused_start_unlocks_the_others(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        start(tmp_path / "b")
        with pytest.raises(LogDirectoryError):
            start(tmp_path / "a", tmp_path / "b")
        start(tmp_path / "a")

    def test_another_nodes_directory_is_refused(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        start(tmp_path).close()
        with pytest.raises(LogDirectoryError, match="belongs to node 0, this is node 1"):
            start(tmp_path, node_id=1)

    def test_a_partition_in_two_directories_is_refused(
        self, tmp_path: Path, start: Callable[..., LogManager], managers: Callable[..., LogManager]
    ) -> None:
        for name in "ab":
            manager = start(tmp_path / name)
            manager.create("orders", 0, ORDERS, CONFIG)
            manager.close()
        (tmp_path / "b/.kafka_cleanshutdown").unlink()
        manager = managers(tmp_path / "a", tmp_path / "b")
        with pytest.raises(LogDirectoryError, match="in two log directories"):
            manager.load({("orders", 0): ORDERS}, lambda topic: CONFIG)
        manager.close()
        assert not (tmp_path / "b/.kafka_cleanshutdown").exists()

    @pytest.mark.parametrize("expected", [{}, {("orders", 0): PAYMENTS}])
    def test_what_is_not_expected_is_set_aside(
        self, tmp_path: Path, start: Callable[..., LogManager], expected: dict[tuple[str, int], bytes]
    ) -> None:
        manager = start(tmp_path)
        manager.create("orders", 0, ORDERS, CONFIG).append(batch_of(), 0, NOW_MS)
        manager.close()
        again = start(tmp_path, expected=expected)
        assert again.get("orders", 0) is None
        (stray,) = tmp_path.glob("orders-0.*-stray")
        assert (stray / f"{0:020d}.log").stat().st_size > 0
        again.create("orders", 0, PAYMENTS, CONFIG)
        again.close()
        start(tmp_path, expected={("orders", 0): PAYMENTS})
        assert stray.exists()

    def test_a_directory_that_does_not_name_its_topic_is_set_aside(
        self, tmp_path: Path, start: Callable[..., LogManager]
    ) -> None:
        (tmp_path / "orders-0").mkdir()
        (tmp_path / "orders-0" / f"{0:020d}.log").write_bytes(b"records")
        (tmp_path / "orders-1" / "nested").mkdir(parents=True)
        (tmp_path / "unexpected-0").mkdir()
        (tmp_path / "notes").mkdir()
        manager = start(tmp_path, expected={("orders", 0): ORDERS, ("orders", 1): ORDERS})
        assert not manager.logs
        for name in ("orders-0", "orders-1", "unexpected-0"):
            assert len(list(tmp_path.glob(f"{name}.*-stray"))) == 1
        assert (tmp_path / "notes").exists()

    @pytest.mark.parametrize("files", [[], ["partition.metadata"], ["partition.metadata", f"{0:020d}.log"]])
    def test_a_directory_that_a_crash_left_half_made_is_removed(
        self, tmp_path: Path, start: Callable[..., LogManager], files: list[str]
    ) -> None:
        (tmp_path / "orders-0").mkdir()
        for name in files:
            (tmp_path / "orders-0" / name).touch()
        manager = start(tmp_path, expected={("orders", 0): ORDERS})
        assert manager.get("orders", 0) is None
        assert not list(tmp_path.glob("orders-0*"))
        manager.create("orders", 0, ORDERS, CONFIG)


class TestDeletion:
    def test_renamed_at_once_and_removed_later(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        now = [NOW_MS]
        told: list[int] = []
        manager = start(
            tmp_path,
            now_ms=lambda: now[0],
            file_delete_delay_ms=lambda: 500,
            on_removal_sooner=lambda: told.append(now[0]),
        )
        manager.create("orders", 0, ORDERS, LogConfig(file_delete_delay_ms=7))
        assert manager.remove_deleted() is None
        manager.delete("orders", 0, ORDERS)
        assert told == [NOW_MS]
        assert manager.get("orders", 0) is None
        assert len(list(tmp_path.glob("orders-0.*-delete"))) == 1
        manager.create("orders", 0, PAYMENTS, CONFIG)
        now[0] += 499
        assert manager.remove_deleted() == 1
        assert len(list(tmp_path.glob("orders-0.*-delete"))) == 1
        now[0] += 1
        assert manager.remove_deleted() is None
        assert names(tmp_path) == {".lock", "meta.properties", "orders-0"}

    def test_what_a_crash_left_is_removed(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        manager = start(tmp_path)
        manager.create("orders", 0, ORDERS, CONFIG)
        manager.delete("orders", 0, ORDERS)
        manager.close(clean=False)
        again = start(tmp_path, file_delete_delay_ms=lambda: 0)
        assert again.remove_deleted() is None
        assert names(tmp_path) == {".lock", "meta.properties"}

    @pytest.mark.parametrize("restart", ["none", "clean", "crash"])
    def test_a_log_made_again_is_another_log(
        self, tmp_path: Path, start: Callable[..., LogManager], restart: str
    ) -> None:
        """Of the old one the checkpoints still know the offsets: its start would hide all records of the new one."""
        manager = start(tmp_path)
        log = manager.create("orders", 0, ORDERS, CONFIG)
        for _ in range(5):
            log.append(batch_of(), 0, NOW_MS)
        manager.delete_segments({log: log.delete_records(4)})
        log.flush()
        manager.checkpoint()
        if restart != "none":
            manager.close(clean=restart == "clean")
            manager = start(tmp_path, expected={("orders", 0): ORDERS})
        manager.delete("orders", 0, ORDERS)
        log = manager.create("orders", 0, PAYMENTS, CONFIG)
        log.append(batch_of(), 0, NOW_MS)
        manager.close(clean=False)
        assert (tmp_path / "recovery-point-offset-checkpoint").read_bytes() == b"0\n0\n"
        again = start(tmp_path, expected={("orders", 0): PAYMENTS}).get("orders", 0)
        assert again is not None
        assert (again.log_start_offset, again.log_end_offset) == (0, 1)

    def test_the_longest_name(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        topic = "t" * 249
        manager = start(tmp_path)
        manager.create(topic, 12, ORDERS, CONFIG)
        manager.delete(topic, 12, ORDERS)
        (path,) = tmp_path.glob("t*")
        assert len(path.name) == 255
        assert "t-12." in path.name

    def test_an_unknown_one_is_no_error(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        start(tmp_path).delete("orders", 0, ORDERS)

    def test_another_topics_log_is_kept(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        manager = start(tmp_path)
        log = manager.create("orders", 0, ORDERS, CONFIG)
        manager.delete("orders", 0, PAYMENTS)
        assert manager.get("orders", 0) is log


class TestDeletedSegments:
    """Of logs with two batches to a segment."""

    CONFIG = LogConfig(segment_bytes=300, file_delete_delay_ms=500)

    @pytest.fixture
    def filesystem(self) -> FailingFilesystem:
        return FailingFilesystem()

    @pytest.fixture
    def manager(self, tmp_path: Path, start: Callable[..., LogManager], filesystem: FailingFilesystem) -> LogManager:
        manager = start(tmp_path, filesystem=filesystem)
        for topic, topic_id in (("orders", ORDERS), ("payments", PAYMENTS)):
            log = manager.create(topic, 0, topic_id, self.CONFIG)
            for _ in range(7):
                log.append(batch_of([b"v" * 70]), 0, NOW_MS)
        return manager

    def delete(self, manager: LogManager, **offsets: int) -> set[str]:
        """The topics whose logs' starts are on disk then."""
        deletions = {}
        for topic, offset in offsets.items():
            log = manager.get(topic, 0)
            assert log is not None
            deletions[log] = log.delete_records(offset)
        return {log.topic for log in manager.delete_segments(deletions)}

    def test_the_start_is_on_disk_before_a_file_goes(
        self, tmp_path: Path, manager: LogManager, filesystem: FailingFilesystem
    ) -> None:
        starts: list[bytes] = []

        def look(source: str, target: str) -> None:
            if target.endswith(".deleted"):
                starts.append((tmp_path / "log-start-offset-checkpoint").read_bytes())

        filesystem.fail["rename"] = look
        assert self.delete(manager, orders=5, payments=1) == {"orders", "payments"}
        assert len(starts) >= 2
        assert set(starts) == {b"0\n2\norders 0 5\npayments 0 1\n"}
        assert len(list(tmp_path.glob("*/*.log"))) == 2 + 4
        assert len(list(tmp_path.glob("orders-0/*.log.deleted"))) == 2

    def test_they_go_after_the_topics_own_delay(
        self, tmp_path: Path, start: Callable[..., LogManager], manager: LogManager
    ) -> None:
        self.delete(manager, orders=5)
        assert manager.remove_deleted() == 500
        assert list(tmp_path.glob("orders-0/*.deleted"))
        manager.close(clean=False)
        start(tmp_path, expected=EXPECTED)
        assert not list(tmp_path.glob("orders-0/*.deleted")), "or with the next start"

    def test_what_was_deleted_does_not_come_back(
        self, tmp_path: Path, start: Callable[..., LogManager], manager: LogManager
    ) -> None:
        self.delete(manager, orders=5)
        manager.close(clean=False)
        log = start(tmp_path, expected=EXPECTED, config=self.CONFIG).get("orders", 0)
        assert log is not None
        assert [header.base_offset for header in read_all(log)] == [5, 6]

    def test_nothing_is_written_where_nothing_has_changed(
        self, manager: LogManager, filesystem: FailingFilesystem
    ) -> None:
        self.delete(manager, orders=5)
        filesystem.calls.clear()
        assert self.delete(manager, orders=3) == {"orders"}
        assert "fsync" not in filesystem.calls
        assert self.delete(manager, payments=0) == {"payments"}
        assert "fsync" not in filesystem.calls

    def test_a_full_disk_is_no_reason_to_keep_them(
        self, tmp_path: Path, manager: LogManager, filesystem: FailingFilesystem
    ) -> None:
        filesystem.fail["pwrite"] = no_space
        assert self.delete(manager, orders=5) == set(), "a crash may bring records back"
        assert len(list(tmp_path.glob("orders-0/*.log"))) == 2
        assert manager.online_directories == [str(tmp_path)]
        filesystem.fail.clear()
        assert self.delete(manager, orders=5) == {"orders"}

    def test_without_room_for_longer_names_they_go_at_once(
        self, tmp_path: Path, manager: LogManager, filesystem: FailingFilesystem
    ) -> None:
        filesystem.fail["rename"] = lambda source, target: no_space() if target.endswith(".deleted") else None
        assert self.delete(manager, orders=5) == {"orders"}
        assert sorted(path.name for path in tmp_path.glob("orders-0/*.log*")) == [
            f"{offset:020d}.log" for offset in (4, 6)
        ]

    @pytest.mark.parametrize("call", ["fsync", "rename"])
    def test_a_broken_disk_takes_its_directory_offline(
        self, tmp_path: Path, manager: LogManager, filesystem: FailingFilesystem, call: str
    ) -> None:
        def fail(*arguments: Any) -> OSError | None:
            return broken() if call == "fsync" or arguments[1].endswith(".deleted") else None

        filesystem.fail[call] = fail
        assert self.delete(manager, orders=5) == (set() if call == "fsync" else {"orders"})
        assert manager.online_directories == []
        assert manager.get("payments", 0) is None

    def test_a_log_that_is_deleted_meanwhile(self, tmp_path: Path, manager: LogManager) -> None:
        log = manager.get("orders", 0)
        assert log is not None
        segments = log.delete_records(5)
        manager.delete("orders", 0, ORDERS)
        assert manager.delete_segments({log: segments}) == set()
        assert manager.online_directories == [str(tmp_path)]


class TestFailingDisks:
    @pytest.fixture
    def lost(self) -> list[tuple[str, int]]:
        return []

    @pytest.fixture
    def filesystem(self) -> FailingFilesystem:
        return FailingFilesystem()

    @pytest.fixture
    def manager(
        self,
        tmp_path: Path,
        start: Callable[..., LogManager],
        filesystem: FailingFilesystem,
        lost: list[tuple[str, int]],
    ) -> LogManager:
        """Partitions 0 and 2 in directory a, 1 and 3 in b."""

        def on_offline(partitions: Sequence[tuple[str, int]]) -> None:
            lost.extend(partitions)

        manager = start(tmp_path / "a", tmp_path / "b", filesystem=filesystem, on_offline=on_offline)
        for partition in range(4):
            manager.create("orders", partition, ORDERS, CONFIG)
        return manager

    def test_a_failed_log_takes_its_directory_offline(
        self, tmp_path: Path, manager: LogManager, lost: list[tuple[str, int]], caplog: pytest.LogCaptureFixture
    ) -> None:
        log = manager.get("orders", 0)
        assert log is not None
        manager.fail(log, OSError(errno.EIO, "Input/output error", "00.log"))
        manager.fail(log, OSError(errno.EIO, "Input/output error"))
        assert [record.getMessage() for record in caplog.records] == [
            f"[log-dirs] Log directory {tmp_path / 'a'} is offline: Input/output error (00.log); its partitions are "
            "not served until it can be used again and the broker has been restarted."
        ]
        assert lost == [("orders", 0), ("orders", 2)]
        assert manager.offline_partitions == set(lost)
        assert list(manager.offline_directories) == [str(tmp_path / "a")]
        assert manager.online_directories == [str(tmp_path / "b")]
        assert manager.get("orders", 2) is None
        assert manager.get("orders", 1) is not None
        with pytest.raises(OSError, match="orders-0 is offline"):
            manager.create("orders", 0, ORDERS, CONFIG)
        for partition in (4, 5):
            assert manager.create("orders", partition, ORDERS, CONFIG).directory.startswith(str(tmp_path / "b"))
        manager.close()
        assert (tmp_path / "b/.kafka_cleanshutdown").exists()
        assert not (tmp_path / "a/.kafka_cleanshutdown").exists()

    @pytest.mark.parametrize("shortage", [no_space, no_descriptor])
    def test_a_shortage_at_create_leaves_nothing_and_stays_online(
        self, tmp_path: Path, manager: LogManager, filesystem: FailingFilesystem, shortage: Callable[..., OSError]
    ) -> None:
        filesystem.fail["create"] = shortage
        with pytest.raises(OSError, match=r"No space|Too many"):
            manager.create("orders", 4, ORDERS, CONFIG)
        filesystem.fail.clear()
        assert not list(tmp_path.glob("*/orders-4"))
        assert len(manager.online_directories) == 2
        manager.create("orders", 4, ORDERS, CONFIG)

    def test_a_broken_disk_at_create(
        self, tmp_path: Path, manager: LogManager, filesystem: FailingFilesystem, lost: list[tuple[str, int]]
    ) -> None:
        filesystem.fail["mkdir"] = broken
        with pytest.raises(OSError, match="Input/output"):
            manager.create("orders", 4, ORDERS, CONFIG)
        assert lost == [("orders", 0), ("orders", 2)]

    def test_a_log_that_is_made_while_its_directory_fails(
        self, manager: LogManager, filesystem: FailingFilesystem, lost: list[tuple[str, int]]
    ) -> None:
        log = manager.get("orders", 0)
        assert log is not None

        def fail_the_other(*_: object) -> None:
            manager.fail(log, broken())

        filesystem.fail["mkdir"] = fail_the_other
        with pytest.raises(OSError, match="orders-4 has gone offline"):
            manager.create("orders", 4, ORDERS, CONFIG)
        assert manager.get("orders", 4) is None
        assert lost == [("orders", 0), ("orders", 2)]

    @pytest.mark.parametrize(("error", "online"), [(no_space, 2), (broken, 0)])
    def test_checkpoints(
        self, manager: LogManager, filesystem: FailingFilesystem, error: Callable[..., OSError], online: int
    ) -> None:
        filesystem.fail["pwrite"] = error
        manager.checkpoint()
        assert len(manager.online_directories) == online

    def test_a_directory_that_cannot_be_used_at_start_hides_its_partitions(
        self, tmp_path: Path, manager: LogManager, managers: Callable[..., LogManager]
    ) -> None:
        manager.close()
        filesystem = FailingFilesystem()
        filesystem.fail["make_directories"] = lambda path: broken() if path.endswith("/a") else None
        again = managers(tmp_path / "a", tmp_path / "b", filesystem=filesystem)
        again.load({("orders", partition): ORDERS for partition in range(4)}, lambda topic: CONFIG)
        assert again.offline_partitions == {("orders", 0), ("orders", 2)}
        assert again.get("orders", 1) is not None
        with pytest.raises(OSError, match="orders-0 is offline"):
            again.create("orders", 0, ORDERS, CONFIG)

    def test_without_any_directory_there_is_no_start(self, tmp_path: Path, managers: Callable[..., LogManager]) -> None:
        (tmp_path / "file").write_bytes(b"")
        manager = managers(tmp_path / "file")
        with pytest.raises(LogDirectoryError, match=r"no log directory can be used.*File exists"):
            manager.load({}, lambda topic: CONFIG)


def test_logs_with_a_finished_segment_are_to_be_flushed(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    manager = start(tmp_path)
    log = manager.create("orders", 0, ORDERS, LogConfig(segment_bytes=300))
    log.append(batch_of([b"a" * 150]), 0, NOW_MS)
    assert manager.rolled_logs() == []
    log.append(batch_of([b"a" * 150]), 0, NOW_MS)
    assert manager.rolled_logs() == [log]
    log.flush()
    assert manager.rolled_logs() == []
    log.append(batch_of([b"a" * 150]), 0, NOW_MS)
    assert manager.rolled_logs() == [log], "its batches were on disk before it was finished, its indexes are not"
    log.end_flush(sync(log.begin_flush(rolled_only=True)))
    assert manager.rolled_logs() == []


def test_a_flushed_log_is_not_set_aside_after_a_power_loss(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    """The file that names its topic must be on disk before a recovery point says that the records are."""
    filesystem = FailingFilesystem()
    manager = start(tmp_path, filesystem=filesystem)
    log = manager.create("orders", 0, ORDERS, CONFIG)
    log.append(batch_of(), 0, NOW_MS)
    synced: list[str] = []
    filesystem.fail["fsync_file"] = lambda path: synced.append(path)
    log.flush()
    assert f"{log.directory}/partition.metadata" in synced


def test_stops_leave_no_snapshots_behind(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    for sequence in range(4):
        manager = start(tmp_path, expected={("orders", 0): ORDERS})
        log = manager.get("orders", 0) or manager.create("orders", 0, ORDERS, CONFIG)
        log.append(batch_of(producer_id=7, producer_epoch=0, base_sequence=sequence), 0, NOW_MS)
        manager.close()
    start(tmp_path, expected={("orders", 0): ORDERS})
    assert [path.name for path in (tmp_path / "orders-0").glob("*.snapshot")] == [f"{4:020d}.snapshot"]


def test_producers_expire(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    now = [NOW_MS]
    manager = start(tmp_path, now_ms=lambda: now[0], producer_id_expiration_ms=lambda: 1000)
    log = manager.create("orders", 0, ORDERS, CONFIG)
    log.append(batch_of(producer_id=7, producer_epoch=0, base_sequence=0), 0, NOW_MS)
    now[0] += 999
    assert manager.expire_producers() == 0
    now[0] += 1
    assert manager.expire_producers() == 1
    assert log.producers.get(7) is None


def test_an_unwritable_directory_is_named(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    filesystem = FailingFilesystem()
    filesystem.fail["lock"] = lambda path: PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(LogDirectoryError, match=f"{tmp_path}: Permission denied"):
        start(tmp_path, filesystem=filesystem)
