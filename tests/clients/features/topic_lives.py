"""Topics that are made again, and internal ones."""

from __future__ import annotations

from tests.clients.setting import Setting, feature
from tests.support.admin_over_the_wire import id_of, partitions_of
from tests.support.records_over_the_wire import list_offset, produce, read_all, values_of
from tests.support.under_test import foreign_address, settled

INTERNAL_TOPIC = "__consumer_offsets"
LATEST = -1
INVALID_TOPIC_EXCEPTION = 17
TOPIC_ALREADY_EXISTS = 36


@feature("a topic made again is another topic")
def made_again(setting: Setting) -> None:
    topic = setting.make_topic()
    produce(setting.wire, topic, *[b"of the first"] * 10)
    first_id = id_of(setting.wire, topic)
    setting.ask("delete_topic", topic=topic)
    assert settled(lambda: not partitions_of(setting.wire, topic), "the topic is gone")
    assert topic not in setting.ask("list_topics")
    _create_again(setting, topic)
    assert topic in setting.ask("list_topics")
    assert id_of(setting.wire, topic) != first_id
    setting.ask("produce", topic=topic, records=[{"value": "of the second"}])
    assert [each["value"] for each in setting.ask("consume", topic=topic, count=1)] == ["of the second"]
    assert values_of(read_all(setting.wire, topic)) == [b"of the second"]


@feature("a producer goes on with a topic made again")
def produce_on(setting: Setting) -> None:
    topic = setting.make_topic()
    assert setting.ask("start_producing", topic=topic, value="of the first") == 0
    _replace(setting, topic)
    assert setting.ask("end_producing", topic=topic, value="of the second") == 0
    assert values_of(read_all(setting.wire, topic)) == [b"of the second"]


@feature("a consumer goes on with a topic made again")
def consume_on(setting: Setting) -> None:
    topic = setting.make_topic()
    produce(setting.wire, topic, *[b"of the first"] * 10)
    assert setting.ask("start_consuming", topic=topic, count=10) == ["of the first"] * 10
    _replace(setting, topic)
    produce(setting.wire, topic, b"of the second")
    # Its position is beyond the end of the new log, and so it is reset.
    assert setting.ask("end_consuming", topic=topic, count=1) == ["of the second"]


@feature("internal topics are marked, and not deleted")
def internal(setting: Setting) -> None:
    _make_internal_topic(setting)
    other = setting.make_topic()
    assert setting.ask("is_internal", topic=INTERNAL_TOPIC) is True
    assert setting.ask("is_internal", topic=other) is False
    setting.refused(TOPIC_ALREADY_EXISTS, "create_topic", topic=INTERNAL_TOPIC, partitions=1, configs={})
    if foreign_address() is None:  # Kafka deletes it, and all offsets with it
        setting.refused(INVALID_TOPIC_EXCEPTION, "delete_topics", topics=[INTERNAL_TOPIC, other])
        assert partitions_of(setting.wire, INTERNAL_TOPIC)
        assert not partitions_of(setting.wire, other)


@feature("nobody produces to internal topics")
def no_producing(setting: Setting) -> None:
    _make_internal_topic(setting)
    end = list_offset(setting.wire, INTERNAL_TOPIC, LATEST).offset
    setting.refused(INVALID_TOPIC_EXCEPTION, "produce", topic=INTERNAL_TOPIC, records=[{"value": "mine"}])
    assert list_offset(setting.wire, INTERNAL_TOPIC, LATEST).offset == end


def _make_internal_topic(setting: Setting) -> None:
    setting.wire.ask("FindCoordinator", 4, key_type=0, coordinator_keys=["any"])
    assert settled(lambda: partitions_of(setting.wire, INTERNAL_TOPIC), "the topic of groups is made")


def _replace(setting: Setting, topic: str) -> None:
    setting.wire.ask("DeleteTopics", 5, topic_names=[topic], timeout_ms=30_000)
    assert settled(lambda: not partitions_of(setting.wire, topic), "the topic is gone")
    _create_again(setting, topic)


def _create_again(setting: Setting, topic: str) -> None:
    (created,) = setting.wire.ask(
        "CreateTopics", 7, topics=[{"name": topic, "num_partitions": 1, "replication_factor": 1}], timeout_ms=30_000
    ).topics
    assert created.error_code == 0, created
    assert settled(lambda: partitions_of(setting.wire, topic), "the topic is there again")
