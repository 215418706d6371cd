"""The metadata image: made step by step it is the one that the whole store makes, and shares what did not change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.metadata.image import (
    BrokerImage,
    ConfigImage,
    ImageDelta,
    MetadataImage,
    PartitionImage,
    TopicImage,
    difference,
    load_image,
)
from broker.metadata.keys import CLUSTER_ID, PRODUCER_IDS_NEXT, broker_configs_key, broker_key, partition_key, topic_key
from broker.metadata.records import (
    BrokerRecord,
    PartitionRecord,
    TopicRecord,
    decode_broker,
    decode_configs,
    decode_number,
    decode_partition,
    decode_topic,
    encode_broker,
    encode_configs,
    encode_partition,
    encode_topic,
)
from broker.metadata.store import KeyValue, StoreError, WatchEvent

ID_A, ID_B, ID_C = (bytes([number]) * 16 for number in (1, 2, 3))


def topic(name: str, topic_id: bytes, *assignment: tuple[int, ...], revision: int = 1, **configs: str) -> KeyValue:
    return KeyValue(topic_key(name), encode_topic(TopicRecord(topic_id, configs, assignment)), revision)


def partition(topic_id: bytes, index: int, revision: int, *state: Any) -> KeyValue:
    return KeyValue(partition_key(topic_id, index), encode_partition(PartitionRecord(*state)), revision)


def broker(node_id: int, start_count: int, rack: str | None = None, revision: int = 1) -> KeyValue:
    return KeyValue(broker_key(node_id), encode_broker(BrokerRecord(start_count, rack)), revision)


def configs(node_id: int | None, revision: int, **texts: str) -> KeyValue:
    return KeyValue(broker_configs_key(node_id), encode_configs(texts), revision)


def test_an_image_tells_what_is_in_the_store() -> None:
    image = load_image(
        [
            broker(0, 4),
            broker(7, 0, "r1"),
            KeyValue(CLUSTER_ID, b"FnLCvHbPR4a4B9gBdDcaAA", 1),
            partition(ID_B, 1, 5, (0, 7), (7,), 7, 3),
            KeyValue(PRODUCER_IDS_NEXT, b"1000", 1),
            topic("orders", ID_A, (0,), **{"retention.ms": "5"}),
            topic("__consumer_offsets", ID_B, (0, 7), (0, 7), revision=3),
        ],
        revision=9,
    )
    assert (image.revision, image.cluster_id) == (9, "FnLCvHbPR4a4B9gBdDcaAA")
    assert image.brokers == {0: BrokerImage(0, 4, None), 7: BrokerImage(7, 0, "r1")}
    orders, offsets = image.topics["orders"], image.topics["__consumer_offsets"]
    assert (orders.topic_id, orders.configs, orders.internal, orders.mod_revision) == (
        ID_A,
        {"retention.ms": "5"},
        False,
        1,
    )
    assert (offsets.internal, offsets.mod_revision) == (True, 3)
    assert orders.partitions == (PartitionImage((0,), (0,), 0, 0),)
    assert offsets.partitions == (PartitionImage((0, 7), (0, 7), 0, 0), PartitionImage((0, 7), (7,), 7, 3, 5))
    assert image.topics_by_id == {ID_A: orders, ID_B: offsets}


def test_the_leader_epoch_rises_with_every_start_of_the_leader() -> None:
    image = load_image(
        [
            broker(0, 4),
            broker(1, 10),
            topic("t", ID_A, (0,), (1,), (0,), (0,)),
            partition(ID_A, 2, 2, (0, 1), (1,), 1, 3),
            partition(ID_A, 3, 2, (0,), (0,), -1, 6),
        ],
        revision=2,
    )
    assert [image.leader_epoch("t", index) for index in range(4)] == [4, 10, 13, 6]
    restarted, _ = image.apply(WatchEvent(3, [broker(0, 5, revision=3)], []))
    assert [restarted.leader_epoch("t", index) for index in range(4)] == [5, 10, 13, 6]
    assert restarted.topics is image.topics


def test_what_did_not_change_is_shared() -> None:
    first = load_image([broker(0, 0), topic("a", ID_A, *[(0,)] * 3), topic("b", ID_B, (0,))], revision=1)
    a = first.topics["a"]
    assert a.partitions[0] is a.partitions[1] is first.topics["b"].partitions[0]
    second, delta = first.apply(WatchEvent(2, [topic("c", ID_C, (0,), revision=2)], []))
    assert second.topics["a"] is a
    assert delta == ((second.topics["c"],), (), ())
    assert "c" not in first.topics and ID_C not in first.topics_by_id
    third, delta = second.apply(WatchEvent(3, [KeyValue(PRODUCER_IDS_NEXT, b"1000", 3)], []))
    assert third.topics is second.topics and third.revision == 3
    assert delta == ((), (), ())


def test_a_deleted_topic_leaves_nothing() -> None:
    image = load_image([topic("a", ID_A, (0,)), partition(ID_A, 0, 1, (0,), (0,), 0, 2)], revision=1)
    after, delta = image.apply(WatchEvent(2, [], [partition_key(ID_A, 0), topic_key("a")]))
    assert (after.topics, after.topics_by_id) == ({}, {})
    assert delta == ((), (image.topics["a"],), ())


def test_a_topic_under_the_name_of_another_is_deleted_and_created() -> None:
    image = load_image([topic("a", ID_A, (0,), (0,))], revision=1)
    after, delta = image.apply(WatchEvent(2, [topic("a", ID_B, (1,), revision=2)], []))
    assert delta == ((after.topics["a"],), (image.topics["a"],), ())
    assert list(after.topics_by_id) == [ID_B]
    assert after.topics["a"].partitions == (PartitionImage((1,), (1,), 1, 0),)


def test_new_settings_and_partitions_leave_the_state_of_the_others_alone() -> None:
    image = load_image([topic("a", ID_A, (0, 1)), partition(ID_A, 0, 1, (0, 1), (1,), 1, 5)], revision=1)
    after, delta = image.apply(WatchEvent(2, [topic("a", ID_A, (0, 1), (1, 0), revision=2, **{"segment.ms": "9"})], []))
    assert delta == ((), (), ((image.topics["a"], after.topics["a"]),))
    assert after.topics["a"].configs == {"segment.ms": "9"}
    state = PartitionImage((0, 1), (1,), 1, 5, mod_revision=1)
    assert after.topics["a"].partitions == (state, PartitionImage((1, 0), (1, 0), 1, 0))
    assert after.topics["a"].assignment == ((0, 1), (1, 0))


def test_a_partition_of_a_topic_that_is_gone_is_passed_over() -> None:
    image, delta = MetadataImage().apply(WatchEvent(1, [partition(ID_A, 0, 1, (0,), (0,), 0, 1)], []))
    assert (image.topics, delta) == ({}, ImageDelta((), (), ()))


def test_a_broker_can_go() -> None:
    image = load_image([broker(0, 0), broker(1, 0)], revision=1)
    after, _ = image.apply(WatchEvent(2, [], [broker_key(1)]))
    assert list(after.brokers) == [0] and list(image.brokers) == [0, 1]


def test_what_is_set_for_brokers_is_another_object_once_it_changes() -> None:
    image = load_image([configs(None, 1, x="1"), configs(7, 2, x="2", y="3")], revision=2)
    assert image.broker_configs == {None: ConfigImage({"x": "1"}, 1), 7: ConfigImage({"x": "2", "y": "3"}, 2)}
    other, _ = image.apply(WatchEvent(3, [broker(0, 0)], []))
    assert other.broker_configs is image.broker_configs
    changed, delta = other.apply(WatchEvent(4, [configs(7, 4, x="5")], [broker_configs_key(None)]))
    assert changed.broker_configs == {7: ConfigImage({"x": "5"}, 4)}
    assert (changed.topics, delta) == (image.topics, ((), (), ()))
    assert len(image.broker_configs) == 2


def test_records_are_read_as_they_were_written_and_unknown_fields_passed_over() -> None:
    described = TopicRecord(ID_A, {"a": "é", "b": ""}, ((1, 2), (2, 1)))
    assert decode_topic(encode_topic(described)) == described
    assert decode_broker(encode_broker(BrokerRecord(3, "r"))) == BrokerRecord(3, "r")
    assert decode_broker(b'{"start_count":3,"color":"red"}') == BrokerRecord(3, None)
    assert decode_configs(encode_configs({"a": "é", "b": ""})) == {"a": "é", "b": ""}
    state = PartitionRecord((1, 2), (2,), 2, 7)
    assert decode_partition(encode_partition(state)) == state


@pytest.mark.parametrize("value", [b"", b"no json", b"[]", b"{}", b'{"id":"short","assignment":[]}', b"\xff"])
def test_a_value_that_makes_no_sense_is_an_error_of_the_store(value: bytes) -> None:
    for decode in (decode_topic, decode_broker, decode_partition, decode_configs, decode_number):
        with pytest.raises(StoreError, match="cannot be read"):
            decode(value)


# --- against the whole store ---------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c"])
replicas = st.sampled_from([(0,), (1,), (0, 1)])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("create"), names, st.lists(replicas, min_size=1, max_size=3)),
        st.tuples(st.just("configure"), names, st.sampled_from(["1", "2"])),
        st.tuples(st.just("elect"), names, st.integers(0, 2)),
        st.tuples(st.just("delete"), names, st.just(None)),
        st.tuples(st.just("start"), st.just(""), st.integers(0, 1)),
        st.tuples(st.just("set"), names, st.sampled_from([None, 0, 1])),
        st.tuples(st.just("unset"), st.just(""), st.sampled_from([None, 0, 1])),
    ),
    max_size=20,
)


def content(image: MetadataImage) -> Any:
    topics = {name: dataclasses.astuple(topic) for name, topic in image.topics.items()}
    by_id = {topic_id: dataclasses.astuple(topic) for topic_id, topic in image.topics_by_id.items()}
    return image.revision, topics, by_id, dict(image.brokers), dict(image.broker_configs)


@given(script=steps)
def test_step_by_step_it_becomes_what_the_whole_store_says(script: list[tuple[str, str, Any]]) -> None:
    store: dict[str, KeyValue] = {}
    topics: dict[str, TopicRecord] = {}
    start = image = MetadataImage()
    known: Mapping[str, TopicImage] = {}

    def states_of(record: TopicRecord | None) -> list[str]:
        keys = [] if record is None else [partition_key(record.topic_id, index) for index in range(3)]
        return [key for key in keys if key in store]

    for revision, (what, name, argument) in enumerate(script, start=1):
        puts: list[KeyValue] = []
        deletes: list[str] = []
        if what == "start":
            puts = [broker(argument, revision, revision=revision)]
        elif what == "set":
            puts = [configs(argument, revision, x=name)]
        elif what == "unset":
            deletes = [key for key in [broker_configs_key(argument)] if key in store]
        elif what == "create":
            deletes = states_of(topics.get(name))
            topics[name] = TopicRecord(revision.to_bytes(16, "big"), {}, tuple(argument))
            puts = [KeyValue(topic_key(name), encode_topic(topics[name]), revision)]
        elif name in topics and what == "configure":
            topics[name] = topics[name]._replace(configs={"x": argument})
            puts = [KeyValue(topic_key(name), encode_topic(topics[name]), revision)]
        elif name in topics and what == "elect":
            placed = topics[name].assignment
            if argument < len(placed):
                puts = [partition(topics[name].topic_id, argument, revision, placed[argument], (0,), 0, revision)]
        elif name in topics and what == "delete":
            deletes = [topic_key(name), *states_of(topics.pop(name))]
        for key in deletes:
            del store[key]
        store.update((item.key, item) for item in puts)
        image, delta = image.apply(WatchEvent(revision, puts, deletes))
        followed = {t.topic_id: t for t in known.values()}
        for deleted in delta.deleted:
            assert followed.pop(deleted.topic_id) is deleted
        for before, after in delta.changed:
            assert followed[before.topic_id] is before
            followed[before.topic_id] = after
        followed |= {created.topic_id: created for created in delta.created}
        assert followed == image.topics_by_id
        known = image.topics
    whole = load_image(sorted(store.values()), len(script))
    assert content(image) == content(whole)
    assert {t.name for t in difference(start, image, image.topics).created} == set(image.topics)
