"""benchmarks.container measures the image: that it runs and reports, never how fast."""

from __future__ import annotations

import json
import shutil

import pytest

from benchmarks import container

from .engine import require


def test_it_prints_json(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    require(None if shutil.which("docker") else "There is no docker on the PATH.")
    container.main(["--image", image, "--rounds", "1", "--json"])
    findings = json.loads(capsys.readouterr().out)
    assert len(findings) == 8
    assert all(value > 0 for each in findings for value in each["values"])


def test_an_image_that_is_not_there(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert container.main(["--image", f"{image}-but-not-this", "--rounds", "1"]) == 1
    assert "docker run failed" in capsys.readouterr().err
