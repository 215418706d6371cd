"""The arithmetic of the benchmarks: percentiles, derived figures, medians, ratios, tables."""

import os

import pytest

from benchmarks.comparison import compare, report
from benchmarks.hot_spots import HotSpot, hot_spots
from benchmarks.measurement import Measurement, percentile, table
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


def test_comparison_shows_medians_spread_ratio_and_the_limited_client() -> None:
    def runs(count: int, busiest: float) -> list[Measurement]:
        return [Measurement("produce", count * factor, 1_000_000, cost(1.0, 0.5, busiest)) for factor in (1, 2, 6)]

    row = compare("produce", "messages_per_s", {"Ottla": runs(1_000, 1.0), "Peer": runs(500, 0.3)})
    assert row.ratio == 2
    assert row.cell("Ottla") == "2,000 (1,000 - 6,000)*"
    assert row.cell("Peer") == "1,000 (500 - 3,000)"
    assert row.as_json() == {
        "step": "produce",
        "figure": "messages/s",
        "medians": {"Ottla": 2_000, "Peer": 1_000},
        "ratio": 2,
    }
    assert "* a thread of the client was at its limit" in report([row])


def test_one_broker_alone_has_no_ratio() -> None:
    row = compare("produce", "mb_per_s", {"Ottla": [Measurement("produce", 1, 1_000_000, cost(1.0))]})
    assert row.ratio is None
    assert "ratio" not in report([row]).splitlines()[0]


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
