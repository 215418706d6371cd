"""Which segments go: literal examples, and Kafka's own way of finding them, in one pass for each reason."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.log_config import LogConfig
from storage.retention import Reason, plan_deletion

from .log_support import NOW_MS

HOUR_MS = 3_600_000
START, SIZE, AGE = Reason.START, Reason.SIZE, Reason.AGE


class Facts(NamedTuple):
    base_offset: int
    size_bytes: int
    newest_ms: int


def facts(sizes: list[int], ages_ms: list[int] | None = None) -> list[Facts]:
    """Segments of ten offsets each."""
    ages_ms = ages_ms or [0] * len(sizes)
    return [Facts(10 * index, size, NOW_MS - age) for index, (size, age) in enumerate(zip(sizes, ages_ms, strict=True))]


def plan(segments: list[Facts], config: LogConfig, *, start: int = 0, committed: int | None = None) -> list[Reason]:
    end = 10 * len(segments)
    return plan_deletion(
        segments,
        config,
        log_start_offset=start,
        log_end_offset=end,
        high_watermark=end if committed is None else committed,
        now_ms=NOW_MS,
    )


@pytest.mark.parametrize(
    ("sizes", "limit", "count"),
    [
        ([100, 100, 100, 40], 200, 1),
        ([100, 100, 100, 40], 240, 1),
        ([100, 100, 100, 40], 241, 0),
        ([100, 100, 100, 40], 340, 0),
        ([100, 100, 100, 40], 40, 3),
        ([100, 100, 100, 40], 39, 3),
        ([100, 100, 100, 40], 0, 4),
        ([100, 100, 100, 40], -1, 0),
        ([100, 100, 100, 40], -7, 0),
        ([100, 0], 0, 1),
        ([0], 0, 0),
        ([1 << 31], 1 << 30, 0),
    ],
)
def test_by_size_at_least_the_limit_is_kept(sizes: list[int], limit: int, count: int) -> None:
    assert plan(facts(sizes), LogConfig(retention_bytes=limit)) == [SIZE] * count


@pytest.mark.parametrize(
    ("ages", "limit", "count"),
    [
        ([30, 30, 2], 24, 2),
        ([1, 30, 2], 24, 0),
        ([30, 1, 30], 24, 1),
        ([30, 30, 30], 24, 3),
        ([24], 24, 0),
        ([-5], 0, 0),
        ([1 << 20], -1, 0),
    ],
)
def test_by_age_until_one_has_to_stay(ages: list[int], limit: int, count: int) -> None:
    segments = facts([100] * len(ages), [age * HOUR_MS for age in ages])
    assert plan(segments, LogConfig(retention_ms=limit * HOUR_MS)) == [AGE] * count


def test_a_millisecond_too_old() -> None:
    assert plan(facts([100], [1001]), LogConfig(retention_ms=1000)) == [AGE]
    assert plan(facts([100], [1000]), LogConfig(retention_ms=1000)) == []
    assert plan(facts([100], [1]), LogConfig(retention_ms=0)) == [AGE]


@pytest.mark.parametrize(("start", "count"), [(0, 0), (9, 0), (10, 1), (29, 2), (30, 2)])
def test_what_lies_below_the_start_goes(start: int, count: int) -> None:
    assert plan(facts([100, 100, 100]), LogConfig(), start=start) == [START] * count


def test_an_empty_log_keeps_its_segment() -> None:
    assert plan(facts([0], [HOUR_MS]), LogConfig(retention_ms=0, retention_bytes=0)) == []
    assert plan(facts([5, 0], [HOUR_MS, HOUR_MS]), LogConfig(retention_ms=0)) == [AGE]


@pytest.mark.parametrize(("committed", "count"), [(0, 0), (9, 0), (10, 1), (29, 2), (30, 3)])
def test_what_is_not_committed_stays(committed: int, count: int) -> None:
    assert plan(facts([100, 100, 100]), LogConfig(retention_bytes=0), committed=committed) == [SIZE] * count


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("delete", [START, SIZE, AGE]), ("compact,delete", [START, SIZE, AGE]), ("compact", [START]), ("", [START])],
)
def test_policies(policy: str, expected: list[Reason]) -> None:
    segments = facts([100, 100, 100, 100], [HOUR_MS, HOUR_MS, HOUR_MS, 0])
    config = LogConfig(
        cleanup_policy=frozenset(policy.split(",")) - {""}, retention_bytes=200, retention_ms=HOUR_MS // 2
    )
    assert plan(segments, config, start=15) == expected


def test_no_file_is_asked_for_its_age_that_need_not_be() -> None:
    class Unread(NamedTuple):
        base_offset: int
        size_bytes: int

        @property
        def newest_ms(self) -> int:
            raise AssertionError("read")

    segments = [Unread(0, 100), Unread(10, 100), Unread(20, 100)]
    for config in (
        LogConfig(retention_ms=-1),
        LogConfig(retention_ms=-1, retention_bytes=100),
        LogConfig(cleanup_policy=frozenset(("compact",)), retention_ms=0),
    ):
        plan_deletion(segments, config, log_start_offset=10, log_end_offset=30, high_watermark=30, now_ms=NOW_MS)


def in_passes(segments: list[Facts], config: LogConfig, start: int, end: int, committed: int) -> list[Reason]:
    """As Kafka: all that lies below the start, then by size of what is left, then by age of what is left."""
    gone: list[Reason] = []

    def end_of(index: int) -> int:
        return segments[index + 1].base_offset if index + 1 < len(segments) else end

    def delete(reason: Reason, limit_reached: list[bool]) -> None:
        for index in range(len(gone), len(segments)):
            last_and_empty = index + 1 == len(segments) and not segments[index].size_bytes
            if committed < end_of(index) or last_and_empty or not limit_reached[index]:
                return
            gone.append(reason)

    delete(START, [index + 1 < len(segments) and end_of(index) <= start for index in range(len(segments))])
    if config.deletes and config.retention_bytes >= 0:
        excess = sum(each.size_bytes for each in segments[len(gone) :]) - config.retention_bytes
        first = len(gone)
        sizes = [each.size_bytes for each in segments]
        delete(SIZE, [excess >= sum(sizes[first : index + 1]) for index in range(len(segments))])
    if config.deletes and config.retention_ms >= 0:
        delete(AGE, [NOW_MS - each.newest_ms > config.retention_ms for each in segments])
    return gone


@settings(max_examples=300, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    ages=st.lists(st.integers(-2, 6), min_size=6, max_size=6),
    retention_bytes=st.integers(-1, 12),
    retention_ms=st.integers(-1, 5),
    start=st.integers(0, 60),
    committed=st.integers(0, 60),
    policy=st.sampled_from([("delete",), ("compact",), ("delete", "compact"), ()]),
)
def test_as_kafka_in_passes(
    sizes: list[int],
    ages: list[int],
    retention_bytes: int,
    retention_ms: int,
    start: int,
    committed: int,
    policy: tuple[str, ...],
) -> None:
    segments = facts(sizes, ages[: len(sizes)])
    config = LogConfig(retention_bytes=retention_bytes, retention_ms=retention_ms, cleanup_policy=frozenset(policy))
    end = 10 * len(segments)
    start = min(start, end)
    expected = in_passes(segments, config, start, end, min(committed, end))
    assert plan(segments, config, start=start, committed=min(committed, end)) == expected
