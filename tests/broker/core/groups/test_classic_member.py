"""A member: what it supports, and what it likes best."""

from __future__ import annotations

import pytest

from broker.core.groups.classic_member import ClassicMember
from broker.core.result import Ticket


def member(protocols: dict[str, bytes], instance_id: str | None = None) -> ClassicMember:
    return ClassicMember("m-1", instance_id, "client", "/127.0.0.1", 10_000, 60_000, protocols)


@pytest.mark.parametrize(
    ("protocols", "matches"),
    [
        ({"range": b"1", "sticky": b"2"}, True),
        ({"sticky": b"2", "range": b"1"}, False),
        ({"range": b"1", "sticky": b"3"}, False),
        ({"range": b"1"}, False),
        ({"range": b"1", "sticky": b"2", "other": b""}, False),
        ({}, False),
    ],
)
def test_matches_the_same_protocols_in_the_same_order(protocols: dict[str, bytes], matches: bool) -> None:
    assert member({"range": b"1", "sticky": b"2"}).matches(protocols) is matches


def test_votes_for_the_first_of_its_protocols_that_is_a_candidate() -> None:
    voter = member({"range": b"", "sticky": b"", "roundrobin": b""})
    assert voter.vote({"roundrobin", "sticky"}) == "sticky"
    assert voter.vote({"roundrobin", "range"}) == "range"


def test_waits_for_a_join_or_a_sync() -> None:
    waiting = member({"range": b""})
    assert not waiting.is_waiting
    waiting.awaiting_sync = Ticket(1)
    assert waiting.is_waiting
    waiting.awaiting_sync, waiting.awaiting_join = None, Ticket(2)
    assert waiting.is_waiting


def test_is_static_by_its_instance_id() -> None:
    assert member({}, instance_id="one").is_static
    assert not member({}).is_static
