"""The arithmetic of the benchmarks: percentiles, derived figures, medians, ratios, tables."""

import os
from collections.abc import Sequence
from fractions import Fraction

import pytest

from benchmarks.comparison import Goal, Row, compare, report
from benchmarks.hot_spots import HotSpot, hot_spots
from benchmarks.measurement import Figure, Measurement, percentile, table
from benchmarks.meter import Cost, Meter, cpu_seconds, resident_bytes


def cost(seconds: float = 2.0, broker_cpu_s: float | None = 0.5, busiest: float = 0.5) -> Cost:
    return Cost(
        seconds=seconds,
        broker_cpu_s=broker_cpu_s,
        broker_rss_bytes=None if broker_cpu_s is None else 30_000_000,
        client_cpu_s=1.0,
        client_busiest_thread=busiest,
    )


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_percentile_of_one_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_figures_of_a_bulk_run() -> None:
    figures = Measurement("produce", 1_000_000, 1_000_000_000, cost()).figures()
    assert figures["mb_per_s"] == 500
    assert figures["messages_per_s"] == 500_000
    assert figures["broker_cpu_s_per_gb"] == 0.5
    assert figures["broker_cpu_ns_per_message"] == 500
    assert figures["broker_rss_mb"] == 30
    assert "latency_p50_us" not in figures


def test_figures_without_a_broker_pid_leave_the_broker_out() -> None:
    figures = Measurement("produce", 10, 100, cost(broker_cpu_s=None)).figures()
    assert not [key for key in figures if key.startswith("broker_")]


def test_figures_of_latencies_leave_cpu_per_byte_out() -> None:
    figures = Measurement("latency", 3, 300, cost(), [0.001, 0.002, 0.009]).figures()
    assert figures["latency_p50_us"] == pytest.approx(2_000)
    assert figures["latency_p99_us"] == pytest.approx(9_000)
    assert "broker_cpu_s_per_gb" not in figures


def row(ours: Sequence[float], peers: Sequence[float], goal: Goal | None = None, *, more: bool = False) -> Row:
    return Row("step", Figure("key", "unit", 0, more_is_better=more), {"Ottla": ours, "Peer": peers}, goal)


def test_comparison_shows_medians_spread_ratio_and_the_limited_client() -> None:
    def runs(count: int, busiest: float) -> list[Measurement]:
        return [Measurement("produce", count * factor, 1_000_000, cost(1.0, 0.5, busiest)) for factor in (1, 2, 6)]

    goal = Goal(of_peer=Fraction(3, 2))
    compared = compare("produce", "messages_per_s", {"Ottla": runs(1_000, 1.0), "Peer": runs(500, 0.3)}, goal)
    printed = report([compared])
    assert "1,000 - 6,000)*" in printed
    assert "500 - 3,000) " in printed
    assert "≥ 1.5 x peer  reached  1.00 / 0.30" in printed
    assert "* that thread had no time left" in printed
    assert compared.as_json() == {
        "step": "produce",
        "figure": "messages/s",
        "more_is_better": True,
        "digits": 0,
        "values": {"Ottla": [1_000, 2_000, 6_000], "Peer": [500, 1_000, 3_000]},
        "medians": {"Ottla": 2_000, "Peer": 1_000},
        "ratios": [2, 2, 2],
        "ratio": 2,
        "no_worse": True,
        "goal": "≥ 1.5 x peer",
        "reached": True,
        "client_cores": {"Ottla": 1.0, "Peer": 0.3},
        "client_limited": ["Ottla"],
    }


def test_ratios_are_those_of_the_rounds() -> None:
    # The machine was busy in the second round, and in the third for the peer alone.
    compared = row([1, 10, 1], [2, 20, 100])
    assert compared.ratios == [0.5, 0.5, 0.01]
    assert compared.ratio == 0.5


@pytest.mark.parametrize(
    ("ours", "peers", "more", "expected"),
    [
        ([1, 1, 3], [2, 2, 2], False, True),
        ([1, 3, 3], [2, 2, 2], False, False),
        ([1, 3, 3], [2, 2, 2], True, True),
        ([1, 1, 3], [2, 2, 2], True, False),
        ([2], [2], False, True),
        ([2], [2], True, True),
        ([1], [0], False, False),
        ([0], [0], False, True),
    ],
)
def test_no_worse_is_judged_by_the_median_of_the_rounds(
    ours: list[float], peers: list[float], more: bool, expected: bool
) -> None:
    assert row(ours, peers, more=more).no_worse is expected


@pytest.mark.parametrize(
    ("goal", "more", "text", "reached"),
    [
        (Goal(10), False, "≤ 10", True),
        (Goal(5), False, "≤ 5", False),
        (Goal(of_peer=Fraction(1, 2)), False, "≤ peer / 2", True),
        (Goal(of_peer=Fraction(1, 6)), False, "≤ peer / 6", False),
        (Goal(of_peer=Fraction(13, 10)), True, "≥ 1.3 x peer", False),
        (Goal(of_peer=Fraction(3, 10)), True, "≥ 0.3 x peer", True),
    ],
)
def test_goals(goal: Goal, more: bool, text: str, reached: bool) -> None:
    compared = row([5, 8, 9], [16, 16, 16], goal, more=more)
    assert goal.text(compared.figure) == text
    assert compared.reached is reached


def test_a_goal_of_a_peer_that_is_not_there_is_neither_reached_nor_missed() -> None:
    assert Row("step", Figure("key", "unit", 0), {"Ottla": [1]}, Goal(of_peer=Fraction(1, 2))).reached is None


def test_a_row_that_is_shown_only_is_not_judged() -> None:
    assert Row("step", Figure("key", "unit", 0), {"Ottla": [2], "Peer": [1]}, judged=False).no_worse is None


def test_one_broker_alone_has_no_ratio() -> None:
    compared = compare("produce", "mb_per_s", {"Ottla": [Measurement("produce", 1, 1_000_000, cost(1.0))]})
    assert compared.ratio is None
    assert compared.no_worse is None
    assert "ratio" not in report([compared]).splitlines()[0]


def test_table_aligns_its_columns() -> None:
    assert table([["", "a"], ["long", "1"], ["x", "22"]]).splitlines() == [
        "       a",
        "----  --",
        "long   1",
        "x     22",
    ]


def test_hot_spots_add_up_by_function_and_count_recursion_once() -> None:
    assert hot_spots(["run (a.py);read (b.py) 3", "run (a.py) 1", "run (a.py);walk (c.py);walk (c.py) 2"]) == [
        HotSpot("read (b.py)", own=3, total=3),
        HotSpot("walk (c.py)", own=2, total=2),
        HotSpot("run (a.py)", own=1, total=6),
    ]


def test_meter_counts_the_work_of_this_process() -> None:
    meter = Meter(os.getpid())
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) - before < 0.02:
        pass
    measured = meter.stop()
    assert measured.broker_cpu_s is not None
    assert measured.broker_cpu_s >= 0.02
    assert measured.client_cpu_s >= 0.02
    assert 0 <= measured.client_busiest_thread <= 1
    assert resident_bytes(os.getpid()) > 1_000_000
