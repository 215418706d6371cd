"""The benchmark of fairness, with little greed: that it runs and reports, never how long anybody waits."""

import json

import pytest

from benchmarks import fairness
from benchmarks.client import LoadError, Target
from benchmarks.fairness import WAIT_LIMIT_MS, Plan
from benchmarks.kafka import KafkaBroker
from benchmarks.meter import ProcessorWaits
from benchmarks.open_loop import Sample
from benchmarks.ottla_process import OttlaBroker
from benchmarks.targets import Finding
from tests.benchmarks.test_smoke import broker, target_of

__all__ = ["broker"]

SMALL = Plan(
    rounds=2,
    replies=2,
    reply_bytes=3_000_000,
    requests=400,
    crowd=4,
    members=5,
    requests_per_s=100,
    quiet_s=0.3,
    busy_s=0.3,
)
GREEDS = ["3 MB replies", "400 requests at once", "the same from 4 connections", "5 members join"]


def test_each_greed_is_held_to_the_limit(broker: OttlaBroker | KafkaBroker) -> None:
    findings = fairness.fairness(target_of(broker), SMALL)
    judged = [each for each in findings if each.limit is not None]
    assert [each.label.partition(":")[0] for each in judged] == GREEDS
    assert all(each.limit == WAIT_LIMIT_MS and len(each.values) == SMALL.rounds for each in judged)


def test_without_a_process_id_waits_are_compared_with_quiet_ones(ottla: OttlaBroker) -> None:
    findings = fairness.fairness(Target(ottla.bootstrap), SMALL)
    judged = [each.label for each in findings if each.limit is not None]
    assert judged == [f"{greed}: longest wait beyond the quiet one, ms" for greed in GREEDS]


def test_a_broker_that_works_long_for_others_misses_the_target() -> None:
    def findings_of(*samples: Sample) -> list[Finding]:
        phases = fairness.Phases()
        for name in (fairness._phase("greed", 0, quiet=True), fairness._phase("greed", 0)):
            phases._spans[name] = [(0.0, 10.0)]
        return fairness._findings(Plan(rounds=1), ["greed"], phases, samples, with_cpu=True)

    prompt, slow, seen_late = Sample(1.0, 0.5, 0.001, 0), Sample(2.0, 0.5, 0.021, 0), Sample(3.0, 0.5, 0.4, 0.4)
    assert not any(each.missed for each in findings_of(prompt, seen_late))
    judged, share, *_ = findings_of(prompt, slow, seen_late, seen_late)
    assert judged.missed
    assert judged.values == [21.0]
    assert share.values == [50.0]


def test_a_reply_that_is_too_small_is_no_greed(ottla: OttlaBroker) -> None:
    with pytest.raises(LoadError, match="bytes where"):
        fairness.fairness(Target(ottla.bootstrap), Plan(rounds=1, replies=1, reply_bytes=60_000_000, quiet_s=0.2))


def test_the_command_prints_what_it_found(
    ottla: OttlaBroker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairness, "Plan", lambda rounds=2, niceness=0: SMALL)
    fairness.main(["--bootstrap", ottla.bootstrap, "--pid", str(ottla.pid), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert [each["limit"] for each in printed].count(WAIT_LIMIT_MS) == len(GREEDS)


def test_a_thread_knows_how_long_it_waited_for_a_processor() -> None:
    waits = ProcessorWaits()
    before = waits.seconds()
    assert before >= 0
    assert waits.seconds() >= before
    waits.close()
