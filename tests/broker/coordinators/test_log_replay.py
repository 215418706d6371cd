"""A coordinator's log that is read while others write to it and delete from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.coordinators.log_replay import LogReplay
from broker.coordinators.pace import Pace
from protocol.records import Record
from storage.log import Log
from storage.log_config import LogConfig
from tests.storage.log_support import NOW_MS, create_log
from tests.support.built_batches import build_batch
from tests.support.manual_clock import ManualClock

SMALL = LogConfig(segment_bytes=300)
ONE_BATCH = 1


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Twenty records, each in a batch, a few to a segment."""
    made = create_log(str(tmp_path / "groups-0"), SMALL)
    for number in range(20):
        made.append(build_batch([Record(0, NOW_MS, b"%d" % number, b"v" * 20)]), 0, NOW_MS)
    yield made
    made.close_files()


class Reader:
    """What was replayed, and what is done to the log when a record has been."""

    def __init__(self, log: Log, deletions: dict[int, int] | None = None) -> None:
        self.seen: list[int] = []
        self._log = log
        self._deletions = deletions or {}
        self.replay = LogReplay(log, self._on_record, Pace(ManualClock()), ONE_BATCH, lambda: True)

    def _on_record(self, key: bytes, value: bytes | None) -> bool:
        self.seen.append(int(key))
        offset = self._deletions.get(int(key))
        if offset is not None:
            for segment in self._log.delete_records(offset):
                segment.mark_deleted()
        return True


async def test_from_the_start_of_the_log_on(log: Log) -> None:
    log.delete_records(7)
    reader = Reader(log)
    await reader.replay.run()
    assert reader.seen == list(range(7, 20))


@pytest.mark.parametrize(
    ("deletions", "expected"),
    [
        ({3: 2}, [*range(20)]),
        ({3: 4}, [*range(20)]),
        ({3: 11}, [0, 1, 2, 3, *range(11, 20)]),
        ({3: 20}, [0, 1, 2, 3]),
        ({3: 5, 5: 17, 18: 19}, [0, 1, 2, 3, 5, 17, 18, 19]),
    ],
)
async def test_what_is_deleted_meanwhile_is_passed_over(
    log: Log, deletions: dict[int, int], expected: list[int]
) -> None:
    reader = Reader(log, deletions)
    await reader.replay.run()
    assert reader.seen == expected
    assert reader.replay.skipped_count == 0
