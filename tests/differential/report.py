"""Writes docs/COMPATIBILITY.md: what was compared, and what differs and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.kafka import KAFKA_VERSION
from broker.registry import APIS, Api

from .coverage import Coverage
from .departures import DEPARTURES, Departure

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "COMPATIBILITY.md"

_HEAD = """\
# Compatibility with Apache Kafka

What Ottla answers was compared with what Apache Kafka {version} answers, field by field. The same scripts of requests
went to both: made from the declarations of the messages, with sensible values and, in one or two fields of some, with
senseless ones; in every version of every API that is served; over several connections, with topics, groups, producers
and fetch sessions that live through a script.

This page is made by a command, which needs java, and mvn once:

    {command}

It compared **{answers} answers** to {scripts} scripts: {equal} were equal in every field, {departing} differed as it
is meant (see [what differs](#what-differs)), {others}. A test holds every commit to the same with a few
scripts, and to the list of what differs.

Script 42 alone is sent by `--seed {seed} --first 42 --sequences 1`; another `--seed` makes other scripts. A script in
which something differs that is not meant to is made short and written to a file, and `--script FILE` sends that again
and shows all answers.

## How

- Ids, addresses and times that a broker chooses are compared by name: the member id that one broker gave to a member
  is what this broker is sent later, and in answers the two count as the same.
- Arrays are compared in order, but for those that Kafka fills from hash maps (`FREE_ORDER` in
  `tests/differential/normal.py`).
- Record batches are compared with all that is in them, and their CRC is checked.
- A connection that is closed is an answer that both must give, and so is silence to a produce with acks=0.
- Kafka is given the time to learn of each change from its controller before the next request is sent. What happens at
  times of its own (retention, compaction, expiry) is turned off on both sides.
- After some of the intended differences the two brokers are in different states, and a script ends there.

What stock clients and Kafka's own tools have said to a Kafka is kept in `tests/differential/golden`. A test decodes and
encodes each of these frames to the same bytes, and sends the requests to Ottla, which has to give the same answers.
"""

_COMPARED = """\
## What was compared

Errors are those that Kafka has answered.

| API | Versions | Answers | Least in a version | Errors |
|---|---|---|---|---|
"""

_DIFFERS = """\
## What differs

Each is stated in the document behind the link, and shown by a script of its own: a test fails once it no longer shows.

| | APIs | Why | Stated in | Shown by |
|---|---|---|---|---|
"""

_MENDED = """\
## What was found and mended

- A fetch session that went on in a version without diverging epochs closed its connection.
- The fetch that ends a session did not answer for partitions that it forgets.
- Followers were told in fetches where the leader is, which they know.
- Batches of an old magic were judged by attributes that they do not have; bytes that are no batch, but have a length
  that no batch can have, were INVALID_RECORD in the place of CORRUPT_MESSAGE.
- A topic whose name collides with another was refused for its settings first.
- Settings were trimmed of blanks that Java does not take away.
- Reassigning no partitions at all was an error.
- FindCoordinator's message beside success was not Kafka's.
- OffsetDelete looked at the subscriptions of members that are still joining.
- OffsetForLeaderEpoch knew nothing of epochs below -1.
"""


def render(coverage: Coverage, seed: int, command: str, once: Sequence[int]) -> str:
    """Return the page for a run by a command; the scripts of `once` have differed and not when they were sent again."""
    head = _HEAD.format(
        version=KAFKA_VERSION,
        seed=seed,
        command=command,
        answers=f"{coverage.total:,}",
        scripts=f"{coverage.scripts:,}",
        equal=f"{coverage.total - coverage.departing_answers - len(once):,}",
        departing=f"{coverage.departing_answers:,}",
        others=_others(once),
    )
    rows = "\n".join(_api_row(api, coverage) for api in APIS)
    absences = "\n".join(f"- {count:,} times: {absence}" for absence, count in sorted(coverage.absences.items()))
    seen = "\n".join(
        f"- {departure.name}: {coverage.departures[departure.name]:,}"
        for departure in DEPARTURES
        if coverage.departures[departure.name]
    )
    return "\n".join(
        [
            head,
            f"{_COMPARED}{rows}\n",
            f"Both agreed to send no answer, where none is due or the request makes no sense:\n\n{absences}\n",
            departures_section(),
            f"In how many answers of the run they were seen:\n\n{seen}\n",
            _MENDED,
        ]
    )


def _others(once: Sequence[int]) -> str:
    if not once:
        return "none in any other way"
    numbers = ", ".join(map(str, once))
    return f"and {len(once)} in another way, which did not recur when the script was sent again (scripts {numbers})"


def departures_section() -> str:
    """Return the part of the page that the code alone decides on."""
    rows = "\n".join(_departure_row(departure) for departure in DEPARTURES)
    return f"{_DIFFERS}{rows}\n"


def _api_row(api: Api, coverage: Coverage) -> str:
    counts = [coverage.answers[api.name, version] for version in range(api.min_version, api.max_version + 1)]
    errors = ", ".join(code.name for code in sorted(coverage.errors[api.name]) if code)
    return (
        f"| [{api.name}](PROTOCOL_SUPPORT.md#{api.name.lower()}) | {api.min_version}-{api.max_version} "
        f"| {sum(counts):,} | {min(counts):,} | {errors} |"
    )


def _departure_row(departure: Departure) -> str:
    page = departure.document.removeprefix("docs/")
    target = page if departure.document.startswith("docs/") else f"../{page}"
    shown = departure.why_no_witness or f"[a script](../tests/differential/witnesses/{departure.witness.name})"
    apis = ", ".join(departure.apis) or "all"
    return f"| {departure.name} | {apis} | {departure.reason} | [{page}]({target}) | {shown} |"
