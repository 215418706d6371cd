"""The benchmarks of groups, with small groups: that they run and report, never how fast."""

import json

import pytest

from benchmarks import groups
from benchmarks.groups_rebalance import Plan, rebalance
from benchmarks.groups_settle import settle
from benchmarks.kafka import KafkaBroker
from benchmarks.ottla_process import OttlaBroker
from benchmarks.targets import Finding, report
from tests.benchmarks.test_smoke import broker, target_of

__all__ = ["broker"]


def test_settle(broker: OttlaBroker | KafkaBroker) -> None:
    findings = settle(target_of(broker), rounds=1, stock_rounds=1)
    assert len(findings) == 7
    assert all(each.values and min(each.values) > 0 for each in findings)


def test_rebalance(broker: OttlaBroker | KafkaBroker) -> None:
    plan = Plan(8, 16, 1, 100, slow_heartbeat_s=0.5, quick_heartbeat_s=0.1, quiet_s=0.5)
    findings = rebalance(target_of(broker), plan)
    by_label = {each.label: each for each in findings}
    assert by_label["8 join: stable, s"].limit == 3
    assert by_label["produce p99 meanwhile, ms"].values[0] > 0


def test_commit(broker: OttlaBroker | KafkaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--bootstrap", broker.bootstrap, "--pid", str(broker.pid)]
    groups.main(["commit", *place, "--rounds", "2", "--commits", "50", "--json"])
    findings = json.loads(capsys.readouterr().out)
    assert [finding["limit"] for finding in findings] == [60, None] * 3
    assert all(len(finding["values"]) == 2 and min(finding["values"]) > 0 for finding in findings)


def test_without_a_pid_there_is_no_cpu_time(ottla: OttlaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    assert groups.main(["commit", "--bootstrap", ottla.bootstrap, "--rounds", "1", "--commits", "20"]) == 0
    printed = capsys.readouterr().out
    assert "commits/s" in printed
    assert "CPU" not in printed


def test_the_worst_value_is_held_to_the_target() -> None:
    findings = [
        Finding("quick, ms", [1, 2, 9], limit=10),
        Finding("slow, ms", [1, 2, 11], limit=10),
        Finding("other, ms", [1.25, 1.75, 99], digits=1),
    ]
    assert [each.missed for each in findings] == [False, True, False]
    assert report(findings).splitlines() == [
        "           median  min   max  target",
        "---------  ------  ---  ----  ------  ------",
        "quick, ms       2    1     9    ≤ 10     met",
        "slow, ms        2    1    11    ≤ 10  missed",
        "other, ms     1.8  1.2  99.0",
    ]
