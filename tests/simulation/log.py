"""The coordinator's log: batches, a high watermark behind which nothing is lost, and a cleaner."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from broker.core.result import CoordinatorRecord


class LoggedRecord(NamedTuple):
    offset: int
    key: bytes
    value: bytes | None


class SimulatedLog:
    """What is appended at once is lost at once."""

    def __init__(self) -> None:
        self.records: list[LoggedRecord] = []
        self.end_offset = 0
        self.high_watermark = 0
        self.batches_not_committed: list[int] = []
        """Their base offsets."""

    def append(self, records: list[CoordinatorRecord]) -> int:
        """Append one batch; returns its base offset."""
        base_offset = self.end_offset
        self.batches_not_committed.append(base_offset)
        self.records += [LoggedRecord(base_offset + number, *record) for number, record in enumerate(records)]
        self.end_offset += len(records)
        return base_offset

    def commit(self) -> None:
        """Everything is replicated now."""
        self.high_watermark = self.end_offset
        self.batches_not_committed.clear()

    def lose_tail(self, random: Random) -> int:
        """Another leader has some of the batches that are not committed, and goes on; returns its end offset."""
        ends = [*self.batches_not_committed, self.end_offset]
        self.end_offset = random.choice(ends)
        while self.records and self.records[-1].offset >= self.end_offset:
            self.records.pop()
        self.commit()
        return self.end_offset

    def compact(self, random: Random) -> None:
        """Keep of a part that ends anywhere only the last record of each key, with or without tombstones."""
        if self.high_watermark != self.end_offset:
            return
        count = random.randint(0, len(self.records))
        keeps_tombstones = random.random() < 0.5
        last = {record.key: record.offset for record in self.records[:count]}
        cleaned = [
            record
            for record in self.records[:count]
            if last[record.key] == record.offset and (keeps_tombstones or record.value is not None)
        ]
        self.records[:count] = cleaned
