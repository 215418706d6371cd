"""All logs of a broker: start, clean and unclean stops, several directories, strays, deletion, failing disks."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from storage.filesystem import Filesystem
from storage.log_config import LogConfig
from storage.log_directory_error import LogDirectoryError
from storage.log_flush import Flush
from storage.log_manager import LogManager

from .log_support import NOW_MS, FailingFilesystem, batch_of, broken, no_space, read_all

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


def test_a_new_log_has_its_files_at_once(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    manager = start(tmp_path / "logs")
    log = manager.create("orders", 0, ORDERS, CONFIG)
    assert manager.get("orders", 0) is log
    assert manager.get("orders", 1) is None
    base = "0" * 20
    assert names(tmp_path / "logs/orders-0") == {
        f"{base}.log",
        f"{base}.index",
        f"{base}.timeindex",
        "partition.metadata",
    }
    assert names(tmp_path / "logs") == {".lock", "meta.properties", "orders-0"}


def test_new_logs_go_where_the_fewest_are(tmp_path: Path, start: Callable[..., LogManager]) -> None:
    manager = start(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    for partition in range(7):
        manager.create("orders", partition, ORDERS, CONFIG)
    assert [len(list((tmp_path / name).glob("orders-*"))) for name in "abc"] == [3, 2, 2]


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
        (tmp_path / "notes").mkdir()
        manager = start(tmp_path, expected={("orders", 0): ORDERS})
        assert manager.get("orders", 0) is None
        assert len(list(tmp_path.glob("orders-0.*-stray"))) == 1
        assert (tmp_path / "notes").exists()


class TestDeletion:
    def test_renamed_at_once_and_removed_later(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        manager = start(tmp_path)
        manager.create("orders", 0, ORDERS, CONFIG)
        manager.delete("orders", 0, ORDERS)
        assert manager.get("orders", 0) is None
        assert len(list(tmp_path.glob("orders-0.*-delete"))) == 1
        manager.create("orders", 0, PAYMENTS, CONFIG)
        manager.remove_deleted()
        assert names(tmp_path) == {".lock", "meta.properties", "orders-0"}

    def test_what_a_crash_left_is_removed(self, tmp_path: Path, start: Callable[..., LogManager]) -> None:
        manager = start(tmp_path)
        manager.create("orders", 0, ORDERS, CONFIG)
        manager.delete("orders", 0, ORDERS)
        manager.close(clean=False)
        again = start(tmp_path)
        again.remove_deleted()
        assert names(tmp_path) == {".lock", "meta.properties"}

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
        self, tmp_path: Path, manager: LogManager, lost: list[tuple[str, int]]
    ) -> None:
        log = manager.get("orders", 0)
        assert log is not None
        manager.fail(log, OSError(errno.EIO, "Input/output error"))
        manager.fail(log, OSError(errno.EIO, "Input/output error"))
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

    def test_a_full_disk_at_create_leaves_nothing_and_stays_online(
        self, tmp_path: Path, manager: LogManager, filesystem: FailingFilesystem
    ) -> None:
        filesystem.fail["create"] = no_space
        with pytest.raises(OSError, match="No space"):
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
    manager = start(tmp_path, now_ms=lambda: now[0], producer_id_expiration_ms=1000)
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
