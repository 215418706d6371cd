"""A few hundred messages through every workload and command: that they run and report, never how fast."""

import json
from pathlib import Path

import pytest

from benchmarks import bad_connections, bench, client, load, start
from benchmarks.client import LoadError, Target
from benchmarks.kafka import KafkaBroker
from benchmarks.ottla_process import OttlaBroker
from benchmarks.wire import free_ports
from benchmarks.workloads import WORKLOADS
from tests.support.java import FETCH_TIMEOUT_S

COUNTS = {"produce": 300, "consume": 300, "latency": 20, "end-to-end": 20, "connections": 300}


@pytest.fixture(params=["ottla", pytest.param("kafka", marks=pytest.mark.timeout(FETCH_TIMEOUT_S))])
def broker(request: pytest.FixtureRequest) -> OttlaBroker | KafkaBroker:
    """Each of the brokers in turn."""
    found: OttlaBroker | KafkaBroker = request.getfixturevalue(request.param)
    return found


def target_of(broker: OttlaBroker | KafkaBroker) -> Target:
    return Target(broker.bootstrap, broker.pid)


@pytest.mark.parametrize("workload", list(WORKLOADS))
def test_workload(broker: OttlaBroker | KafkaBroker, workload: str) -> None:
    count = COUNTS[workload]
    measurement = load.run(target_of(broker), workload, messages=count, message_bytes=200, partitions=2, connections=5)
    # The connections' answers are counted by the handful that is ready at a time.
    assert measurement.messages == count or (workload == "connections" and count <= measurement.messages < count + 5)
    assert measurement.bytes == measurement.messages * 200
    figures = measurement.figures()
    assert figures["mb_per_s"] > 0
    assert figures["broker_cpu_ns_per_message"] > 0
    assert figures["broker_rss_mb"] > 1
    assert ("latency_p99_us" in figures) == (workload in ("latency", "end-to-end"))


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_and_acknowledged_by_all(broker: OttlaBroker | KafkaBroker, compression: str) -> None:
    parameters = {"messages": 100, "compression": compression, "acks": "all", "idempotent": True}
    assert load.run(target_of(broker), "consume", **parameters).messages == 100


def test_time_is_a_bound_too(ottla: OttlaBroker) -> None:
    measurement = load.run(target_of(ottla), "latency", messages=1_000_000, seconds=0.05)
    assert 0 < measurement.messages < 1_000_000


def test_load_command_prints_json(ottla: OttlaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["produce", "--bootstrap", ottla.bootstrap, "--pid", str(ottla.pid), "--messages", "100", "--json"]
    assert load.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["workload"] == "produce"
    assert printed["messages"] == 100
    assert printed["client_limited"] in (True, False)


def test_load_command_prints_a_table(ottla: OttlaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    assert load.main(["latency", "--bootstrap", ottla.bootstrap, "--messages", "10"]) == 0
    printed = capsys.readouterr().out
    assert "p99 µs" in printed
    assert "broker" not in printed.partition("client")[0]


def test_load_reports_the_brokers_error(ottla: OttlaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    too_large = ["connections", "--bootstrap", ottla.bootstrap, "--message-bytes", "2000000", "--connections", "1"]
    assert load.main(too_large) == 1
    assert "error code 10" in capsys.readouterr().err  # MESSAGE_TOO_LARGE


def test_bench_of_ottla_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    arguments = [
        "--rounds",
        "2",
        "--warm-up",
        "0",
        "--scale",
        "0.002",
        "--data-dir",
        str(tmp_path),
        "--json",
        str(file),
    ]
    assert bench.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "ratio" not in printed.splitlines()[0]
    for step in bench.PLAN:
        assert step.title in printed
    measured = json.loads(file.read_text())
    assert [len(by_broker["Ottla"]) for by_broker in measured["rounds"].values()] == [2] * len(bench.PLAN)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_bench_side_by_side(ottla: OttlaBroker, kafka: KafkaBroker) -> None:
    brokers = [ottla, kafka]
    results = bench.run_rounds(brokers, 1, warm_up_rounds=0, scale=0.002)
    rows = bench.rows(results, brokers)
    assert [list(row.values) for row in rows] == [[ottla.name, kafka.name]] * len(rows)
    assert all(row.ratio is not None for row in rows)
    assert "ratio" in bench.report(rows).splitlines()[0]


def test_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert start.main(["--runs", "1", "--idle-seconds", "0.1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert len(printed["start_ms"]) == len(printed["stop_ms"]) == 1
    assert printed["modules"] > 50
    assert printed["idle_rss_mb"] > 1
    assert "idle CPU" in start.report(start.StartFigures(**printed))


def test_bad_connections(broker: OttlaBroker | KafkaBroker) -> None:
    count = 2 * len(bad_connections.KINDS)
    outcome = bad_connections.run(target_of(broker), max(count, 100), baseline=count)
    assert not any(outcome.left_open.values()), outcome.left_open
    assert outcome.bystander_answers == 1
    assert outcome.baseline_rss_mb > 1
    assert "growth" in bad_connections.report(outcome)


def test_a_broker_that_is_not_there_is_a_load_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_S", 0.5)
    (port,) = free_ports(1)
    with pytest.raises(LoadError):
        load.run(Target(f"127.0.0.1:{port}"), "produce", messages=1)
