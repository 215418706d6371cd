"""Profiles of a short load: that there is a table and a picture, or a sentence where looking is not allowed."""

import os
from pathlib import Path

import pytest

from benchmarks import hot_spots

MAY_ATTACH = os.geteuid() == 0 or Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip() == "0"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = hot_spots.main(["connections", "--messages", "2000", *words])
    printed = capsys.readouterr()
    if not MAY_ATTACH:
        assert code == 1
        assert "attaching may need root" in printed.err
    else:
        assert code == 0
    return printed.out


def test_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stacks = tmp_path / "stacks"
    printed = run(capsys, "--rows", "5", "--stacks", str(stacks))
    if MAY_ATTACH:
        assert "with callees" in printed
        assert ";" in stacks.read_text()


def test_flame_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "connections.svg"
    run(capsys, "--flamegraph", str(picture))
    assert picture.exists() == MAY_ATTACH
    if MAY_ATTACH:
        assert "</svg>" in picture.read_text()


def test_without_py_spy_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hot_spots, "PROFILER", "py-spy-that-is-not-there")
    assert hot_spots.main(["latency"]) == 1
    assert "not installed" in capsys.readouterr().err
