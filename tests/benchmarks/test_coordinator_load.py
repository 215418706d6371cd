"""Loading groups measured with few of them: that it runs, finds its offsets again and reports, never how fast."""

import json

import pytest

from benchmarks import coordinator_load
from benchmarks.client import LoadError
from benchmarks.coordinator_load import Plan, load


def test_load(capsys: pytest.CaptureFixture[str]) -> None:
    coordinator_load.main(["--groups", "30", "--offsets", "15", "--rounds", "2", "--json"])
    findings = json.loads(capsys.readouterr().out)
    assert [(len(each["values"]), each["limit"]) for each in findings] == [
        (2, 3_000),
        (2, None),
        (2, 250),
        (2, 5),
        (2, None),
        (2, None),
    ]
    assert all(min(each["values"]) > 0 for each in findings)


def test_an_offset_that_is_lost_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    right = coordinator_load._fetched_offsets

    def lose_one(answer: bytes) -> list[int]:
        return [-1, *right(answer)[1:]]

    monkeypatch.setattr(coordinator_load, "_fetched_offsets", lose_one)
    with pytest.raises(LoadError, match="group-00000 has other offsets than it has committed"):
        load(Plan(groups=2, offsets=3), rounds=1)
