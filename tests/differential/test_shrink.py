"""Short scripts fail as the long ones do that they come from."""

from __future__ import annotations

from .generator.scripts import generate
from .script import Script, Step, parse, render
from .shrink import shrink

CULPRIT = "c1.DeleteTopics(5, topic_names=['a', 'culprit', 'b'], timeout_ms=1000)"


def test_only_what_it_takes_to_fail_is_left() -> None:
    script = [*generate(1, 0), *parse(CULPRIT), *generate(1, 1)]
    assert render(shrink(script, _has_culprit)) == "c1.DeleteTopics(5, topic_names=['culprit'])\n"


def test_steps_that_need_each_other_stay() -> None:
    def fails(script: Script) -> bool:
        apis = [step.api for step in script]
        return "CreateTopics" in apis and "Metadata" in apis[apis.index("CreateTopics") :]

    script = [Step("c1", api, 5) for api in ("Fetch", "CreateTopics", "Produce", "Fetch", "Metadata", "Produce")]
    assert [step.api for step in shrink(script, fails)] == ["CreateTopics", "Metadata"]


def test_what_does_not_fail_again_stays_as_it_is() -> None:
    script = generate(1, 0)
    assert shrink(script, lambda _: False) == script


def test_it_ends_when_its_time_is_over() -> None:
    script = [*generate(1, 0), *parse(CULPRIT)]
    assert shrink(script, _has_culprit, budget_s=0) == script


def _has_culprit(script: Script) -> bool:
    return any("culprit" in step.fields.get("topic_names", []) for step in script)
