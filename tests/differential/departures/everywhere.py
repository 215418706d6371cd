"""Departures in answers of several kinds: in what is said of errors, and in how much one answer tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from protocol.errors import ErrorCode

from ..compare import Difference
from .conditions import codes, every, in_field
from .departure import PROTOCOL_PAGE, Departure

if TYPE_CHECKING:
    from ..run import Exchange

_GENERAL_SENTENCES: Final = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details.",
)
"""What Kafka says of an error code where nobody has said more."""

_WORDINGS: Final = (
    (r"(?<=registered) or some brokers have all their log directories cordoned", ""),
    (r"shouldnot be", "should not be"),
    (r"requirement failed: (\S+) must be greater than or equal to (\d+)", r"\1 must be at least \2."),
    (
        r"requirement failed: (\S+) must be unlimited \(-1\) or, greater than or equal to 1",
        r"\1 must be -1 for ever, or at least 1.",
    ),
)
"""Sentences of Kafka, as patterns, and what Ottla says in their place."""

_COMPLAINTS: Final = (
    "Invalid value ",
    "Unknown topic config name",
    "Null value not supported",
    "The update failed for all features since the following feature had an error",
    "Unknown operations type",
    "Node id must be an integer",
    "Can't APPEND to key",
    "Can't SUBTRACT to key",
    "Unhandled client quota entity type",
)
"""How sentences begin that are about one of several things."""


def _says_more(exchange: Exchange, difference: Difference) -> bool:
    kafka, ottla = difference.kafka, difference.ottla
    if difference.fields[-1:] != ("error_message",) or not isinstance(ottla, str):
        return False
    return kafka in (None, *_GENERAL_SENTENCES) or ottla.startswith(kafka.rstrip("."))


def _is_worded_otherwise(exchange: Exchange, difference: Difference) -> bool:
    kafka, ottla = str(difference.kafka), str(difference.ottla)
    if difference.fields[-1:] != ("error_message",):
        return False
    begin, dots, end = ottla.partition("... for configuration")
    is_shortened = bool(dots) and kafka.startswith(begin) and kafka.endswith(end)
    return is_shortened or any(re.sub(theirs, ours, kafka) == ottla for theirs, ours in _WORDINGS)


def _is_one_of_several(exchange: Exchange, difference: Difference) -> bool:
    """Both refuse something that is wrong in several ways, each for one of them."""
    fields = exchange.step.fields
    if exchange.step.api == "Produce":
        others = (
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            ErrorCode.INVALID_REQUIRED_ACKS,
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        )
        return codes((ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD), others)(exchange, difference)
    arrays = ("configs", "feature_updates", "entity")
    several = any(len(items or []) > 1 for name in arrays for items in every(fields, name))
    if in_field("error_message")(exchange, difference):
        messages = (str(difference.kafka), str(difference.ottla))
        if several or messages[1].startswith("Unknown operations type"):
            return all(message.startswith(_COMPLAINTS) for message in messages)
    either_config = (ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_REQUEST)
    if several and codes(either_config, either_config)(exchange, difference):
        return True
    # With no time for anything, whatever else is wrong may not be looked at any more.
    codes_of_both = [set(every(outcome.answer, "error_code")) for outcome in (exchange.kafka, exchange.ottla)]
    either_code = {ErrorCode.REQUEST_TIMED_OUT, ErrorCode.INVALID_REQUEST}
    return fields.get("timeout_ms", 0) <= 0 and all(either_code & found for found in codes_of_both)


EVERYWHERE: Final = (
    Departure(
        "says more",
        (),
        _says_more,
        PROTOCOL_PAGE,
        "An error may come with a message where Kafka sends none",
        "A code alone sends people to the broker's log, which they may not have.",
    ),
    Departure(
        "worded otherwise",
        (),
        _is_worded_otherwise,
        PROTOCOL_PAGE,
        "or in other words",
        "Some of Kafka's sentences speak of what is not here, have a slip of the pen, or quote a megabyte.",
    ),
    Departure(
        "one of several errors",
        (
            "Produce",
            "CreateTopics",
            "DeleteTopics",
            "CreatePartitions",
            "ElectLeaders",
            "AlterConfigs",
            "IncrementalAlterConfigs",
            "UpdateFeatures",
            "AlterClientQuotas",
        ),
        _is_one_of_several,
        PROTOCOL_PAGE,
        "where a request has several errors the answer may tell of another of them",
        "Kafka tells of them in the order in which its code comes upon them.",
    ),
)
