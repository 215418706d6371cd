"""Topics, to admin clients: in all ways that there are, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.clients.setting import Setting, feature
from tests.support.admin_over_the_wire import id_of, node_id, overrides, partitions_of
from tests.support.records_over_the_wire import describe
from tests.support.under_test import settled

UNKNOWN_TOPIC_OR_PARTITION = 3
INVALID_TOPIC_EXCEPTION = 17
TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_REPLICATION_FACTOR = 38
INVALID_REPLICA_ASSIGNMENT = 39
INVALID_CONFIG = 40
INVALID_REQUEST = 42
UNKNOWN_TOPIC_ID = 100


@feature("create a topic as the broker likes it")
def create_with_defaults(setting: Setting) -> None:
    name = setting.topic_name()
    setting.ask("create_topics", topics=[[name]])
    assert settled(lambda: partitions_of(setting.wire, name) == {0: [node_id(setting.wire)]}, "the topic is known")


@feature("create a topic on chosen replicas")
def create_on_replicas(setting: Setting) -> None:
    name, node = setting.topic_name(), node_id(setting.wire)
    configs = {"max.message.bytes": "2000"}
    setting.ask("create_topics", topics=[[name, -1, -1, [[node], [node]], configs]])
    assert settled(lambda: partitions_of(setting.wire, name) == {0: [node], 1: [node]}, "the topic is known")
    assert overrides(setting.wire, name) == configs


@feature("validate a topic without creating it")
def validate(setting: Setting) -> None:
    name = setting.topic_name()
    setting.ask("create_topics", topics=[[name, 2, 1]], validate_only=True)
    setting.refused(INVALID_PARTITIONS, "create_topics", topics=[[name, 0, 1]], validate_only=True)
    assert partitions_of(setting.wire, name) == {}


@feature("a bad topic is refused, the others are created")
def refuse_bad_topics(setting: Setting) -> None:
    existing, node = setting.make_topic(), node_id(setting.wire)
    # Whether there is a dot or an underscore makes no difference in the names of metrics.
    settled_name = setting.topic_name() + "_"
    setting.ask("create_topics", topics=[[settled_name, 1, 1]])
    cases: list[tuple[int, list[Any]]] = [
        (TOPIC_ALREADY_EXISTS, [existing, 1, 1]),
        (INVALID_TOPIC_EXCEPTION, [settled_name.replace("_", "."), 1, 1]),
        (INVALID_TOPIC_EXCEPTION, [setting.topic_name() + "!", 1, 1]),
        (INVALID_TOPIC_EXCEPTION, ["x" * 250, 1, 1]),
        (INVALID_PARTITIONS, [setting.topic_name(), 0, 1]),
        (INVALID_REPLICATION_FACTOR, [setting.topic_name(), 1, 2]),
        (INVALID_REPLICA_ASSIGNMENT, [setting.topic_name(), -1, -1, [[node + 1]]]),
        (INVALID_REPLICA_ASSIGNMENT, [setting.topic_name(), -1, -1, [[node, node]]]),
        (INVALID_CONFIG, [setting.topic_name(), 1, 1, None, {"retention.ms": "long"}]),
        (INVALID_CONFIG, [setting.topic_name(), 1, 1, None, {"retention.hours": "1"}]),
    ]
    for code, bad in cases:
        first, last = setting.topic_name(), setting.topic_name()
        setting.refused(code, "create_topics", topics=[[first, 1, 1], bad, [last, 2, 1]])
        _assert_sizes(setting, {first: 1, last: 2})
        if bad[0] != existing:
            assert describe(setting.wire, bad[0]).topics[0].error_code != 0, bad


@feature("a topic named twice in a request is refused")
def refuse_duplicates(setting: Setting) -> None:
    twice, once = setting.topic_name(), setting.topic_name()
    setting.refused(INVALID_REQUEST, "create_topics", topics=[[twice, 1, 1], [once, 1, 1], [twice, 1, 1]])
    _assert_sizes(setting, {once: 1})
    assert partitions_of(setting.wire, twice) == {}


@feature("create topics and wait for them")
def create_and_wait(setting: Setting) -> None:
    names = [setting.topic_name() for _ in range(3)]
    setting.ask("create_and_wait", topics=names)
    assert [len(partitions_of(setting.wire, name)) for name in names] == [1, 1, 1]


@feature("grow a topic")
def grow(setting: Setting) -> None:
    topic, other = setting.make_topic(), setting.make_topic(partitions=2)
    setting.ask("grow_topics", topics=[[topic, 6]], validate_only=True)
    assert len(partitions_of(setting.wire, topic)) == 1
    setting.ask("grow_topics", topics=[[topic, 6], [other, 3]])
    _assert_sizes(setting, {topic: 6, other: 3})
    records = [{"value": f"value {index}", "partition": index} for index in range(6)]
    setting.ask("produce", topic=topic, records=records)
    read = setting.ask("consume", topic=topic, partitions=list(range(6)), count=6)
    assert sorted(each["value"] for each in read) == [f"value {index}" for index in range(6)]


@feature("grow a topic on chosen replicas")
def grow_on_replicas(setting: Setting) -> None:
    topic, node = setting.make_topic(), node_id(setting.wire)
    setting.ask("grow_topics", topics=[[topic, 3, [[node], [node]]]])
    assert settled(lambda: partitions_of(setting.wire, topic) == {0: [node], 1: [node], 2: [node]}, "it has grown")


@feature("a topic does not shrink, and the others grow")
def refuse_to_shrink(setting: Setting) -> None:
    node, other = node_id(setting.wire), setting.make_topic()
    cases: list[tuple[int, list[Any]]] = [
        (INVALID_PARTITIONS, [setting.make_topic(partitions=2), 1]),
        (INVALID_PARTITIONS, [setting.make_topic(partitions=2), 2]),
        (INVALID_REPLICA_ASSIGNMENT, [setting.make_topic(partitions=2), 3, [[node + 1]]]),
        (INVALID_REPLICA_ASSIGNMENT, [setting.make_topic(partitions=2), 4, [[node]]]),
        (UNKNOWN_TOPIC_OR_PARTITION, [setting.topic_name(), 3]),
    ]
    for size, (code, bad) in enumerate(cases, start=2):
        setting.refused(code, "grow_topics", topics=[bad, [other, size]])
        _assert_sizes(setting, {other: size})
        assert len(partitions_of(setting.wire, bad[0])) in (0, 2), bad


@feature("an unknown topic is not deleted, the others are")
def unknown_is_not_deleted(setting: Setting) -> None:
    _assert_others_deleted(setting, UNKNOWN_TOPIC_OR_PARTITION, [setting.topic_name()])


@feature("a topic named twice is not deleted, the others are")
def twice_is_not_deleted(setting: Setting) -> None:
    twice = setting.make_topic()
    _assert_others_deleted(setting, INVALID_REQUEST, [twice, twice])
    assert partitions_of(setting.wire, twice)


def _assert_others_deleted(setting: Setting, code: int, bad: Sequence[str]) -> None:
    first, last = setting.make_topic(), setting.make_topic()
    setting.refused(code, "delete_topics", topics=[first, *bad, last])
    assert settled(lambda: not any(partitions_of(setting.wire, name) for name in (first, last)), "the others are gone")


@feature("a topic's id")
def topic_id(setting: Setting) -> None:
    topic = setting.make_topic()
    assert setting.ask("topic_id", topic=topic) == str(id_of(setting.wire, topic))


@feature("describe and delete a topic by its id")
def by_id(setting: Setting) -> None:
    topic, other = setting.make_topic(), setting.make_topic()
    topic_id = setting.ask("topic_id", topic=topic)
    assert setting.ask("name_of_topic", topic_id=topic_id) == topic
    setting.ask("delete_topic_by_id", topic_id=topic_id)
    assert settled(lambda: not partitions_of(setting.wire, topic), "the topic is gone")
    for operation in ("name_of_topic", "delete_topic_by_id"):
        setting.refused(UNKNOWN_TOPIC_ID, operation, topic_id=topic_id)
    assert len(partitions_of(setting.wire, other)) == 1


@feature("describe partitions page by page")
def pages(setting: Setting) -> None:
    topics = sorted([setting.make_topic(partitions=3), setting.make_topic(partitions=2)])
    everything = [[topic, index] for topic in topics for index in partitions_of(setting.wire, topic)]
    pages = setting.ask("pages_of_partitions", topics=topics, limit=2)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == everything
    setting.refused(
        UNKNOWN_TOPIC_OR_PARTITION, "pages_of_partitions", topics=[*topics, setting.topic_name()], limit=2000
    )


def _assert_sizes(setting: Setting, sizes: Mapping[str, int]) -> None:
    """Topics have so many partitions."""
    assert settled(
        lambda: {name: len(partitions_of(setting.wire, name)) for name in sizes} == sizes, f"partitions are {sizes}"
    )
