"""A few hundred messages through every workload and command: that they run and report, never how fast."""

import json
from pathlib import Path

import pytest

from benchmarks import bad_connections, bench, client, endurance, footprint, load, start
from benchmarks.client import LoadError, Target
from benchmarks.comparison import Row, report
from benchmarks.kafka import KafkaBroker
from benchmarks.measurement import Figure
from benchmarks.ottla_process import OttlaBroker
from benchmarks.plan import PLAN
from benchmarks.raw_connections import first_answer
from benchmarks.wire import connect, free_ports, produce_error_position, produce_request
from benchmarks.workloads import WORKLOADS
from tests.support.java import FETCH_TIMEOUT_S, require_kafka

COUNTS = {"produce": 300, "produce-java": 300, "consume": 300, "latency": 20, "end-to-end": 20, "connections": 300}


@pytest.fixture(params=["ottla", pytest.param("kafka", marks=pytest.mark.timeout(FETCH_TIMEOUT_S))])
def broker(request: pytest.FixtureRequest) -> OttlaBroker | KafkaBroker:
    """Each of the brokers in turn."""
    found: OttlaBroker | KafkaBroker = request.getfixturevalue(request.param)
    return found


def target_of(broker: OttlaBroker | KafkaBroker) -> Target:
    return Target(broker.bootstrap, broker.pid)


@pytest.mark.timeout(FETCH_TIMEOUT_S)
@pytest.mark.parametrize("workload", list(WORKLOADS))
def test_workload(broker: OttlaBroker | KafkaBroker, workload: str) -> None:
    if workload == "produce-java":
        require_kafka()
    count = COUNTS[workload]
    measurement = load.run(target_of(broker), workload, messages=count, message_bytes=200, partitions=2, connections=5)
    # The connections' answers are counted by the handful that is ready at a time.
    assert measurement.messages == count or (workload == "connections" and count <= measurement.messages < count + 5)
    assert measurement.bytes == measurement.messages * 200
    figures = measurement.figures()
    assert figures["mb_per_s"] > 0
    assert figures["broker_cpu_ns_per_message"] > 0
    assert figures["broker_rss_mb"] > 1
    assert figures["client_cpu_s"] > 0
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
    words = f"--rounds 2 --warm-up 0 --starts 1 --scale 0.002 --data-dir {tmp_path} --json {file}"
    assert bench.main(words.split()) == 0
    printed = capsys.readouterr().out
    assert "ratio" not in printed.splitlines()[0]
    measured = json.loads(file.read_text())
    steps = [step for step in PLAN if not step.needs_java]
    assert list(measured["rounds"]) == [step.title for step in steps]
    assert [len(by_broker["Ottla"]) for by_broker in measured["rounds"].values()] == [2] * len(steps)
    assert len(measured["endurance"]["Ottla"]["rss_mb"]) > 1
    assert len(measured["summary"]) == sum(len(step.shown) for step in steps) + 6
    for row in measured["summary"]:
        assert row["step"] in printed
        assert row["no_worse"] is None
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_bench_side_by_side(ottla: OttlaBroker, kafka: KafkaBroker) -> None:
    brokers = [ottla, kafka]
    rows = bench.rows(bench.run(brokers, 1, warm_up_rounds=0, scale=0.002))
    assert [list(row.values) for row in rows] == [[ottla.name, kafka.name]] * len(rows)
    assert all(row.no_worse is not None for row in rows if row.judged)
    assert all(row.reached is not None for row in rows if row.goal is not None)
    assert "ratio" in report(rows).splitlines()[0]


def test_bench_fails_where_the_peer_is_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = Figure("seconds", "s", 0)
    better, worse = (Row(step, figure, {"Ottla": [ours], "Kafka": [2.0]}) for step, ours in (("a", 1.0), ("b", 3.0)))
    for summary, code in (([better], 0), ([better, worse], 1)):
        measured = bench.Loaded({}, {}, {}, {}), summary
        monkeypatch.setattr(bench, "measure", lambda *_, measured=measured: measured)
        assert bench.main(["--peer", "kafka", "--data-dir", str(tmp_path)]) == code
    assert "Worse than kafka: b, s" in capsys.readouterr().err


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_footprint(broker: OttlaBroker | KafkaBroker) -> None:
    found = footprint.footprint(broker, footprint.Plan(20, 2, 1_000_000))
    assert found.first_ack_s > 0
    # The memory of twenty connections is lost in what else a broker does; the kinds of figures are what is tested.
    rows = footprint.rows({broker.name: [found]}, footprint.Plan(20, 2, 1_000_000))
    assert [row.step for row in rows] == ["start", "20 idle connections", "2 stalled consumers of 1 MB"]


def test_footprint_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"--rounds 1 --connections 200 --consumers 2 --bytes 1000000 --data-dir {tmp_path} --json"
    footprint.main(words.split())
    start_row, idle_row, _ = json.loads(capsys.readouterr().out)
    assert start_row["goal"] == "≤ 0.25"
    assert start_row["medians"]["Ottla"] > 0
    assert idle_row["medians"]["Ottla"] > 0


def test_a_fetch_that_brings_too_little_is_an_error(ottla: OttlaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "_fill", lambda target, topic, _count: first_record(target, topic))
    with pytest.raises(LoadError, match="a fetch of 1000000 bytes was answered with"):
        footprint.stalled_consumers_bytes(target_of(ottla), 1, 1_000_000)


def first_record(target: Target, topic: str) -> None:
    with connect(target.bootstrap, client.TIMEOUT_S) as connection:
        first_answer(connection, produce_request(topic, 0, b"x"), produce_error_position(topic))


def test_endurance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "endurance.json"
    endurance.main(f"--rounds 2 --bytes 80000000 --data-dir {tmp_path} --json {file}".split())
    assert "RSS after a round" in capsys.readouterr().out
    measured = json.loads(file.read_text())
    assert measured["bytes_a_round"] == 80_000_000
    rounds = measured["endurance"]["Ottla"]
    assert len(rounds["rss_mb"]) == len(rounds["kept_mb"]) == 2
    assert min(rounds["rss_mb"]) > 1
    assert 0 < max(rounds["kept_mb"]) < 80  # retention has deleted some of each round


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
