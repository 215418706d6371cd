"""Where Ottla means to answer otherwise than Kafka, and why: the one table of it.

An entry explains differences of one API's answers, or of all APIs' where it names none. It says which sentence of the
documents states the departure, and has a script, its witness, in which it shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol.errors import ErrorCode

from .compare import MISSING, Difference
from .script import Call, Value
from .side import CLOSED, SILENT

if TYPE_CHECKING:
    from .run import Exchange

Condition = Callable[["Exchange", Difference], bool]

HANDLERS: Final = "broker/handlers"
PROTOCOL_PAGE: Final = "docs/PROTOCOL_SUPPORT.md"


def _never(exchange: Exchange) -> bool:
    return False


def _always(exchange: Exchange) -> bool:
    return True


@dataclass(frozen=True)
class Departure:
    """One intended difference."""

    name: str
    apis: tuple[str, ...]
    """Empty for all."""
    explains: Condition
    document: str
    """The file that states it, and in `statement` the words in which it does."""
    statement: str
    reason: str
    witness: str
    """A script in which it shows; empty where that would take something away from the comparison, as the broker."""
    ends: Callable[[Exchange], bool] = _never
    """Whether the two brokers are in different states from then on, so that a script ends there."""


def explain(exchange: Exchange, difference: Difference) -> Departure | None:
    """Return what explains a difference, or None."""
    for departure in DEPARTURES:
        if (not departure.apis or exchange.step.api in departure.apis) and departure.explains(exchange, difference):
            return departure
    return None


# --- conditions ----------------------------------------------------------------------------------------------------


def _ends_with(*names: str) -> Condition:
    """The difference is in a field of one of these names."""
    return lambda exchange, difference: bool(difference.fields) and difference.fields[-1] in names


def _under(*path: str) -> Condition:
    """The difference is in the field of that path, or in it somewhere."""
    return lambda exchange, difference: difference.fields[: len(path)] == path


def _key_at(position: int, difference: Difference) -> str:
    """The element of the array at that place of a path, as `orders` in `topics[orders].error_code`."""
    keys = [step[1:-1] for step in difference.path if step.startswith("[")]
    return keys[position].rstrip("'") if position < len(keys) else ""


def _both(*conditions: Condition) -> Condition:
    return lambda exchange, difference: all(condition(exchange, difference) for condition in conditions)


def _either(*conditions: Condition) -> Condition:
    return lambda exchange, difference: any(condition(exchange, difference) for condition in conditions)


def _says_more(exchange: Exchange, difference: Difference) -> bool:
    if not difference.fields or difference.fields[-1] != "error_message":
        return False
    if not isinstance(difference.ottla, str):
        return False
    return difference.kafka in (None, *_GENERAL_SENTENCES) or difference.ottla.startswith(difference.kafka.rstrip("."))


_GENERAL_SENTENCES: Final = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details.",
)
"""What Kafka says of an error code where nobody has said more."""


def _worded_otherwise(exchange: Exchange, difference: Difference) -> bool:
    if not difference.fields or difference.fields[-1] != "error_message":
        return False
    return any(
        re.sub(theirs, ours, str(difference.kafka)) == difference.ottla != difference.kafka
        for theirs, ours in _WORDINGS
    )


_WORDINGS: Final = (
    (r"(?<=registered) or some brokers have all their log directories cordoned", ""),
    ("shouldnot be", "should not be"),
    (r"requirement failed: (\S+) must be greater than or equal to (\d+)", r"\1 must be at least \2."),
    (
        r"requirement failed: (\S+) must be unlimited \(-1\) or, greater than or equal to 1",
        r"\1 must be -1 for ever, or at least 1.",
    ),
)
"""Sentences of Kafka, as patterns, and what Ottla says in their place."""


def _missing_on(side: str) -> Condition:
    return lambda exchange, difference: (difference.ottla if side == "ottla" else difference.kafka) == MISSING


def _config_of(*resource_types: int) -> Condition:
    """The difference is in a setting of a resource of one of these types."""
    return lambda exchange, difference: (
        difference.fields[:2] == ("results", "configs")
        and int(_key_at(0, difference).partition(" ")[0]) in resource_types
    )


def _named(*names: str) -> Condition:
    """The difference is in a setting of one of these names, or in a synonym of it."""
    return lambda exchange, difference: (
        _key_at(1, difference) in names or any(step[1:-1] in names for step in difference.path[2:])
    )


def _silent(exchange: Exchange, difference: Difference) -> bool:
    return exchange.kafka == SILENT


def _closed(exchange: Exchange, difference: Difference) -> bool:
    return exchange.kafka == CLOSED


def _every(value: Value, name: str) -> Iterator[Value]:
    """All values of fields of that name in a request."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == name:
                yield item
            yield from _every(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _every(item, name)


def _asks(name: str, condition: Callable[[Value], bool]) -> Condition:
    """Some field of that name in the request fulfils the condition; one that is left out is None."""
    return lambda exchange, difference: any(map(condition, _every(exchange.step.fields, name)))


def _codes(kafka: int, ottla: int) -> Condition:
    """The error codes of the two."""
    return lambda exchange, difference: (
        bool(difference.fields)
        and difference.fields[-1] == "error_code"
        and (difference.kafka, difference.ottla) == (kafka, ottla)
    )


def _repeats(fields: Mapping[str, Value]) -> bool:
    """Whether a request names a partition twice."""
    seen = set()
    for topic in next((topics for topics in fields.values() if isinstance(topics, list)), []):
        name = str(topic.get("topic_id", topic.get("name", "")))
        for partition in next((items for items in topic.values() if isinstance(items, list)), []):
            key = (name, partition.get("index", partition.get("partition_index", 0)))
            if key in seen:
                return True
            seen.add(key)
    return False


def _is_far(session_id: Value) -> bool:
    """Whether a session's id is one that Kafka never gives out."""
    return isinstance(session_id, int) and not 0 <= session_id < _SESSION_ID_MAX


_SESSION_ID_MAX: Final = 2**31 - 8


def _is_bare_group(group: Value) -> bool:
    """Whether a group that is listed has never had a member."""
    return isinstance(group, dict) and group["protocol_type"] == ""


def _names_twice(items: Value) -> bool:
    names = [item["name"] for item in items or []]
    return len(names) > len(set(names))


def _one_of_several(exchange: Exchange, difference: Difference) -> bool:
    """Both refuse something that is wrong in several ways, each for one of them."""
    fields = exchange.step.fields
    if exchange.step.api == "Produce":
        return _codes_from((2, 87), (17, 21))(exchange, difference)
    several = any(len(items) > 1 for name in ("configs", "feature_updates") for items in _every(fields, name))
    if difference.fields[-1:] == ("error_message",) and (several or "Unknown operations type" in str(difference.ottla)):
        return all(str(text).startswith(_COMPLAINTS) for text in (difference.kafka, difference.ottla))
    no_time = fields.get("timeout_ms", 0) <= 0
    return (
        no_time and "allows no time" in str(exchange.ottla) and any(text in str(exchange.kafka) for text in _MALFORMED)
    )


_MALFORMED: Final = ("Duplicate topic name.", "Duplicate topic id.", "Neither topic name nor id were specified.")
_COMPLAINTS: Final = (
    "Invalid value ",
    "Unknown topic config name",
    "Null value not supported",
    "The update failed for all features since the following feature had an error",
    "Unknown operations type",
    "Node id must be an integer",
)


def _codes_from(kafka: tuple[int, ...], ottla: tuple[int, ...]) -> Condition:
    """The error codes of the two are among these."""
    return lambda exchange, difference: (
        difference.fields[-1:] == ("error_code",) and difference.kafka in kafka and difference.ottla in ottla
    )


def _damaged(*damages: str) -> Condition:
    """The records of the request are damaged, in one of these ways if there are any."""

    def condition(exchange: Exchange, difference: Difference) -> bool:
        records = list(_every(exchange.step.fields, "records"))
        if damages:
            return any(f"damage={damage!r}" in str(value) for value in records for damage in damages)
        return any("damage=" in str(value) or isinstance(value, bytes | list) for value in records)

    return condition


def _has_several(exchange: Exchange) -> bool:
    """Whether a request is about several partitions."""
    return sum(len(partitions or []) for partitions in _every(exchange.step.fields, "partition_data")) > 1


def _fails(exchange: Exchange, difference: Difference) -> bool:
    """Kafka has failed over the request."""
    return exchange.kafka.answer is not None and -1 in _every(exchange.kafka.answer, "error_code")


# --- the table -----------------------------------------------------------------------------------------------------

_TOPIC, _BROKER, _LOGGER, _METRICS, _GROUP = 2, 4, 8, 16, 32

_ORDERS: Final = "c1.CreateTopics(5, topics=[{name: 'orders', num_partitions: 2, replication_factor: 1}])\n"
"""The beginning of many witnesses."""

_RECORDS_TOPIC: Final = "name: 'orders', partition_data"

DEPARTURES: Final[tuple[Departure, ...]] = (
    Departure(
        "says more",
        (),
        _says_more,
        PROTOCOL_PAGE,
        "An error may come with a message where Kafka sends none",
        "A code alone sends people to the broker's log, which they may not have.",
        "c1.CreateTopics(5, topics=[{name: 'orders', num_partitions: 1, replication_factor: 1}], timeout_ms=0)",
    ),
    Departure(
        "worded otherwise",
        (),
        _worded_otherwise,
        PROTOCOL_PAGE,
        "or in other words",
        "Some of Kafka's sentences speak of what is not here, or have a slip of the pen.",
        "c1.CreateTopics(5, topics=[{name: 'orders', num_partitions: 1, replication_factor: 2}], timeout_ms=60000)",
    ),
    Departure(
        "one of several errors",
        (
            "Produce",
            "CreateTopics",
            "DeleteTopics",
            "CreatePartitions",
            "AlterConfigs",
            "IncrementalAlterConfigs",
            "UpdateFeatures",
        ),
        _one_of_several,
        PROTOCOL_PAGE,
        "where a request has several errors the answer may tell of another of them",
        "Kafka tells of them in the order in which its code lists the settings.",
        "c1.CreateTopics(5, topics=[{name: 'orders', num_partitions: 1, replication_factor: 1, configs: "
        "[{name: 'segment.jitter.ms', value: '-1'}, {name: 'message.timestamp.after.max.ms', value: '-1'}]}], "
        "timeout_ms=60000)",
    ),
    # --- records
    Departure(
        "one partition's error is its own",
        ("Produce",),
        _both(
            _damaged(),
            _either(
                lambda exchange, difference: _has_several(exchange),
                _codes_from((2,), (3, 17, 100)),
                _ends_with("error_message"),
            ),
        ),
        f"{HANDLERS}/produce.py",
        "one partition's error does not hinder another's append",
        "Kafka refuses a whole request for one batch whose framing is broken, before it looks at anything else.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: [{{index: 0, records: "
        "batch(1)}}, "
        "{index: 1, records: batch(1, damage='no length')}]}])",
        ends=lambda exchange: _has_several(exchange),
    ),
    Departure(
        "batches are checked from their header",
        ("Produce",),
        lambda exchange, difference: any(
            "damage='body'" in str(records) or "key=None" in str(records)
            for records in _every(exchange.step.fields, "records")
        ),
        "docs/adr/0003-header-only-validation.md",
        "What Kafka would refuse and Ottla stores is a body that its producer itself built wrongly under a correct CRC",
        "Walking the records of each batch would cost more than receiving and writing them.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: "
        "[{index: 0, records: batch(1, damage='body')}]}])",
        ends=_always,
    ),
    Departure(
        "codecs that there are not",
        ("Produce",),
        _both(_fails, _damaged("codec 5")),
        f"{HANDLERS}/produce.py",
        "A codec that there is not is UNSUPPORTED_COMPRESSION_TYPE",
        "Kafka fails on it with UNKNOWN_SERVER_ERROR, which is no answer to anything.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: "
        "[{index: 0, records: batch(1, damage='codec 5')}]}])",
    ),
    Departure(
        "bytes behind a batch",
        ("Produce",),
        _both(_damaged("shorter"), _codes(int(ErrorCode.CORRUPT_MESSAGE), int(ErrorCode.INVALID_RECORD))),
        f"{HANDLERS}/produce.py",
        "Each partition takes exactly one record batch",
        "Kafka passes over bytes that are too few to be another batch.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: "
        "[{index: 0, records: batch(1, damage='shorter')}]}])",
    ),
    Departure(
        "batches stay as they came",
        ("Fetch", "DescribeLogDirs"),
        _ends_with("codec", "partition_size"),
        "docs/adr/0003-header-only-validation.md",
        "Compressed batches are stored as they came and never decompressed on the produce path",
        "A topic's compression.type is kept, but nothing obeys it yet.",
        "c1.CreateTopics(5, topics=[{name: 'orders', num_partitions: 1, replication_factor: 1, "
        "configs: [{name: 'compression.type', value: 'gzip'}]}], timeout_ms=60000)\n"
        "c1.Produce(9, acks=-1, topic_data=[{name: 'orders', partition_data: [{index: 0, records: batch(1)}]}])\n"
        "c1.Fetch(11, topics=[{topic: 'orders', partitions: [{partition: 0, partition_max_bytes: 1000}]}], "
        "max_bytes=1000)",
        ends=_always,
    ),
    Departure(
        "no records at all",
        ("Produce",),
        _both(_silent, _asks("records", lambda records: records is None)),
        f"{HANDLERS}/produce.py",
        "A partition without records is INVALID_RECORD; Kafka never answers such a request",
        "A client that is not answered waits for its request timeout, and says nothing of what was wrong.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: [{{index: 0, records: "
        "None}}]}}])",
    ),
    Departure(
        "unknown isolation levels",
        ("Fetch", "ListOffsets"),
        _both(_fails, _asks("isolation_level", lambda level: level not in (0, 1))),
        f"{HANDLERS}/fetch.py",
        "An isolation level that there is not counts as read_uncommitted",
        "Kafka fails on it with UNKNOWN_SERVER_ERROR, which is no answer to anything.",
        f"{_ORDERS}c1.Fetch(11, isolation_level=2, topics=[{{topic: 'orders', partitions: [{{partition: 0}}]}}])",
    ),
    Departure(
        "no transactions",
        ("FindCoordinator", "InitProducerId"),
        lambda exchange, difference: (
            exchange.step.fields.get("key_type") == 1 or exchange.step.fields.get("transactional_id") is not None
        ),
        f"{HANDLERS}/init_producer_id.py",
        "A transactional id is answered with UNSUPPORTED_VERSION",
        "There are no transactions yet.",
        "c1.InitProducerId(4, transactional_id='t', transaction_timeout_ms=1000)",
        ends=_always,
    ),
    Departure(
        "bad records are not told apart",
        ("Produce",),
        lambda exchange, difference: (
            "One or more records have been rejected due to" in str(exchange.kafka)
            and difference.fields[-1] in ("error_message", "record_errors")
        ),
        f"{HANDLERS}/produce.py",
        "record_errors stays empty, since a header does not tell which record of a batch is bad",
        "Walking the records of each batch would cost more than receiving and writing them.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: "
        "[{index: 0, records: batch(1, age_ms=-10000000)}]}])",
    ),
    Departure(
        "where the log begins, beside an error",
        ("Produce",),
        _both(
            _ends_with("log_start_offset"),
            lambda exchange, difference: difference.kafka == -1 and difference.ottla >= 0,
            lambda exchange, difference: "'error_code': 87" in str(exchange.ottla),
        ),
        f"{HANDLERS}/produce.py",
        "Beside an error log_start_offset is told where the log was asked",
        "It is true whatever the batch was.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: "
        "[{index: 0, records: batch(1, damage='magic 0')}]}])",
    ),
    Departure(
        "the id of no topic, and of no session",
        ("Fetch",),
        _both(_fails, _either(_asks("topic_id", lambda topic_id: topic_id == bytes(16)), _asks("session_id", _is_far))),
        f"{HANDLERS}/fetch.py",
        "The id of no topic is UNKNOWN_TOPIC_ID as any other that there is not",
        "Kafka fails on it with UNKNOWN_SERVER_ERROR, which is no answer to anything.",
        "c1.Fetch(13, topics=[{topic_id: b'\\0' * 16, partitions: [{partition: 0, partition_max_bytes: 1000}]}])",
    ),
    Departure(
        "batches that do not fit",
        ("Fetch",),
        lambda exchange, difference: (
            difference.fields[-1:] == ("aborted_transactions",) and (difference.kafka, difference.ottla) == (None, [])
        ),
        f"{HANDLERS}/fetch.py",
        "Kafka has null there, too, where not even one batch fits into what is left",
        "To clients both mean that nothing was aborted.",
        f"{_ORDERS}c1.Produce(9, acks=-1, topic_data=[{{name: 'orders', partition_data: [{{index: 0, records: "
        "batch(2)}}, "
        "{index: 1, records: batch(2)}]}])\n"
        "c1.Fetch(11, isolation_level=1, max_bytes=100, topics=[{topic: 'orders', partitions: "
        "[{partition: 0, partition_max_bytes: 1000}, {partition: 1, partition_max_bytes: 1}]}])",
    ),
    Departure(
        "partitions that come twice",
        ("Produce", "AlterPartitionReassignments"),
        lambda exchange, difference: _repeats(exchange.step.fields),
        f"{HANDLERS}/produce.py",
        "A partition that is there twice is appended once, with the records that came last",
        "No client does that.",
        f"{_ORDERS}c1.Produce(4, acks=-1, topic_data=[{{name: 'orders', partition_data: [{{index: 0, records: "
        "batch(1, codec='zstd')}, {index: 0, records: batch(1)}]}])",
        ends=_always,
    ),
    Departure(
        "topic ids in fetch sessions",
        ("Fetch",),
        _both(
            _either(
                _codes(int(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), int(ErrorCode.UNKNOWN_TOPIC_ID)),
                _codes(int(ErrorCode.INCONSISTENT_TOPIC_ID), int(ErrorCode.UNKNOWN_TOPIC_ID)),
            ),
            _asks("session_id", bool),
        ),
        f"{HANDLERS}/fetch.py",
        "A session of Kafka's goes by the name that the id once had",
        "A client that fetches by id learns that its id is the one that is gone.",
        f"{_ORDERS}f1 = c1.Fetch(13, session_epoch=0, topics=[{{topic_id: topic_id('orders'), partitions: "
        "[{partition: 0, partition_max_bytes: 1000}]}])\n"
        "c1.DeleteTopics(5, topic_names=['orders'], timeout_ms=60000)\n"
        "c1.Fetch(13, session_id=f1.session_id, session_epoch=1)",
    ),
    Departure(
        "epochs of logs that were moved",
        ("OffsetForLeaderEpoch", "ListOffsets", "Fetch"),
        _either(
            _both(
                _ends_with("leader_epoch", "end_offset"),
                lambda exchange, difference: (difference.kafka, difference.ottla) == (-1, 0),
            ),
            _both(
                _under("responses", "partitions"),
                _asks("last_fetched_epoch", lambda epoch: epoch >= 0),
                lambda exchange, difference: (difference.kafka, difference.ottla) in ((1, 0), (-1, 0)),
            ),
        ),
        f"{HANDLERS}/alter_replica_log_dirs.py",
        "The copy has the leader epochs of the log. Kafka forgets the one of a log that has no records.",
        "A log that is moved stays what it was.",
        f"{_ORDERS}c1.AlterReplicaLogDirs(2, dirs=[{{path: log_dir_beside('orders', 0), topics: "
        "[{name: 'orders', partitions: [0]}]}])\n"
        "c1.OffsetForLeaderEpoch(4, replica_id=-1, topics=[{topic: 'orders', partitions: "
        "[{partition: 0, current_leader_epoch: -1, leader_epoch: 0}]}])",
    ),
    # --- groups
    Departure(
        "no group of what was refused",
        ("ListGroups", "DescribeGroups", "OffsetDelete", "DeleteGroups"),
        _either(
            _codes(0, int(ErrorCode.GROUP_ID_NOT_FOUND)),
            _both(
                _under("topics"),
                lambda exchange, difference: exchange.ottla.answer["error_code"] == ErrorCode.GROUP_ID_NOT_FOUND,
            ),
            _both(_under("groups"), lambda exchange, difference: _is_bare_group(difference.kafka)),
            _both(
                _ends_with("group_state"),
                lambda exchange, difference: (difference.kafka, difference.ottla) == ("Empty", "Dead"),
            ),
        ),
        f"{HANDLERS}/join_group.py",
        "A request that is refused makes no group",
        "A group that nobody has joined and that has no offsets is none.",
        "c1.JoinGroup(3, group_id='g', session_timeout_ms=60000, rebalance_timeout_ms=60000, "
        "protocol_type='consumer')\n"
        "c1.ListGroups(5)",
        ends=_always,
    ),
    Departure(
        "who leads next",
        ("JoinGroup",),
        lambda exchange, difference: (
            exchange.kafka.answer is not None
            and exchange.ottla.answer is not None
            and exchange.kafka.answer["error_code"] == exchange.ottla.answer["error_code"] == 0
            and exchange.kafka.answer["leader"] != exchange.ottla.answer["leader"]
            and difference.fields[0] in ("leader", "members")
        ),
        f"{HANDLERS}/join_group.py",
        "After a leader that leaves the oldest member leads; Kafka takes any",
        "Any of them will do, and the oldest is not surprising.",
        "",
        ends=_always,
    ),
    Departure(
        "members that ask again while they wait",
        ("JoinGroup",),
        lambda exchange, difference: (
            exchange.kafka == SILENT
            and exchange.ottla.answer is not None
            and exchange.ottla.answer["error_code"] == ErrorCode.REBALANCE_IN_PROGRESS
        ),
        f"{HANDLERS}/join_group.py",
        "Of a member that asks again while it waits the earlier request gets REBALANCE_IN_PROGRESS",
        "A client that is not answered waits for its request timeout.",
        "",
    ),
    Departure(
        "protocols that are named twice",
        ("JoinGroup",),
        lambda exchange, difference: _names_twice(exchange.step.fields.get("protocols")),
        f"{HANDLERS}/join_group.py",
        "A protocol that is named twice counts once; in Kafka its group never gets beyond joining",
        "One client's slip would cost all others their group.",
        "",
        ends=_always,
    ),
    Departure(
        "subscriptions are opaque",
        ("JoinGroup",),
        _both(_either(_fails, _silent), _asks("metadata", lambda metadata: metadata not in (b"", b"\0"))),
        f"{HANDLERS}/join_group.py",
        "What members say of themselves is opaque: nobody is refused because of it",
        "One client's slip would cost all others their group.",
        "",
        ends=_always,
    ),
    Departure(
        "ties between protocols",
        ("JoinGroup",),
        lambda exchange, difference: (
            exchange.kafka.answer is not None
            and exchange.ottla.answer is not None
            and exchange.kafka.answer["error_code"] == exchange.ottla.answer["error_code"] == 0
            and exchange.kafka.answer["protocol_name"] != exchange.ottla.answer["protocol_name"]
        ),
        f"{HANDLERS}/join_group.py",
        "Between protocols that equally many members like best, the oldest member's",
        "Any that all support will do.",
        "",
        ends=_always,
    ),
    # --- topics
    Departure(
        "a topic without a name",
        ("DescribeTopicPartitions",),
        _both(_fails, _asks("name", lambda name: name == "")),
        f"{HANDLERS}/describe_topic_partitions.py",
        "for an empty one Kafka fails the whole request",
        "One bad name is no reason to say nothing of the others.",
        "c1.DescribeTopicPartitions(0, topics=[{name: ''}])",
    ),
    Departure(
        "topics are made before they are shown",
        ("Metadata",),
        lambda exchange, difference: (
            exchange.step.fields.get("allow_auto_topic_creation", True) is True and difference.fields[:1] == ("topics",)
        ),
        f"{HANDLERS}/metadata.py",
        "Kafka answers UNKNOWN_TOPIC_OR_PARTITION at first",
        "Every client that meets a new topic would wait for its back-off.",
        "c1.Metadata(4, topics=[{name: 'orders'}], allow_auto_topic_creation=True)",
    ),
    Departure(
        "neither a name nor an id",
        ("Metadata",),
        _asks(
            "topics",
            lambda topics: any(
                topic.get("name", "") is None and not any(topic.get("topic_id", b""))
                for topic in topics or []
                if not isinstance(topic.get("topic_id"), Call)
            ),
        ),
        f"{HANDLERS}/metadata.py",
        "A topic without a name and an id is an INVALID_REQUEST",
        "Kafka fails on it with UNKNOWN_SERVER_ERROR.",
        "c1.Metadata(12, topics=[{name: None}], allow_auto_topic_creation=False)",
    ),
    Departure(
        "internal topics stay",
        ("DeleteTopics",),
        _codes(0, int(ErrorCode.INVALID_TOPIC_EXCEPTION)),
        f"{HANDLERS}/delete_topics.py",
        "An internal topic stays: INVALID_TOPIC_EXCEPTION",
        "With it all groups would lose their offsets.",
        "c1.DeleteTopics(5, topic_names=['__consumer_offsets'], timeout_ms=60000)",
        ends=_always,
    ),
    # --- settings
    Departure(
        "the groups' topic stays compacted",
        ("AlterConfigs", "IncrementalAlterConfigs"),
        lambda exchange, difference: "stays cleanup.policy=compact" in str(exchange.ottla),
        "broker/core/controller/configs.py",
        "an internal topic stays compacted",
        "Retention would delete the offsets of groups that still read.",
        "c1.IncrementalAlterConfigs(1, resources=[{resource_type: 2, resource_name: '__consumer_offsets', "
        "configs: [{name: 'cleanup.policy', value: 'delete', config_operation: 0}]}])",
        ends=_always,
    ),
    Departure(
        "operations that there are not",
        ("IncrementalAlterConfigs",),
        _both(_fails, _asks("config_operation", lambda operation: operation not in range(4))),
        f"{HANDLERS}/incremental_alter_configs.py",
        "An operation that there is not is an INVALID_REQUEST",
        "Kafka fails on it with UNKNOWN_SERVER_ERROR, which is no answer to anything.",
        f"{_ORDERS}c1.IncrementalAlterConfigs(1, resources=[{{resource_type: 2, resource_name: 'orders', "
        "configs: [{name: 'retention.ms', value: '1000', config_operation: 9}]}])",
        ends=lambda exchange: len(exchange.step.fields["resources"]) > 1,
    ),
    Departure(
        "resources that are named twice",
        ("AlterConfigs", "IncrementalAlterConfigs"),
        _silent,
        f"{HANDLERS}/alter_configs.py",
        "a resource that is named twice is refused; Kafka 4.3 never answers such a request",
        "A client that is not answered waits for its request timeout, and says nothing of what was wrong.",
        "c1.AlterConfigs(0, resources=[{resource_type: 4, resource_name: ''}, {resource_type: 4, resource_name: ''}])",
    ),
    Departure(
        "properties that nothing obeys",
        ("DescribeConfigs",),
        _both(_config_of(_BROKER), _missing_on("ottla")),
        f"{HANDLERS}/describe_configs.py",
        "A broker tells of itself alone: of every property that it knows",
        "A property that changes nothing is better not shown.",
        "c1.DescribeConfigs(4, resources=[{resource_type: 4, resource_name: '1', configuration_keys: "
        "['num.io.threads']}])",
    ),
    Departure(
        "properties of its own",
        ("DescribeConfigs",),
        _both(
            _config_of(_BROKER),
            _missing_on("kafka"),
            lambda exchange, difference: _key_at(1, difference).startswith("ottla."),
        ),
        "docs/CONFIGURATION.md",
        "names that begin with `ottla.` are Ottla's",
        "Some things can be configured that Kafka does not have.",
        "c1.DescribeConfigs(4, resources=[{resource_type: 4, resource_name: '1', "
        "configuration_keys: ['ottla.replication.factor.clamp']}])",
    ),
    Departure(
        "defaults and values of its own",
        ("DescribeConfigs",),
        _both(
            _config_of(_BROKER),
            _named(
                "advertised.listeners",
                "broker.id",
                "group.initial.rebalance.delay.ms",
                "listeners",
                "log.dir",
                "log.dirs",
                "node.id",
                "socket.listen.backlog.size",
                "socket.receive.buffer.bytes",
                "socket.send.buffer.bytes",
            ),
        ),
        "docs/CONFIGURATION.md",
        "defaults are those of Apache Kafka 4.3 unless the text gives Kafka's own",
        "Addresses and directories are those of each broker, and some defaults are better otherwise.",
        "c1.DescribeConfigs(4, resources=[{resource_type: 4, resource_name: '1', "
        "configuration_keys: ['socket.receive.buffer.bytes']}])",
    ),
    Departure(
        "all synonyms of a topic's settings",
        ("DescribeConfigs",),
        _both(_config_of(_TOPIC), _under("results", "configs", "synonyms")),
        f"{HANDLERS}/describe_configs.py",
        "a topic setting shows every broker property that is its default",
        "Otherwise nobody can tell where the value comes from.",
        f"{_ORDERS}c1.DescribeConfigs(4, include_synonyms=True, resources=[{{resource_type: 2, resource_name: "
        "'orders', "
        "configuration_keys: ['segment.ms']}])",
    ),
    Departure(
        "documentation in words of its own",
        ("DescribeConfigs",),
        _under("results", "configs", "documentation"),
        f"{HANDLERS}/describe_configs.py",
        "documentation is in words of its own",
        "Kafka's sentences are Kafka's, and not all of them are true here.",
        f"{_ORDERS}c1.DescribeConfigs(4, include_documentation=True, resources=[{{resource_type: 2, "
        "resource_name: 'orders', "
        "configuration_keys: ['segment.ms']}])",
    ),
    Departure(
        "groups and client metrics have no settings",
        ("DescribeConfigs", "AlterConfigs", "IncrementalAlterConfigs"),
        lambda exchange, difference: _key_at(0, difference).partition(" ")[0] in (str(_METRICS), str(_GROUP)),
        f"{HANDLERS}/describe_configs.py",
        "Groups and client metrics have no settings here, and none are listed",
        "Nothing stands behind them.",
        "c1.DescribeConfigs(4, resources=[{resource_type: 32, resource_name: 'g', configuration_keys: None}])",
        ends=lambda exchange: exchange.step.api != "DescribeConfigs" and not exchange.step.fields.get("validate_only"),
    ),
    Departure(
        "loggers have Ottla's names",
        ("DescribeConfigs",),
        _config_of(_LOGGER),
        f"{HANDLERS}/describe_configs.py",
        "The loggers are those of this program",
        "They are those of another program.",
        "c1.DescribeConfigs(4, resources=[{resource_type: 8, resource_name: '1', configuration_keys: None}])",
    ),
    # --- cluster
    Departure(
        "no features",
        ("ApiVersions",),
        lambda exchange, difference: "features" in difference.fields[0],
        f"{HANDLERS}/api_versions.py",
        "Omitted: features. None is reported",
        "A client takes a feature as a promise.",
        "c1.ApiVersions(3, client_software_name='a', client_software_version='1')",
    ),
    Departure(
        "not served",
        ("ApiVersions",),
        _both(_under("api_keys"), _missing_on("ottla")),
        f"{HANDLERS}/api_versions.py",
        "Lists the registry",
        "Transactions, share groups and the like are still to come.",
        "c1.ApiVersions(0)",
    ),
    Departure(
        "no quotas",
        ("AlterClientQuotas",),
        _both(_codes(0, int(ErrorCode.POLICY_VIOLATION)), _asks("remove", lambda remove: not remove)),
        f"{HANDLERS}/alter_client_quotas.py",
        "No quota is enforced, so what would set one is refused with POLICY_VIOLATION",
        "A quota that is taken and not enforced deceives whoever relies on it.",
        "c1.AlterClientQuotas(1, entries=[{entity: [{entity_type: 'user', entity_name: 'alice'}], "
        "ops: [{key: 'producer_byte_rate', value: 1000.0, remove: False}]}], validate_only=True)",
        ends=lambda exchange: not exchange.step.fields.get("validate_only"),
    ),
    Departure(
        "hosts are not looked up",
        ("AlterClientQuotas",),
        lambda exchange, difference: "is not a valid IP or resolvable host" in str(exchange.kafka),
        "broker/core/controller/client_quotas.py",
        "A name where an IP address belongs is not resolved",
        "Asking a name server would hold up everybody else.",
        "c1.AlterClientQuotas(1, entries=[{entity: [{entity_type: 'ip', entity_name: 'nobody'}], "
        "ops: [{key: 'connection_creation_rate', value: 1.0, remove: True}]}])",
    ),
    Departure(
        "the quorum is the broker that was asked",
        ("DescribeQuorum",),
        _under("nodes", "listeners"),
        f"{HANDLERS}/describe_quorum.py",
        "The quorum is the broker that was asked",
        "There is no controller with a listener of its own.",
        "c1.DescribeQuorum(2, topics=[{topic_name: '__cluster_metadata', partitions: [{partition_index: 0}]}])",
    ),
    Departure(
        "codes of ACLs are not looked at",
        ("DescribeAcls", "CreateAcls", "DeleteAcls"),
        _closed,
        f"{HANDLERS}/describe_acls.py",
        'at code 0, "unknown", Kafka closes the connection',
        "There is no authorizer whom they would be for; a code is a better answer than none.",
        "c1.DescribeAcls(3, resource_type_filter=2, pattern_type_filter=3, operation=3, permission_type=0)",
    ),
)
"""All that is meant to differ."""
