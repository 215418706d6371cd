"""The table of departures is that of the documents: each is stated somewhere, docs/COMPATIBILITY.md lists them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.registry import APIS

from . import report
from .departures import DEPARTURES, WITNESSES, Departure

CHECKOUT = Path(__file__).resolve().parents[2]
NAMES = [departure.name for departure in DEPARTURES]


@pytest.mark.parametrize("departure", DEPARTURES, ids=NAMES)
def test_it_is_stated_in_a_document(departure: Departure) -> None:
    text = " ".join((CHECKOUT / departure.document).read_text(encoding="utf-8").split())
    assert departure.statement in text


def test_names_are_told_apart() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len({departure.witness for departure in DEPARTURES}) == len(DEPARTURES)


def test_they_are_about_apis_that_are_served() -> None:
    served = {api.name for api in APIS}
    assert {api for departure in DEPARTURES for api in departure.apis} <= served


@pytest.mark.parametrize("departure", DEPARTURES, ids=NAMES)
def test_it_has_a_witness_or_a_reason_to_have_none(departure: Departure) -> None:
    assert departure.witness.exists() == (not departure.why_no_witness)


def test_witnesses_are_of_departures() -> None:
    assert set(WITNESSES.iterdir()) <= {departure.witness for departure in DEPARTURES}


def test_the_page_lists_them_as_they_are() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.departures_section() in page, "run python -m tests.differential --report"


def test_the_page_is_about_all_that_is_served() -> None:
    rows = [line for line in report.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| [")]
    assert [row[3 : row.index("]")] for row in rows] == [api.name for api in APIS]
    cells = [row.split(" | ") for row in rows]
    assert [cell[1] for cell in cells] == [f"{api.min_version}-{api.max_version}" for api in APIS]
    assert all(int(cell[3].replace(",", "")) > 0 for cell in cells), "a version was never asked for"
