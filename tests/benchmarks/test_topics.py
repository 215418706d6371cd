"""The benchmarks of topics, with few of them: that they run and report, never how fast."""

import json

import pytest

from benchmarks import topics
from benchmarks.client import LoadError
from benchmarks.kafka import KafkaBroker
from benchmarks.ottla_process import OttlaBroker
from benchmarks.topics_life import write_first
from benchmarks.topics_wire import TopicsConnection, led_partitions, metadata_request
from tests.benchmarks.test_smoke import broker, target_of

__all__ = ["broker"]

FEW = ["--topics", "3", "--partitions", "2", "--rounds", "2", "--json"]


def place(broker: OttlaBroker | KafkaBroker) -> list[str]:
    return ["--bootstrap", broker.bootstrap, "--pid", str(broker.pid)]


def test_life(broker: OttlaBroker | KafkaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    topics.main(["life", *place(broker), *FEW])
    findings = json.loads(capsys.readouterr().out)
    assert [finding["limit"] for finding in findings] == [500, None, 20, 1_000, None, None, None, None, 20, None, None]
    assert all(len(finding["values"]) == 2 for finding in findings[:-2])
    assert all(min(finding["values"]) > 0 for finding in findings[:-2] if "longest" not in finding["figure"])


def test_metadata(broker: OttlaBroker | KafkaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    topics.main(["metadata", *place(broker), *FEW, "--requests", "3"])
    findings = json.loads(capsys.readouterr().out)
    assert [finding["limit"] for finding in findings] == [10, 100, 10, 100, 10, 10, 100, 10, 100, 10, 100, None, None]
    assert all(min(finding["values"]) > 0 for finding in findings)


def test_without_a_pid_there_is_no_cpu_time(ottla: OttlaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    topics.main(["metadata", "--bootstrap", ottla.bootstrap, *FEW[:-1], "--requests", "3"])
    printed = capsys.readouterr().out
    assert "at the client" in printed
    assert "CPU" not in printed


def test_restart(capsys: pytest.CaptureFixture[str]) -> None:
    assert topics.main(["restart", "--counts", "100", "--rounds", "1", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert len(findings) == 8
    assert all(min(finding["values"]) > 0 for finding in findings)


def test_a_topic_that_is_there_already_is_an_error(ottla: OttlaBroker) -> None:
    with TopicsConnection(target_of(ottla)) as connection:
        connection.create(["twice"], 1)
        assert led_partitions(connection.ask(metadata_request(["twice"]))[0]) == 1
        with pytest.raises(LoadError, match="'twice': 36"):
            connection.create(["twice"], 1)
        connection.delete(["twice"])
        with pytest.raises(LoadError, match="'twice': 3"):
            connection.delete(["twice"])


def test_a_partition_that_is_missing_is_an_error(ottla: OttlaBroker) -> None:
    with TopicsConnection(target_of(ottla)) as connection:
        connection.create(["small"], 1)
        with pytest.raises(LoadError, match="1 were refused"):
            write_first(target_of(ottla), ["small"], 2)
        connection.delete(["small"])
