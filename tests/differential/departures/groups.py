"""Departures in what is said of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import ErrorCode

from ..compare import Difference
from .conditions import (
    asks,
    both,
    both_succeed,
    codes,
    either,
    in_field,
    kafka_fails,
    kafka_is_silent,
    names_twice,
    under,
    values,
)
from .departure import HANDLERS, SILENCE, Condition, Departure, always

if TYPE_CHECKING:
    from ..run import Exchange

_JOIN_GROUP: Final = f"{HANDLERS}/join_group.py"
_CHANCE: Final = "Kafka takes what comes first in a hash map of random ids, so it shows by chance."
_STUCK: Final = "It leaves Kafka a group that cannot be removed any more."


def _ottla_knows_no_group(exchange: Exchange, difference: Difference) -> bool:
    answer = exchange.ottla.answer
    return answer is not None and answer.get("error_code") == ErrorCode.GROUP_ID_NOT_FOUND


def _is_bare(exchange: Exchange, difference: Difference) -> bool:
    """A group that is listed has never had a member."""
    return isinstance(difference.kafka, dict) and difference.kafka["protocol_type"] == ""


def _other(field: str) -> Condition:
    """A field of the answers is another one."""
    return lambda exchange, difference: (
        (exchange.kafka.answer or {}).get(field) != (exchange.ottla.answer or {}).get(field)
    )


def _is_told_to_rejoin(exchange: Exchange, difference: Difference) -> bool:
    answer = exchange.ottla.answer
    return answer is not None and answer["error_code"] == ErrorCode.REBALANCE_IN_PROGRESS


GROUPS: Final = (
    Departure(
        "no transactions",
        ("FindCoordinator", "InitProducerId"),
        either(
            asks("key_type", lambda key_type: key_type == 1), asks("transactional_id", lambda name: name is not None)
        ),
        f"{HANDLERS}/init_producer_id.py",
        "A transactional id is answered with UNSUPPORTED_VERSION",
        "There are no transactions yet.",
        ends=always,
    ),
    Departure(
        "no group of what was refused",
        ("ListGroups", "DescribeGroups", "OffsetDelete", "DeleteGroups"),
        either(
            codes(0, ErrorCode.GROUP_ID_NOT_FOUND),
            both(under("topics"), _ottla_knows_no_group),
            both(under("groups"), _is_bare),
            both(in_field("group_state"), values("Empty", "Dead")),
        ),
        _JOIN_GROUP,
        "A request that is refused makes no group",
        "A group that nobody has joined and that has no offsets is none.",
        ends=always,
    ),
    Departure(
        "who leads next",
        ("JoinGroup",),
        both(both_succeed, in_field("leader", "members"), _other("leader")),
        _JOIN_GROUP,
        "After a leader that leaves the oldest member leads; Kafka takes any",
        "Any of them will do, and the oldest is no surprise.",
        ends=always,
        why_no_witness=_CHANCE,
    ),
    Departure(
        "ties between protocols",
        ("JoinGroup",),
        both(both_succeed, _other("protocol_name")),
        _JOIN_GROUP,
        "Between protocols that equally many members like best, the oldest member's",
        "Any that all support will do.",
        ends=always,
        why_no_witness=_CHANCE,
    ),
    Departure(
        "members that ask again while they wait",
        ("JoinGroup",),
        both(kafka_is_silent, _is_told_to_rejoin),
        _JOIN_GROUP,
        "Of a member that asks again while it waits the earlier request gets REBALANCE_IN_PROGRESS",
        SILENCE,
    ),
    Departure(
        "protocols that are named twice",
        ("JoinGroup",),
        lambda exchange, difference: names_twice(exchange.step.fields.get("protocols")),
        _JOIN_GROUP,
        "A protocol that is named twice counts once; in Kafka its group never gets beyond joining",
        "One client's slip would cost all others their group.",
        ends=always,
        why_no_witness=_STUCK,
    ),
    Departure(
        "subscriptions are opaque",
        ("JoinGroup",),
        both(either(kafka_fails, kafka_is_silent), asks("metadata", lambda metadata: metadata not in (b"", b"\0"))),
        _JOIN_GROUP,
        "What members say of themselves is opaque: nobody is refused because of it",
        "One client's slip would cost all others their group.",
        ends=always,
        why_no_witness=_STUCK,
    ),
)
