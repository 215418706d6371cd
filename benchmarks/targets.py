"""Figures that are held to a target: over the rounds the worst one counts."""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException

from benchmarks.client import LoadError
from benchmarks.measurement import table
from benchmarks.ottla_process import OttlaFailed


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure, once a round, and what none of its values should exceed.

    Attributes:
        label: what it is, its unit last.
        limit: None where the figure is reported and not judged.
    """

    label: str
    values: Sequence[float]
    limit: float | None = None
    digits: int = 0

    @property
    def missed(self) -> bool:
        """Whether the worst value is beyond the limit."""
        return self.limit is not None and max(self.values) > self.limit

    def as_json(self) -> dict[str, object]:
        """What `--json` writes of it."""
        return {"figure": self.label, "values": list(self.values), "limit": self.limit, "missed": self.missed}


def report(findings: Sequence[Finding]) -> str:
    """A table of the figures, and of what became of their targets."""
    rows = [["", "median", "min", "max", "target", ""]]
    for finding in findings:
        figures = (statistics.median(finding.values), min(finding.values), max(finding.values))
        row = [finding.label, *(f"{each:,.{finding.digits}f}" for each in figures)]
        if finding.limit is None:
            row += ["", ""]
        else:
            row += [f"≤ {finding.limit:,g}", "missed" if finding.missed else "met"]
        rows.append(row)
    return table(rows)


def judge(measure: Callable[[], Sequence[Finding]], *, as_json: bool) -> int:
    """Print what a command has measured, and return its exit code: 1 when a target is missed or the run has failed."""
    try:
        findings = measure()
    except (LoadError, OttlaFailed, KafkaException, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps([each.as_json() for each in findings]) if as_json else report(findings))
    return int(any(each.missed for each in findings))
