"""A log against a list of batches, under any order of appends, reads, cuts, deletions, full disks and restarts."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol.records import Record
from storage.descriptors import DescriptorCache
from storage.log import Log
from storage.log_config import LogConfig
from storage.recovery import recover
from storage.segment import Segment
from tests.storage.log_support import NOW_MS, FailingFilesystem, create_log, headers_of, no_space, open_log, take
from tests.support.built_batches import build_batch

CONFIG = LogConfig(segment_bytes=700, index_interval_bytes=150, segment_index_bytes=96, retention_ms=-1)
SIZES = st.sampled_from([0, 1, 100, 200, 500, 1 << 20])


class Batch(NamedTuple):
    """What the model keeps of a batch: its offsets, its bytes, its records' timestamps."""

    base_offset: int
    last_offset: int
    data: bytes
    timestamps: tuple[int, ...]


class LogMachine(RuleBasedStateMachine):
    """Every answer of the log is compared with the plain list's."""

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp(prefix="ottla-log-model-")
        self.directory = f"{self.root}/orders-0"
        self.filesystem = FailingFilesystem()
        self.log = create_log(self.directory, CONFIG, self.filesystem, descriptors=DescriptorCache(self.filesystem, 3))
        self.batches: list[Batch] = []
        self.start = 0
        self.saved_start = 0
        """What the checkpoint says."""
        self.removed: list[Segment] = []
        """What the log has let go and nobody has deleted yet."""
        self.end = 0
        self.epoch = 0

    def teardown(self) -> None:
        self.log.close_files()
        shutil.rmtree(self.root)

    def build(self, timestamps: list[int], size: int) -> bytearray:
        return build_batch([Record(i, NOW_MS + t, None, b"v" * size) for i, t in enumerate(timestamps)])

    @rule(timestamps=st.lists(st.integers(0, 30), min_size=1, max_size=4), size=st.integers(0, 60))
    def append(self, timestamps: list[int], size: int) -> None:
        data = self.build(timestamps, size)
        result = self.log.append(data, self.epoch, NOW_MS)
        assert (result.base_offset, result.last_offset) == (self.end, self.end + len(timestamps) - 1)
        assert (result.log_start_offset, result.duplicate) == (self.start, False)
        self.batches.append(
            Batch(result.base_offset, result.last_offset, bytes(data), tuple(NOW_MS + t for t in timestamps))
        )
        self.end = result.last_offset + 1

    @rule(call=st.sampled_from(["pwrite", "create", "rename"]), skipped=st.integers(0, 2), size=st.integers(0, 300))
    def append_on_a_full_disk(self, call: str, skipped: int, size: int) -> None:
        left = [skipped]

        def fail(*args: object) -> OSError | None:
            left[0] -= 1
            return no_space() if left[0] < 0 else None

        self.filesystem.fail[call] = fail
        data = self.build([5], size)
        try:
            result = self.log.append(data, self.epoch, NOW_MS)
        except OSError:
            pass
        else:
            self.batches.append(Batch(self.end, self.end, bytes(data), (NOW_MS + 5,)))
            assert result.base_offset == self.end
            self.end += 1
        finally:
            self.filesystem.fail.clear()

    @rule(where=st.floats(0, 1), limit=st.floats(0, 1.2), max_bytes=SIZES, least=st.booleans())
    def read(self, where: float, limit: float, max_bytes: int, least: bool) -> None:
        offset = self.start + round(where * (self.end - self.start))
        max_offset = self.start + round(limit * (self.end - self.start))
        data = take(self.log.read(offset, max_bytes, max_offset=max_offset, min_one_message=least))
        wanted = [batch for batch in self.batches if batch.last_offset >= offset and batch.last_offset < max_offset]
        taken = headers_of(data)
        assert data == b"".join(batch.data for batch in wanted[: len(taken)])
        if offset < max_offset and wanted and (least or len(wanted[0].data) <= max_bytes):
            assert taken, "something fits"
        assert len(data) <= max_bytes or (least and len(taken) == 1)
        if len(taken) < len(wanted):
            # What stopped it: the size, or the end of a segment.
            next_offset = wanted[len(taken)].base_offset
            assert len(data) + len(wanted[len(taken)].data) > max_bytes or any(
                segment.base_offset == next_offset for segment in self.log.segments
            )

    @rule(timestamp=st.integers(-1, 32))
    def find_by_time(self, timestamp: int) -> None:
        found = self.log.offset_for_timestamp(NOW_MS + timestamp)
        expected = next(
            (
                (time, batch.base_offset + index)
                for batch in self.batches
                for index, time in enumerate(batch.timestamps)
                if time >= NOW_MS + timestamp and batch.base_offset + index >= self.start
            ),
            None,
        )
        assert (None if found is None else (found.timestamp, found.offset)) == expected

    @rule()
    def find_the_largest_timestamp(self) -> None:
        known = [
            (time, batch.base_offset + index)
            for batch in self.batches
            if batch.last_offset >= self.log.segments[0].base_offset
            for index, time in enumerate(batch.timestamps)
        ]
        largest = max((time for time, _ in known), default=-1)
        found = self.log.max_timestamp()
        assert (found.timestamp, found.offset) == next((each for each in known if each[0] == largest), (-1, -1))

    @rule(back=st.integers(0, 12))
    def truncate(self, back: int) -> None:
        offset = max(self.log.segments[0].base_offset, self.end - back)
        self.log.truncate_to(offset)
        cut = [batch for batch in self.batches if batch.last_offset >= offset]
        self.batches = self.batches[: len(self.batches) - len(cut)]
        if cut:
            self.end = min(offset, cut[0].base_offset)
        else:
            self.end = offset
        self.start = self.saved_start = min(self.start, self.end)
        self.epoch += 1

    @rule(where=st.floats(0, 1))
    def delete_records(self, where: float) -> None:
        offset = self.start + round(where * (self.end - self.start))
        self.removed += self.log.delete_records(offset)
        self.start = offset

    def expire(self, config: LogConfig, now_ms: int, expected: list[bool]) -> None:
        """`expected` tells of each segment whether it may go; those of the front do."""
        bases = [segment.base_offset for segment in self.log.segments]
        count = next((index for index, may_go in enumerate(expected) if not may_go), len(expected))
        self.log.config = config
        expired = self.log.expire(now_ms, self.end)
        self.log.config = CONFIG
        removed = [] if expired is None else expired.segments
        assert [segment.base_offset for segment in removed] == bases[:count]
        if removed:
            self.removed += removed
            self.start = max(self.start, self.end if count == len(bases) else bases[count])

    def bytes_by_segment(self) -> list[int]:
        bases = [segment.base_offset for segment in self.log.segments]
        ends = [*bases[1:], self.end]
        return [
            sum(len(batch.data) for batch in self.batches if base <= batch.base_offset < end)
            for base, end in zip(bases, ends, strict=True)
        ]

    @rule(limit=st.integers(0, 3000))
    def expire_by_size(self, limit: int) -> None:
        sizes = self.bytes_by_segment()
        bases = [segment.base_offset for segment in self.log.segments]
        may_go = [
            sum(sizes[index + 1 :]) >= limit or (index + 1 < len(bases) and bases[index + 1] <= self.start)
            for index in range(len(sizes))
        ]
        self.expire(replace(CONFIG, retention_bytes=limit), NOW_MS, [*may_go[:-1], may_go[-1] and sizes[-1] > 0])

    @rule(limit=st.integers(0, 32))
    def expire_by_age(self, limit: int) -> None:
        bases = [segment.base_offset for segment in self.log.segments]
        may_go = []
        for base, end in zip(bases, [*bases[1:], self.end], strict=True):
            times = [time for batch in self.batches if base <= batch.base_offset < end for time in batch.timestamps]
            below_start = base != bases[-1] and end <= self.start
            may_go.append(below_start or (bool(times) and NOW_MS + 32 - max(times) > limit))
        self.expire(replace(CONFIG, retention_ms=limit), NOW_MS + 32, may_go)

    @rule(marked=st.integers(0, 4))
    def settle(self, marked: int) -> None:
        """The start is saved, and the files are renamed; the process may end before the last of them is."""
        self.saved_start = self.start
        for segment in self.removed[:marked]:
            segment.mark_deleted()
        del self.removed[:marked]

    @rule()
    def flush(self) -> None:
        self.log.flush()
        assert self.log.recovery_point == self.end

    @precondition(lambda self: self.batches)
    @rule()
    def restart(self) -> None:
        self.log.close()
        self.saved_start = self.start
        self.filesystem = FailingFilesystem()
        self.log = open_log(
            self.directory,
            CONFIG,
            self.filesystem,
            descriptors=DescriptorCache(self.filesystem, 3),
            log_start_offset=self.start,
        )
        self.removed.clear()

    @rule()
    def crash(self) -> None:
        """The process is killed: what was appended is there, what was deleted and not settled may be there again."""
        self.log.close_files()
        self.filesystem = FailingFilesystem()
        descriptors = DescriptorCache(self.filesystem, 3)
        recovery_point = self.log.recovery_point

        def run(log: Log) -> None:
            cut, _ = recover(log, recovery_point, descriptors, NOW_MS)
            assert cut is None

        first = min(int(name[:20]) for name in os.listdir(self.directory) if name.endswith(".log"))
        self.log = open_log(
            self.directory,
            CONFIG,
            self.filesystem,
            descriptors=descriptors,
            log_start_offset=self.saved_start,
            recovery_point=recovery_point,
            recover=run,
        )
        self.start = max(self.saved_start, first)
        self.removed.clear()

    @invariant()
    def agrees(self) -> None:
        assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)
        first = self.log.segments[0].base_offset
        assert self.log.size_bytes == sum(len(batch.data) for batch in self.batches if batch.base_offset >= first)
        assert all(segment.file.pins == 0 for segment in self.log.segments)


LogMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLog = LogMachine.TestCase
