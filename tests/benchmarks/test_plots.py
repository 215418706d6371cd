"""What is published: the tables in documents are those of the figures that are kept, and plots can be drawn."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots, tables

MACHINE = {"date": "2026-01-02", "system": "Linux 6", "processor": "CPU", "cores": 2, "memory_mb": 8_000, "python": "3"}


def row(step: str, figure: str, ours: list[float], peers: list[float], **more: Any) -> dict[str, Any]:
    return {
        "step": step,
        "figure": figure,
        "more_is_better": False,
        "digits": 1,
        "values": {"Ottla": ours, "Peer": peers},
        "medians": {"Ottla": sorted(ours)[len(ours) // 2], "Peer": sorted(peers)[len(peers) // 2]},
        "ratios": [our / peer for our, peer in zip(ours, peers, strict=True)],
        "ratio": 0.5,
        "no_worse": True,
        "goal": None,
        "reached": None,
        "client_limited": [],
        **more,
    }


BENCH = {
    "machine": MACHINE,
    "brokers": ["Ottla", "Peer"],
    "summary": [
        row("produce", "broker CPU s/GB", [1, 2, 3], [4, 4, 4], goal="≤ peer / 6", reached=False),
        row("produce", "MB/s", [9], [4], more_is_better=True, client_limited=["Ottla"], no_worse=None),
        row("produce", "p99 µs", [7, 8], [6, 8], no_worse=None),
        row("alone", "p50 µs", [8], [4], goal="≤ 9", reached=True, no_worse=False),
    ],
    "endurance": {"Ottla": {"rss_mb": [1], "kept_mb": [1]}},
}
SCALE = {
    "machine": MACHINE,
    "points": [
        {"dimension": each, "count": count, "cpu_us": 1.5, "rss_mb": None, "bystander_p50_ms": 1, "bystander_p99_ms": 2}
        for each in ("topics", "groups")
        for count in (1, 1_000)
    ],
}
ENDURANCE = {
    "machine": MACHINE,
    "bytes_a_round": 500_000_000,
    "endurance": {name: {"rss_mb": [30.0, 31.0], "kept_mb": [60, 61]} for name in ("Ottla", "Peer")},
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place to publish to, with a document that wants every table."""
    document = tmp_path / "PERFORMANCE.md"
    document.write_text("# How fast\n" + "".join(f"<!-- table {name} -->\n<!-- end -->\n" for name in tables.TABLES))
    for module in (tables, plots):
        monkeypatch.setattr(module, "DIRECTORY", tmp_path / "performance")
        monkeypatch.setattr(module, "DOCUMENTS", (document,))
    return document


@pytest.mark.parametrize("document", tables.DOCUMENTS, ids=lambda document: document.name)
def test_a_document_agrees_with_the_figures_kept(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert "<!-- table " in text
    assert tables.render(text) == text, "run: python -m benchmarks.plots"


def test_the_document_shows_what_is_kept() -> None:
    document = tables.DOCUMENTS[0].read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(performance/([\w.]+)\)", document))
    kept = {path.name for path in tables.DIRECTORY.iterdir()}
    assert {f"{name}.svg" for kind in plots.PLOTS.values() for name in kind} <= shown
    assert shown == kept


def test_files_are_taken_over_drawn_and_tabled(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for number, content in enumerate((BENCH, SCALE, ENDURANCE)):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(content))
    assert plots.main([str(each) for each in files]) == 0
    directory = published.parent / "performance"
    pictures = ["cpu.svg", "endurance.svg", "latency.svg", "ratios.svg", "scale.svg"]
    assert sorted(path.name for path in directory.glob("*.svg")) == pictures
    text = published.read_text()
    assert (
        "| produce | broker CPU s/GB | 2.0 (1.0-3.0) | 4.0 (4.0-4.0) | 0.50 (0.25-0.75) | yes | ≤ peer / 6 | missed |"
        in text
    )
    # Once, and judged by nobody: shown without a ratio, and only in the full table.
    assert "|  | MB/s | 9.0\\* | 4.0 |  |  |  |  |" in text
    assert "| produce: MB/s |" not in text
    assert text.count("\\*: a thread of the client had no time left") == 1
    # In rounds, and judged by nobody: it belongs to the whole picture.
    assert "| produce: p99 µs | 8.0 | 8.0 | 0.50 |" in text
    assert "| alone | p50 µs | 8.0 | 4.0 | 2.00 | **no** | ≤ 9 | reached |" in text
    assert "| produce: broker CPU s/GB | 2.0 | 4.0 | 0.50 |" in text
    assert "| topics | 1 | 1.5 |  | 1.00 | 2.00 |" in text
    assert "| Ottla | 2 x 500 MB | 30.0 | 31.0 | 31.0 | 61 |" in text
    assert "2026-01-02: CPU, 2 cores, 8 GB, Linux 6, Python 3." in text
    drawn = {each: (directory / each).read_bytes() for each in pictures}
    assert plots.main([]) == 0
    assert {each: (directory / each).read_bytes() for each in pictures} == drawn
    assert published.read_text() == text


def test_one_broker_alone_has_no_ratios_to_draw() -> None:
    assert plots.ratios({"brokers": ["Ottla"], "summary": [row("a", "s", [1], [1], no_worse=None)]}) is None


@pytest.mark.parametrize(("text", "said"), [("[", "Expecting value"), ("{}", "was not written by bench")])
def test_other_files_are_refused(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    before = published.read_text()
    assert plots.main([str(file)]) == 1
    assert said in capsys.readouterr().err
    assert published.read_text() == before
