"""Sequences come from their seed alone, and as text they are the same."""

from __future__ import annotations

import pytest

from .generator.scripts import generate
from .script import parse, render


@pytest.mark.parametrize("number", range(20))
def test_a_sequence_can_be_written_down_and_read(number: int) -> None:
    script = generate(3, number)
    assert script
    assert parse(render(script)) == script
    assert render(generate(3, number)) == render(script)


def test_seeds_make_different_sequences() -> None:
    assert render(generate(3, 1)) != render(generate(4, 1))
