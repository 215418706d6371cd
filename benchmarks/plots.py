"""Publishes figures: takes over what benchmarks wrote with `--json`, draws it, and renews the documents' tables.

python -m benchmarks.plots bench.json scale.json endurance.json
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.tables import DIRECTORY, DOCUMENTS, Content, is_compared, load, render

_KINDS = {"summary": "bench", "points": "scale", "endurance": "endurance"}
"""What a file is, by the first of these keys that it has; that of `bench` has an `endurance` of its own."""

_OURS, _PEERS, _WORSE = "#1f6feb", "#a0a7b0", "#d1242f"
_COLOURS = (_OURS, _PEERS)
_CPU_UNIT = "broker CPU s/GB"
_LATENCY_UNITS = ("p50 µs", "p99 µs")
_PLAIN = "{x:,g}"
"""How numbers on an axis are written: 1,000 and not 10 to the power of 3."""

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    # The same figures give the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "ottla",
}


class NotFigures(Exception):
    """A file that no benchmark wrote; the message is for the person at the terminal."""


def take_over(files: Sequence[Path]) -> None:
    """Copy files that benchmarks have written to where the figures are kept, each under the name of its kind.

    Raises:
        NotFigures: a file is not there, or of no kind that is known.
    """
    DIRECTORY.mkdir(exist_ok=True)
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            content = json.loads(text)
        except (OSError, ValueError) as error:
            raise NotFigures(f"{file}: {error}") from error
        kind = next((name for key, name in _KINDS.items() if key in content), None)
        if kind is None:
            raise NotFigures(f"{file} was not written by bench, scale or endurance with --json")
        (DIRECTORY / f"{kind}.json").write_text(text, encoding="utf-8")


def ratios(content: Content) -> Figure | None:
    """How many times better than the peer each compared figure is; None without a peer."""
    rows = [row for row in content["summary"] if is_compared(row) and row["ratios"]]
    if not rows:
        return None
    _, peer = content["brokers"]
    figure, (axes,) = _figure(1, height=0.34 * len(rows) + 1)
    for place, row in enumerate(reversed(rows)):
        better = sorted(each if row["more_is_better"] else 1 / each for each in row["ratios"])
        middle = better[len(better) // 2]
        axes.barh(place, middle - 1, left=1, color=_OURS if middle >= 1 else _WORSE, height=0.6)
        axes.plot([better[0], better[-1]], [place, place], color="black", linewidth=1)
        axes.annotate(f"{middle:.1f}x", (better[-1], place), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(rows)), [f"{row['step']}: {row['figure']}" for row in reversed(rows)])
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_PLAIN)
    axes.axvline(1, color="black", linewidth=1)
    axes.margins(x=0.15)
    axes.set_xlabel(f"times better than {peer} (log scale; line: lowest to highest of the rounds)")
    return figure


def cpu(content: Content) -> Figure:
    """Broker CPU for each GB, by workload and broker."""
    figure, (axes,) = _figure(1, height=3.2)
    _bars(axes, content, [row for row in content["summary"] if row["figure"] == _CPU_UNIT])
    axes.set_ylabel("broker CPU, s/GB (less is better)")
    return figure


def latency(content: Content) -> Figure:
    """Latency of one message at a time, by percentile and broker."""
    figure, (axes,) = _figure(1, height=3.2)
    _bars(axes, content, [row for row in content["summary"] if row["figure"] in _LATENCY_UNITS], with_unit=True)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_PLAIN)
    axes.set_ylabel("µs (log scale, less is better)")
    return figure


def scale(content: Content) -> Figure:
    """CPU, memory and another client's latency against how many there are."""
    panels = (
        ("cpu_us", "broker CPU, µs a request"),
        ("rss_mb", "broker RSS, MB"),
        ("bystander_p99_ms", "another's produce p99, ms"),
    )
    figure, all_axes = _figure(len(panels), height=3)
    for axes, (key, label) in zip(all_axes, panels, strict=True):
        for dimension in dict.fromkeys(point["dimension"] for point in content["points"]):
            points = [each for each in content["points"] if each["dimension"] == dimension and each[key] is not None]
            axes.plot([each["count"] for each in points], [each[key] for each in points], marker="o", label=dimension)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_PLAIN)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("how many")
        axes.set_title(label, fontsize=9)
    all_axes[0].legend()
    return figure


def endurance(content: Content) -> Figure:
    """Memory after each round, by broker."""
    figure, (axes,) = _figure(1, height=2.8)
    for colour, (name, rounds) in zip(_COLOURS, content["endurance"].items(), strict=False):
        rss_mb = rounds["rss_mb"]
        axes.plot(range(1, len(rss_mb) + 1), rss_mb, marker="o", color=colour, label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"rounds of {content['bytes_a_round'] / 1e6:,.0f} MB")
    axes.set_ylabel("broker RSS, MB")
    axes.legend()
    return figure


PLOTS: Mapping[str, Mapping[str, Callable[[Content], Figure | None]]] = {
    "bench": {"ratios": ratios, "cpu": cpu, "latency": latency},
    "scale": {"scale": scale},
    "endurance": {"endurance": endurance},
}
"""What is drawn of which figures, by the name of the file."""


def _figure(panels: int, height: float) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(9, height), layout="constrained")
    axes: Any = figure.subplots(1, panels, squeeze=False)
    return figure, list(axes[0])


def _bars(axes: Axes, content: Content, rows: Sequence[Mapping[str, Any]], *, with_unit: bool = False) -> None:
    """Medians as bars, a group for each row, with a line from the lowest to the highest round."""
    brokers = content["brokers"]
    width = 0.8 / len(brokers)
    for index, broker in enumerate(brokers):
        places = [place + (index - (len(brokers) - 1) / 2) * width for place in range(len(rows))]
        medians = [row["medians"][broker] for row in rows]
        spread = [
            [middle - min(row["values"][broker]) for middle, row in zip(medians, rows, strict=True)],
            [max(row["values"][broker]) - middle for middle, row in zip(medians, rows, strict=True)],
        ]
        axes.bar(places, medians, width, yerr=spread, color=_COLOURS[index], label=broker, ecolor="black", capsize=2)
    labels = [row["step"].replace(", ", ",\n") + (f"\n{row['figure']}" if with_unit else "") for row in rows]
    axes.set_xticks(range(len(rows)), labels)
    axes.legend()


def draw() -> list[Path]:
    """Draw all that is kept and return the files written."""
    written = []
    with mpl.rc_context(_STYLE):
        for kind, plots in PLOTS.items():
            if not (DIRECTORY / f"{kind}.json").exists():
                continue
            for name, plot in plots.items():
                if (figure := plot(load(kind))) is not None:
                    written.append(DIRECTORY / f"{name}.svg")
                    figure.savefig(written[-1], metadata={"Date": None})
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: without files it draws and tables again what is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="written by a benchmark's --json")
    options = parser.parse_args(arguments)
    try:
        take_over(options.files)
    except NotFigures as error:
        print(error, file=sys.stderr)
        return 1
    written = draw()
    for document in DOCUMENTS:
        document.write_text(render(document.read_text(encoding="utf-8")), encoding="utf-8")
    for path in (*written, *DOCUMENTS):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
