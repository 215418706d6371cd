"""The tables of docs/PERFORMANCE.md and of the README, made from the figures kept in docs/performance.

In a document a table stands between `<!-- table NAME -->` and `<!-- end -->`, and is nobody's to edit.
"""

import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).parents[1]
DOCUMENTS = (_CHECKOUT / "docs" / "PERFORMANCE.md", _CHECKOUT / "README.md")
DIRECTORY = _CHECKOUT / "docs" / "performance"

_BLOCK = re.compile(r"(<!-- table (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Content = Mapping[str, Any]
"""What `--json` of a benchmark has written."""


_CLIENT_LIMITED = "\\*: a thread of the client had no time left in most rounds, so the broker could do more.\n\n"


def is_compared(row: Content) -> bool:
    """Whether a row's ratio says something of both brokers.

    What a loaded broker's memory grows by does not: it is measured once, and a JVM's whole heap is resident by then.
    """
    return row["no_worse"] is not None or len(row["ratios"]) > 1


def load(name: str) -> Content:
    """Read the figures that are kept under this name: bench, scale or endurance."""
    content: Content = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return content


def render(document: str) -> str:
    """Return the document with the tables as the figures have them."""

    def filled(block: re.Match[str]) -> str:
        figures, table = TABLES[block["name"]]
        return f"{block[1]}{table(load(figures))}{block[3]}"

    return _BLOCK.sub(filled, document)


def bench(content: Content) -> str:
    """Every row of a comparison, and what it ran on."""
    ours, *peer = content["brokers"]
    heading = ["", "", ours, *peer]
    if peer:
        heading += ["ratio", "no worse"]
    rows = [[*heading, "to reach", ""]]
    previous = None
    for row in content["summary"]:
        cells = ["" if row["step"] == previous else row["step"], row["figure"]]
        cells += [_cell(row, name) for name in content["brokers"]]
        if peer:
            cells += [
                _spread(row["ratios"], 2) if row["ratios"] and is_compared(row) else "",
                _word(row["no_worse"], "yes", "**no**"),
            ]
        rows.append([*cells, row["goal"] or "", _word(row["reached"], "reached", "missed")])
        previous = row["step"]
    limited = any(row["client_limited"] for row in content["summary"])
    return f"{_markdown(rows, text_columns=2)}\n{_CLIENT_LIMITED if limited else ''}{_machine(content)}\n"


def headline(content: Content) -> str:
    """The rows of a comparison that are compared, with medians and ratios only."""
    rows = [["", *content["brokers"], "ratio"]]
    for row in content["summary"]:
        if is_compared(row):
            medians = [f"{row['medians'][name]:,.{row['digits']}f}" for name in content["brokers"]]
            ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
            rows.append([f"{row['step']}: {row['figure']}", *medians, ratio])
    return f"{_markdown(rows, text_columns=1)}\n{_machine(content)}\n"


def scale(content: Content) -> str:
    """Every point, a line for each."""
    rows = [["", "", "broker CPU, µs a request", "RSS, MB", "another's produce p50, ms", "p99, ms"]]
    previous = None
    for point in content["points"]:
        rows.append(
            [
                "" if point["dimension"] == previous else point["dimension"],
                f"{point['count']:,}",
                *("" if point[key] is None else f"{point[key]:,.1f}" for key in ("cpu_us", "rss_mb")),
                *(f"{point[key]:,.2f}" for key in ("bystander_p50_ms", "bystander_p99_ms")),
            ]
        )
        previous = point["dimension"]
    return f"{_markdown(rows, text_columns=1)}\n{_machine(content)}\n"


def endurance(content: Content) -> str:
    """Memory after the first, the last and the largest round, and what retention left on disk."""
    rows = [["", "rounds", "RSS after the first, MB", "after the last, MB", "largest, MB", "kept at most, MB"]]
    for name, rounds in content["endurance"].items():
        rss, kept = rounds["rss_mb"], rounds["kept_mb"]
        figures = [f"{each:,.1f}" for each in (rss[0], rss[-1], max(rss))]
        rows.append([name, f"{len(rss)} x {content['bytes_a_round'] / 1e6:,.0f} MB", *figures, f"{max(kept):,.0f}"])
    return f"{_markdown(rows, text_columns=1)}\n{_machine(content)}\n"


TABLES: Mapping[str, tuple[str, Callable[[Content], str]]] = {
    "bench": ("bench", bench),
    "headline": ("bench", headline),
    "scale": ("scale", scale),
    "endurance": ("endurance", endurance),
}
"""The tables by name: of which figures, and what makes them."""


def _cell(row: Mapping[str, Any], broker: str) -> str:
    return _spread(row["values"][broker], row["digits"]) + ("\\*" if broker in row["client_limited"] else "")


def _spread(values: Sequence[float], digits: int) -> str:
    text = f"{statistics.median(values):,.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):,.{digits}f}-{max(values):,.{digits}f})"
    return text


def _word(verdict: bool | None, good: str, bad: str) -> str:
    return "" if verdict is None else good if verdict else bad


def _machine(content: Content) -> str:
    machine = content["machine"]
    return (
        f"{machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['memory_mb'] / 1000:.0f} GB, "
        f"{machine['system']}, Python {machine['python']}."
    )


def _markdown(rows: Sequence[Sequence[str]], text_columns: int) -> str:
    """A table whose first columns are text; the first row is the heading."""
    rule = ["---"] * text_columns + ["--:"] * (len(rows[0]) - text_columns)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (rows[0], rule, *rows[1:]))
