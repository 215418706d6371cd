"""Figures of two brokers side by side, judged: median and spread, ratios of the rounds, what is to be reached.

Ratios are taken round by round, since the two runs of a round are seconds apart and share the machine's mood; that of
the row is their median.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from benchmarks.measurement import FIGURES, Figure, Measurement, table
from benchmarks.meter import CLIENT_LIMIT

_MARK = "*"
_LEGEND = """\
Median of the rounds (lowest - highest). For MB/s, messages/s and requests/s more is better, for all else less.
client: CPU of the client's busiest thread, in cores."""
_PEER_LEGEND = """\
ratio: the first broker's figure to the second's, of each round; median (lowest - highest).
no worse: whether that median is 1 or better; "-" where the figure is shown and not judged."""
_MARK_LEGEND = f"{_MARK} that thread had no time left in most rounds: the broker could do more."


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to reach: an absolute value, or the peer's times `of_peer`."""

    value: float | None = None
    of_peer: Fraction | None = None

    def text(self, figure: Figure) -> str:
        """As the table shows it: `≤ 100`, `≤ peer / 6`, `≥ 1.3 x peer`."""
        sign = "≥" if figure.more_is_better else "≤"
        if self.of_peer is None:
            return f"{sign} {self.value:,g}"
        if self.of_peer.numerator == 1:
            return f"{sign} peer / {self.of_peer.denominator}"
        return f"{sign} {float(self.of_peer):g} x peer"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one step, its values by broker and round.

    Attributes:
        judged: whether the row counts where the first broker is to be no worse than the second.
        client_cores: the client's busiest thread by broker, the median of the rounds.
    """

    step: str
    figure: Figure
    values: Mapping[str, Sequence[float]]
    goal: Goal | None = None
    judged: bool = True
    client_cores: Mapping[str, float] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        """The median of the rounds by broker."""
        return {name: statistics.median(each) for name, each in self.values.items()}

    @property
    def ratios(self) -> list[float]:
        """The first broker's value divided by the second's, round by round; empty with one broker or a peer's 0."""
        if len(self.values) < 2:
            return []
        ours, peers = self.values.values()
        return [] if min(peers) <= 0 else [our / peer for our, peer in zip(ours, peers, strict=True)]

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def no_worse(self) -> bool | None:
        """Whether the first broker is as good as the second in the median of the rounds; None where nobody asks."""
        if not self.judged or len(self.values) < 2:
            return None
        ours, peers = self.values.values()
        # Of differences, for a figure that may be 0: where ratios exist they say the same.
        difference = statistics.median(our - peer for our, peer in zip(ours, peers, strict=True))
        return difference >= 0 if self.figure.more_is_better else difference <= 0

    @property
    def reached(self) -> bool | None:
        """Whether the first broker has reached the goal; None without one, or without the peer that it names."""
        if self.goal is None:
            return None
        if self.goal.of_peer is None:
            assert self.goal.value is not None
            found, wanted = next(iter(self.medians.values())), self.goal.value
        elif self.ratio is None:
            return None
        else:
            found, wanted = self.ratio, float(self.goal.of_peer)
        return found >= wanted if self.figure.more_is_better else found <= wanted

    def limited(self, broker: str) -> bool:
        """Whether the client had no time left, where that cuts the figure short: a throughput."""
        return self.figure.more_is_better and self.client_cores.get(broker, 0.0) >= CLIENT_LIMIT

    def as_json(self) -> dict[str, object]:
        """What `--json` writes of it."""
        return {
            "step": self.step,
            "figure": self.figure.label,
            "more_is_better": self.figure.more_is_better,
            "digits": self.figure.digits,
            "values": {name: list(each) for name, each in self.values.items()},
            "medians": self.medians,
            "ratios": self.ratios,
            "ratio": self.ratio,
            "no_worse": self.no_worse,
            "goal": None if self.goal is None else self.goal.text(self.figure),
            "reached": self.reached,
            "client_cores": dict(self.client_cores),
            "client_limited": [name for name in self.values if self.limited(name)],
        }


def compare(
    step: str,
    key: str,
    measurements: Mapping[str, Sequence[Measurement]],
    goal: Goal | None = None,
    *,
    judged: bool = True,
) -> Row:
    """Take one figure out of each broker's measurements."""
    (figure,) = (each for each in FIGURES if each.key == key)
    values = {name: [each.figures()[key] for each in runs] for name, runs in measurements.items()}
    cores = {
        name: statistics.median(each.cost.client_busiest_thread for each in runs) for name, runs in measurements.items()
    }
    return Row(step, figure, values, goal, judged, cores)


def report(rows: Sequence[Row]) -> str:
    """The table with its legend."""
    brokers = list(rows[0].values)
    paired = len(brokers) > 1
    lines = [["", "", *brokers, *(["ratio", "no worse"] if paired else []), "to reach", "", "client"]]
    for row in rows:
        lines.append([row.step, row.figure.label, *(_cell(row, broker) for broker in brokers)])
        if paired:
            lines[-1] += [_ratio(row), {None: "-", True: "yes", False: "NO"}[row.no_worse]]
        lines[-1].append("" if row.goal is None else row.goal.text(row.figure))
        lines[-1].append({None: "", True: "reached", False: "missed"}[row.reached])
        lines[-1].append(" / ".join(f"{cores:.2f}" for cores in row.client_cores.values()))
    text = f"{table(lines)}\n\n{_LEGEND}"
    if paired:
        text += f"\n{_PEER_LEGEND}"
    if any(row.limited(broker) for row in rows for broker in brokers):
        text += f"\n{_MARK_LEGEND}"
    return text


def _cell(row: Row, broker: str) -> str:
    return _spread(row.values[broker], row.figure.digits) + (_MARK if row.limited(broker) else "")


def _ratio(row: Row) -> str:
    return _spread(row.ratios, 2) if row.ratios else "-"


def _spread(values: Sequence[float], digits: int) -> str:
    text = f"{statistics.median(values):,.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):,.{digits}f} - {max(values):,.{digits}f})"
    return text
