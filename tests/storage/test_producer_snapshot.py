"""Snapshot files: Kafka's bytes, round trips, damage, and which files are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.filesystem import Filesystem
from storage.producer_snapshot import CorruptSnapshot, ProducerSnapshots, decode, encode, file_name
from storage.producer_state import AppendedBatch, ProducerEntry, ProducerStateManager

from .test_producer_state import header

# Written by Apache Kafka 4.3.1: an idempotent producer with 3,000 records, and a transactional one with its third
# transaction open at offset 3004.
KAFKA_SNAPSHOT = bytes.fromhex(
    "0001800e1bad000000020000000000000000000000000bb70000000000000bb700000063000001a207225733ffff"
    "ffffffffffffffffffff00000000000000010000000000020000000000000bbc00000000000001a2072259cd0000"
    "00000000000000000bbc"
)


def manager_of(*entries: ProducerEntry) -> ProducerStateManager:
    manager = ProducerStateManager("orders-0")
    manager.load(entries)
    return manager


def test_reads_a_snapshot_of_kafka() -> None:
    idempotent, transactional = decode(KAFKA_SNAPSHOT)
    assert idempotent.last_sequence == 2999
    assert idempotent.batches[-1].last_offset == 2999
    assert idempotent.transaction_first_offset == -1
    assert transactional.transaction_first_offset == 3004
    assert transactional.coordinator_epoch == 0
    assert transactional.batches[-1] == AppendedBatch(2, 2, 3004, 3004, transactional.last_timestamp_ms)


def test_writes_one_batch_of_a_producer_as_kafka_does() -> None:
    assert bytes(encode(decode(KAFKA_SNAPSHOT))) == KAFKA_SNAPSHOT


batches = st.builds(
    lambda first, size, offset, timestamp: AppendedBatch(
        first, (first + size) & 0x7FFFFFFF, offset, offset + size, timestamp
    ),
    st.integers(0, 0x7FFFFFFF),
    st.integers(0, 1000),
    st.integers(0, 1 << 60),
    st.integers(-1, 1 << 50),
)


def entry_of(
    producer_id: int, epoch: int, its_batches: list[AppendedBatch], marker_ms: int, coordinator: int, first: int
) -> ProducerEntry:
    return ProducerEntry(
        producer_id,
        epoch,
        batches=its_batches,
        last_timestamp_ms=its_batches[-1].timestamp if its_batches else marker_ms,
        coordinator_epoch=coordinator,
        transaction_first_offset=first,
    )


entries = st.builds(
    entry_of,
    st.integers(0, 1 << 62),
    st.integers(0, 32767),
    st.lists(batches, max_size=6),
    st.integers(-1, 1 << 50),
    st.integers(-1, 1 << 30),
    st.integers(-1, 1 << 60),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(entries, max_size=5, unique_by=lambda entry: entry.producer_id))
def test_a_round_trip_keeps_all_five_batches(written: list[ProducerEntry]) -> None:
    assert decode(encode(written)) == written


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(KAFKA_SNAPSHOT) - 1), st.integers(1, 255))
def test_damage_is_noticed(position: int, flip: int) -> None:
    damaged = bytearray(KAFKA_SNAPSHOT)
    damaged[position] ^= flip
    with pytest.raises(CorruptSnapshot):
        decode(damaged)
    with pytest.raises(CorruptSnapshot):
        decode(KAFKA_SNAPSHOT[:position])


def test_a_count_that_does_not_fit_is_refused() -> None:
    body = (1000).to_bytes(4, "big")
    with pytest.raises(CorruptSnapshot, match="do not hold 1000"):
        decode(b"\0\1" + crc32c(body).to_bytes(4, "big") + body)


class TestFiles:
    @pytest.fixture
    def snapshots(self, tmp_path: Path) -> ProducerSnapshots:
        return ProducerSnapshots(str(tmp_path), Filesystem())

    def names(self, directory: Path) -> list[str]:
        return sorted(path.name for path in directory.iterdir())

    def test_the_newest_readable_one_is_loaded(self, tmp_path: Path, snapshots: ProducerSnapshots) -> None:
        manager = manager_of()
        manager.update(header(0, 5, offset=0))
        snapshots.take(manager, 5)
        manager.update(header(5, 5, offset=5))
        snapshots.take(manager, 10)
        (tmp_path / file_name(10)).write_bytes(b"\0" * 20)

        found = ProducerSnapshots(str(tmp_path), Filesystem(), [*self.names(tmp_path), "x.snapshot", "1.log"])
        assert found.offsets == (5, 10)
        manager.clear()
        assert found.load(manager) == 5
        assert [entry.last_sequence for entry in manager] == [4]
        assert self.names(tmp_path) == [file_name(5)]

    def test_without_any_the_state_is_empty(self, snapshots: ProducerSnapshots) -> None:
        manager = manager_of(ProducerEntry(1, 0))
        assert snapshots.load(manager) == -1
        assert len(manager) == 0

    def test_the_same_offset_is_written_once(self, tmp_path: Path, snapshots: ProducerSnapshots) -> None:
        snapshots.take(manager_of(), 5)
        snapshots.take(manager_of(ProducerEntry(1, 0)), 5)
        assert (tmp_path / file_name(5)).stat().st_size == 10

    def test_truncate_removes_what_lies_outside(self, tmp_path: Path, snapshots: ProducerSnapshots) -> None:
        for offset in (0, 10, 20, 30):
            snapshots.take(manager_of(), offset)
        snapshots.truncate(10, 25)
        assert snapshots.offsets == (10, 20)
        assert self.names(tmp_path) == [file_name(10), file_name(20)]

    def test_retain_keeps_segments_and_the_closing_one(self, tmp_path: Path, snapshots: ProducerSnapshots) -> None:
        for offset in (0, 10, 15, 20, 23, 25):
            snapshots.take(manager_of(), offset)
        snapshots.retain([0, 10, 20])
        assert snapshots.offsets == (0, 10, 20, 25)
        snapshots.retain([0, 10, 20, 30])
        assert snapshots.offsets == (0, 10, 20)
        assert self.names(tmp_path) == [file_name(offset) for offset in (0, 10, 20)]
