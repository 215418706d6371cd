"""One measured run of a workload, the figures derived from it, and how they are shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.meter import Cost

MB = 1_000_000
GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """How one figure is shown: its key in the JSON, its heading and unit, its digits; and which way is good."""

    key: str
    label: str
    digits: int
    more_is_better: bool = False


FIGURES = (
    Figure("mb_per_s", "MB/s", 1, more_is_better=True),
    Figure("messages_per_s", "messages/s", 0, more_is_better=True),
    Figure("latency_p50_us", "p50 µs", 0),
    Figure("latency_p99_us", "p99 µs", 0),
    Figure("broker_cpu_s_per_gb", "broker CPU s/GB", 3),
    Figure("broker_cpu_ns_per_message", "broker CPU ns/message", 0),
    Figure("broker_rss_mb", "broker RSS MB", 1),
    Figure("client_cpu_s", "client CPU s", 2),
    Figure("client_busiest_thread", "client's busiest thread, cores", 2),
    Figure("seconds", "seconds", 2),
    Figure("messages", "messages", 0),
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A workload's counts, its cost, and where it measures latencies, those in seconds.

    Attributes:
        bytes: bytes of the messages' values; what stands around them on the wire does not count.
    """

    workload: str
    messages: int
    bytes: int
    cost: Cost
    latencies_s: Sequence[float] = ()

    def figures(self) -> dict[str, float]:
        """The measured and derived figures by the keys of `FIGURES`; MB and GB are decimal."""
        cost = self.cost
        figures = {
            "mb_per_s": self.bytes / MB / cost.seconds,
            "messages_per_s": self.messages / cost.seconds,
            "seconds": cost.seconds,
            "messages": float(self.messages),
            "client_cpu_s": cost.client_cpu_s,
            "client_busiest_thread": cost.client_busiest_thread,
        }
        if cost.broker_cpu_s is not None:
            if not self.latencies_s:  # CPU per byte says nothing of single messages
                figures["broker_cpu_s_per_gb"] = cost.broker_cpu_s / self.bytes * GB
            figures["broker_cpu_ns_per_message"] = cost.broker_cpu_s / self.messages * 1e9
        if cost.broker_rss_bytes is not None:
            figures["broker_rss_mb"] = cost.broker_rss_bytes / MB
        if self.latencies_s:
            figures["latency_p50_us"] = percentile(self.latencies_s, 0.50) * 1e6
            figures["latency_p99_us"] = percentile(self.latencies_s, 0.99) * 1e6
        return figures

    def as_json(self) -> dict[str, object]:
        """What `--json` writes of it."""
        return {"workload": self.workload, "client_limited": self.cost.client_limited, **self.figures()}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed: the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def show(figure: Figure, value: float) -> str:
    """Format a figure's value with its digits and thousands separators."""
    return f"{value:,.{figure.digits}f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align rows in plain columns, the first to the left and the others to the right; the first row is the heading."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def present(figures: Mapping[str, float]) -> list[Figure]:
    """The known figures that are among these, in the order in which they are shown."""
    return [figure for figure in FIGURES if figure.key in figures]
