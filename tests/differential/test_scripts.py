"""Scripts come from their seed alone, as text they are the same, and together they ask everything there is to ask."""

from __future__ import annotations

import pytest

from broker.registry import APIS

from .generator.scripts import generate
from .script import FINISH, parse, render


@pytest.mark.parametrize("number", range(20))
def test_a_script_can_be_written_down_and_read(number: int) -> None:
    script = generate(3, number)
    assert script
    assert parse(render(script)) == script
    assert render(generate(3, number)) == render(script)


def test_seeds_make_different_scripts() -> None:
    assert render(generate(3, 1)) != render(generate(4, 1))


def test_they_ask_every_version_of_every_api() -> None:
    asked = {(step.api, step.version) for number in range(150) for step in generate(5, number)}
    served = {(api.name, version) for api in APIS for version in range(api.min_version, api.max_version + 1)}
    assert served - asked == set()


def test_comments_are_passed_over() -> None:
    assert [step.api for step in parse("# first\n\nc1.Metadata(5)\n  # last\nc1.finish()\n")] == ["Metadata", FINISH]


@pytest.mark.parametrize("line", ["nonsense", "c1.Metadata(5", "import os", "c1.Metadata(5, topics=open('x'))[0]"])
def test_what_is_no_request_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="in the line"):
        parse(line)
