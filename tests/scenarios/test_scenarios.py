"""Every scenario puts out what its file says; after a wanted change see `python -m tests.scenarios.rewrite`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .commands import Scenario
from .datadriven import run
from .rewrite import DIRECTORY


@pytest.mark.parametrize("path", sorted(DIRECTORY.glob("*.txt")), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    text = path.read_text()
    assert run(text, Scenario().execute) == text
