"""Figures that are held to a target: over the rounds the worst one counts."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measurement import table


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
