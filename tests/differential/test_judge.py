"""What a judge makes of a script, without brokers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import judge as judge_module
from .compare import Difference
from .coverage import Coverage
from .judge import Judge
from .peers import Peer
from .run import Exchange
from .script import Script, parse
from .settle import Unclean
from .side import Outcome, Side

SCRIPT = parse("c1.Metadata(5)\nc1.DescribeQuorum(1)\nc1.DescribeCluster(1)")


class FakeRunner:
    """Differs in every answer about the cluster; the first of them cannot be cleaned."""

    started = 0

    def __init__(self, kafka: Side, ottla: Side) -> None:
        type(self).started += 1
        self.is_cleanable = self.started > 1

    def clean(self) -> None:
        if not self.is_cleanable:
            raise Unclean("kafka: all groups are gone")

    def run(self, script: Script, silence_s: float) -> Iterator[Exchange]:
        for step in script:
            differs = step.api == "DescribeCluster"
            difference = Difference(("error_code",), 0, 1)
            yield Exchange(step, Outcome({"error_code": 0}), Outcome({"error_code": 1}), [difference] * differs, [])


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has become of the brokers, event by event."""
    events: list[str] = []

    @contextmanager
    def running_peers(parent: Path | None) -> Iterator[tuple[Peer, Peer]]:
        events.append("started")
        yield Peer("kafka", ("", 0), ()), Peer("ottla", ("", 0), ())
        events.append("stopped")

    monkeypatch.setattr(judge_module, "running_peers", running_peers)
    monkeypatch.setattr(judge_module, "Runner", FakeRunner)
    monkeypatch.setattr(FakeRunner, "started", 0)
    return events


def test_what_cannot_be_cleaned_is_begun_again(began: list[str]) -> None:
    with Judge() as judge:
        assert [exchange.step.api for exchange in judge.exchanges(SCRIPT)] == [step.api for step in SCRIPT]
        assert began == ["started", "stopped", "started"]
        list(judge.exchanges(SCRIPT))
    assert began == ["started", "stopped", "started", "stopped"]


def test_the_first_difference_that_nothing_explains_is_a_failure(began: list[str]) -> None:
    coverage = Coverage()
    with Judge() as judge:
        assert judge.run(SCRIPT[:2], coverage) is None
        failure = judge.run(SCRIPT, coverage)
    assert failure is not None
    assert str(failure).endswith("The answers differ to\nc1.DescribeCluster(1)\n    error_code: Kafka 0, Ottla 1\n")
    assert (coverage.scripts, coverage.total) == (1, 5)


def test_a_failure_is_made_short(began: list[str]) -> None:
    with Judge() as judge:
        failure = judge.run(SCRIPT)
        assert failure is not None
        assert judge.shrink(failure).script == SCRIPT[2:]
