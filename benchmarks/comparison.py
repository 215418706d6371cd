"""Figures of several brokers side by side: median and spread of each, and the ratio of the first to the second."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measurement import FIGURES, Measurement, table

_MARK = "*"
_LEGEND = """\
Median of the rounds (lowest - highest). Ratio: the first broker's median to the second's.
For MB/s and messages/s more is better, for all else less."""
_MARK_LEGEND = f"{_MARK} a thread of the client was at its limit in most rounds: the broker could do more."


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one step, its values by broker; `limited` names the brokers whose client was the limit."""

    step: str
    label: str
    values: Mapping[str, Sequence[float]]
    digits: int
    limited: frozenset[str] = frozenset()

    @property
    def ratio(self) -> float | None:
        """The first broker's median divided by the second's; None with one broker."""
        medians = [statistics.median(each) for each in self.values.values()]
        return medians[0] / medians[1] if len(medians) > 1 and medians[1] else None

    def cell(self, broker: str) -> str:
        """The table's cell of a broker."""
        values = self.values[broker]
        text = f"{statistics.median(values):,.{self.digits}f}"
        if len(values) > 1:
            text += f" ({min(values):,.{self.digits}f} - {max(values):,.{self.digits}f})"
        return text + (_MARK if broker in self.limited else "")

    def as_json(self) -> dict[str, object]:
        """What `--json` writes of it."""
        medians = {name: statistics.median(each) for name, each in self.values.items()}
        return {"step": self.step, "figure": self.label, "medians": medians, "ratio": self.ratio}


def compare(step: str, key: str, measurements: Mapping[str, Sequence[Measurement]]) -> Row:
    """Take one figure out of each broker's measurements."""
    (figure,) = (each for each in FIGURES if each.key == key)
    values = {name: [each.figures()[key] for each in runs] for name, runs in measurements.items()}
    # Only a throughput is cut short by a client at its limit.
    limited = {
        name
        for name, runs in measurements.items()
        if key in ("mb_per_s", "messages_per_s") and sum(each.cost.client_limited for each in runs) * 2 > len(runs)
    }
    return Row(step, figure.label, values, figure.digits, frozenset(limited))


def report(rows: Sequence[Row]) -> str:
    """The table with its legend."""
    brokers = list(rows[0].values)
    heading = ["", "", *brokers, *(["ratio"] if len(brokers) > 1 else [])]
    lines = [heading]
    for row in rows:
        ratio = [] if len(brokers) == 1 else ["-" if row.ratio is None else f"{row.ratio:.2f}"]
        lines.append([row.step, row.label, *(row.cell(broker) for broker in brokers), *ratio])
    text = f"{table(lines)}\n\n{_LEGEND}"
    return f"{text}\n{_MARK_LEGEND}" if any(row.limited for row in rows) else text
