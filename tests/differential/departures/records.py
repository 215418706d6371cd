"""Departures in what is said of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import ErrorCode

from ..compare import Difference
from ..script import Value
from .conditions import (
    asks,
    both,
    codes,
    damaged,
    either,
    every,
    in_field,
    kafka_fails,
    kafka_is_silent,
    kafka_says,
    under,
    values,
)
from .departure import FAILURE, HANDLERS, SILENCE, Departure, always

if TYPE_CHECKING:
    from ..run import Exchange

_PRODUCE: Final = f"{HANDLERS}/produce.py"
_FETCH: Final = f"{HANDLERS}/fetch.py"
_HEADERS: Final = "docs/adr/0003-header-only-validation.md"
_SESSION_ID_MAX: Final = 2**31 - 8
"""Above it, as below 0, are ids of sessions that Kafka never gives out."""


def _has_several(exchange: Exchange) -> bool:
    """Whether a Produce is about several partitions."""
    return sum(len(partitions or []) for partitions in every(exchange.step.fields, "partition_data")) > 1


def _is_about_several(exchange: Exchange, difference: Difference) -> bool:
    return _has_several(exchange)


def _repeats(exchange: Exchange, difference: Difference) -> bool:
    """The request names a partition twice."""
    fields = exchange.step.fields
    seen = set()
    for topic in fields.get("topic_data") or fields.get("topics") or []:
        for partition in topic.get("partition_data") or topic.get("partitions") or []:
            index = partition.get("index", partition.get("partition_index", 0))
            key = (str(topic.get("topic_id", topic.get("name", ""))), index)
            if key in seen:
                return True
            seen.add(key)
    return False


def _is_far(session_id: Value) -> bool:
    return isinstance(session_id, int) and not 0 <= session_id < _SESSION_ID_MAX


def _is_body_bad(records: Value) -> bool:
    return "damage='body'" in str(records) or "key=None" in str(records)


def _session_in_another_version(exchange: Exchange, difference: Difference) -> bool:
    answer = exchange.kafka.answer
    refused = answer is not None and answer.get("error_code") == ErrorCode.UNSUPPORTED_VERSION
    return refused and bool(exchange.step.fields.get("session_id"))


def _kafka_has_forgotten_the_epoch(exchange: Exchange, difference: Difference) -> bool:
    return difference.kafka == -1 and -1 in every(exchange.kafka.answer, "leader_epoch")


RECORDS: Final = (
    Departure(
        "one partition's error is its own",
        ("Produce",),
        both(
            damaged(),
            either(
                _is_about_several,
                codes(
                    ErrorCode.CORRUPT_MESSAGE,
                    (
                        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                        ErrorCode.INVALID_TOPIC_EXCEPTION,
                        ErrorCode.UNKNOWN_TOPIC_ID,
                    ),
                ),
                in_field("error_message"),
            ),
        ),
        _PRODUCE,
        "one partition's error does not hinder another's append",
        "Kafka refuses a whole request for one batch whose framing is broken, before it looks at anything else.",
        ends=_has_several,
    ),
    Departure(
        "partitions that come twice",
        ("Produce", "AlterPartitionReassignments"),
        _repeats,
        _PRODUCE,
        "A partition that is there twice is appended once, with the records that came last",
        "No client does that.",
        ends=always,
    ),
    Departure(
        "batches are checked from their header",
        ("Produce",),
        asks("records", _is_body_bad),
        _HEADERS,
        "What Kafka would refuse and Ottla stores is a body that its producer itself built wrongly under a correct CRC",
        "Walking the records of each batch would cost more than receiving and writing them.",
        ends=always,
    ),
    Departure(
        "bad records are not told apart",
        ("Produce",),
        both(kafka_says("One or more records have been rejected due to"), in_field("error_message", "record_errors")),
        _PRODUCE,
        "record_errors stays empty, since a header does not tell which record of a batch is bad",
        "Walking the records of each batch would cost more than receiving and writing them.",
    ),
    Departure(
        "batches stay as they came",
        ("Fetch", "DescribeLogDirs"),
        in_field("codec", "partition_size"),
        _HEADERS,
        "Compressed batches are stored as they came and never decompressed on the produce path",
        "A topic's compression.type is kept, but nothing obeys it yet.",
        ends=always,
    ),
    Departure(
        "batches of transactions",
        ("Produce",),
        both(
            damaged("transactional"),
            lambda exchange, difference: exchange.step.fields.get("transactional_id") is not None,
        ),
        _PRODUCE,
        "There are no transactions to belong to, and a batch with the bit must not reach a log",
        "Nobody would ever end the transaction; Kafka looks only at those that name a producer.",
        ends=always,
    ),
    Departure(
        "codecs that there are not",
        ("Produce",),
        both(kafka_fails, damaged("codec 5")),
        _PRODUCE,
        "A codec that there is not is UNSUPPORTED_COMPRESSION_TYPE",
        FAILURE,
    ),
    Departure(
        "bytes behind a batch",
        ("Produce",),
        both(damaged("shorter"), codes(ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)),
        _PRODUCE,
        "Each partition takes exactly one record batch",
        "Kafka passes over bytes that are too few to be another batch.",
    ),
    Departure(
        "no records at all",
        ("Produce",),
        both(kafka_is_silent, asks("records", lambda records: records is None)),
        _PRODUCE,
        "A partition without records is INVALID_RECORD; Kafka never answers such a request",
        SILENCE,
    ),
    Departure(
        "where the log begins, beside an error",
        ("Produce",),
        both(
            in_field("log_start_offset"),
            lambda exchange, difference: difference.kafka == -1 and difference.ottla >= 0,
            lambda exchange, difference: ErrorCode.INVALID_RECORD in every(exchange.ottla.answer, "error_code"),
        ),
        _PRODUCE,
        "Beside an error log_start_offset is told where the log was asked",
        "It is true whatever the batch was.",
    ),
    Departure(
        "unknown isolation levels",
        ("Fetch", "ListOffsets"),
        both(kafka_fails, asks("isolation_level", lambda level: level not in (0, 1))),
        _FETCH,
        "An isolation level that there is not counts as read_uncommitted",
        FAILURE,
    ),
    Departure(
        "sizes below 0",
        ("Fetch",),
        both(
            kafka_fails, either(*(asks(name, lambda size: size < 0) for name in ("max_bytes", "partition_max_bytes")))
        ),
        _FETCH,
        "Sizes below 0 are as good as 0",
        FAILURE,
    ),
    Departure(
        "the id of no topic, and of no session",
        ("Fetch",),
        both(
            kafka_fails, either(asks("topic_id", lambda topic_id: topic_id == bytes(16)), asks("session_id", _is_far))
        ),
        _FETCH,
        "The id of no topic is UNKNOWN_TOPIC_ID as any other that there is not",
        FAILURE,
    ),
    Departure(
        "sessions that go on in another version",
        ("Fetch",),
        _session_in_another_version,
        _FETCH,
        "A session may be gone on with in another version",
        "The older version has never heard of epochs that diverge.",
    ),
    Departure(
        "ids of topics that are gone",
        ("Fetch",),
        both(
            codes((ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.INCONSISTENT_TOPIC_ID), ErrorCode.UNKNOWN_TOPIC_ID),
            either(asks("session_id", bool), asks("topic_id", bool)),
        ),
        _FETCH,
        "In Kafka a session and a fetch that waits go by the name that the id once had",
        "A client that fetches by id learns that its id is the one that is gone.",
    ),
    Departure(
        "batches that do not fit",
        ("Fetch",),
        both(in_field("aborted_transactions"), values(None, [])),
        _FETCH,
        "Kafka has null there, too, where not even one batch fits into what is left",
        "To clients both mean that nothing was aborted.",
    ),
    Departure(
        "epochs of logs that were moved",
        ("OffsetForLeaderEpoch", "ListOffsets", "Fetch"),
        either(
            both(in_field("leader_epoch"), values(-1, 0)),
            both(in_field("end_offset"), _kafka_has_forgotten_the_epoch),
            both(
                under("responses", "partitions"),
                asks("last_fetched_epoch", lambda epoch: epoch >= 0),
                either(values(ErrorCode.OFFSET_OUT_OF_RANGE, 0), values(-1, 0)),
            ),
        ),
        f"{HANDLERS}/alter_replica_log_dirs.py",
        "The copy has the leader epochs of the log. Kafka forgets the one of a log that has no records.",
        "A log that is moved stays what it was.",
    ),
)
