"""Creating and deleting topics: the rules (codes and messages as a Kafka 4.3.1 has them), and who carries them out."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.controller.partition_growth import GrowingTopic
from broker.core.controller.placement import place_replicas
from broker.core.controller.topic_creation import (
    CreationResults,
    NewTopic,
    TopicDefaults,
    plan_creation,
)
from broker.core.controller.topic_deletion import DeletionPlan, TopicReference, plan_deletion
from broker.core.controller.topic_names import validate_topic_name
from broker.metadata.image import GROUPS_TOPIC, INTERNAL_TOPICS, BrokerImage, MetadataImage, load_image
from broker.metadata.keys import partition_key, topic_key
from broker.metadata.records import PartitionRecord, TopicRecord, encode_partition, encode_topic
from broker.metadata.store import Delete, KeyValue, Put
from broker.metadata.writer import MetadataWriter
from broker.random_uuid import random_uuid
from broker.topics import TopicController
from protocol.errors import ErrorCode, KafkaError
from protocol.uuid import uuid_to_text
from tests.support.metadata_broker import MetadataBroker
from tests.support.rival_store import RivalStore

ID_A, ID_B = b"a" * 16, b"b" * 16


def refuse_bogus(overrides: Mapping[str, str | None]) -> Mapping[str, str]:
    if "bogus" in overrides:
        raise KafkaError(ErrorCode.INVALID_CONFIG, "Unknown topic config name: bogus")
    return {name: value or "" for name, value in overrides.items()}


def make_image(brokers: int = 1, **topics: bytes) -> MetadataImage:
    items = [
        KeyValue(topic_key(name.replace("DOT", ".")), encode_topic(TopicRecord(topic_id, {}, ((0,),))), 1)
        for name, topic_id in topics.items()
    ]
    image = load_image(items, 1)
    registered = {node_id: BrokerImage(node_id, 0, None) for node_id in range(brokers)}
    return MetadataImage(1, "", image.topics, image.topics_by_id, registered)


def plan(
    *topics: NewTopic,
    image: MetadataImage | None = None,
    denied: Sequence[str] = (),
    partitions: int = 3,
    factor: int = 1,
    clamp: bool = False,
) -> CreationResults:
    numbers = itertools.count(1)
    return plan_creation(
        topics,
        image or make_image(),
        TopicDefaults(partitions, factor, clamp, refuse_bogus),
        lambda name: name not in denied,
        lambda: next(numbers).to_bytes(16, "big"),
    )


def error_of(topic: NewTopic, **surroundings: Any) -> tuple[ErrorCode, str | None]:
    [result] = plan(topic, **surroundings).values()
    assert isinstance(result, KafkaError)
    return result.code, result.message


def assignment_of(topic: NewTopic, **surroundings: Any) -> tuple[tuple[int, ...], ...]:
    [result] = plan(topic, **surroundings).values()
    assert isinstance(result, TopicRecord), result
    return result.assignment


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "the empty string is not allowed"),
        (".", "'.' is not allowed"),
        ("..", "'..' is not allowed"),
        ("x" * 250, f"the length of '{'x' * 250}' is longer than the max allowed length 249"),
        ("a b", "'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("a\n", "'a\n' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("é", "'é' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
        ("../a", "'../a' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
    ],
)
def test_names_that_no_topic_can_have(name: str, reason: str) -> None:
    assert error_of(NewTopic(name, 1, 1)) == (
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        f"Topic name is invalid: {reason}",
    )


@pytest.mark.parametrize("name", ["a", "...", "x" * 249, "-", "_", "A-Z_0.9"])
def test_names_that_a_topic_can_have(name: str) -> None:
    validate_topic_name(name)


def test_a_dot_and_an_underscore_are_not_told_apart() -> None:
    image = make_image(aDOTb=ID_A, a_c=ID_B)
    results = plan(*(NewTopic(name, 1, 1) for name in ("a_b", "a.c", "a.b.c", "x.y", "x_y")), image=image)
    collisions = {name: result.message for name, result in results.items() if isinstance(result, KafkaError)}
    assert collisions == {
        "a_b": "Topic 'a_b' collides with existing topic: a.b",
        "a.c": "Topic 'a.c' collides with existing topic: a_c",
        "x_y": "Topic 'x_y' collides with existing topic: x.y",
    }
    assert error_of(NewTopic("a_b", 1, 1), image=image)[0] == ErrorCode.INVALID_TOPIC_EXCEPTION


def test_a_topic_that_is_refused_takes_no_name() -> None:
    for refused in (NewTopic("x.y", 0, 1), NewTopic("x.y", 1, 1, configs=[("bogus", "1")]), NewTopic("x.y", 1, 9)):
        results = plan(refused, NewTopic("x_y", 1, 1))
        assert isinstance(results["x.y"], KafkaError)
        assert isinstance(results["x_y"], TopicRecord)


def test_a_name_that_is_taken_is_told_before_a_bad_setting() -> None:
    image = make_image(aDOTb=ID_A)
    bogus = [("bogus", "1")]
    assert error_of(NewTopic("a_b", 1, 1, configs=bogus), image=image)[0] == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert error_of(NewTopic("a.b", 1, 1, configs=bogus), image=image)[0] == ErrorCode.TOPIC_ALREADY_EXISTS
    assert error_of(NewTopic("c", 0, 1, configs=bogus), image=image)[0] == ErrorCode.INVALID_CONFIG


def test_a_topic_that_is_there() -> None:
    expected = (ErrorCode.TOPIC_ALREADY_EXISTS, "Topic 'a' already exists.")
    assert error_of(NewTopic("a", 1, 1), image=make_image(a=ID_A)) == expected


def test_the_topic_of_groups_is_compacted_by_whomever_it_is_made() -> None:
    def configs_of(*configs: tuple[str, str | None]) -> Mapping[str, str]:
        [result] = plan(NewTopic(GROUPS_TOPIC, 1, 1, configs=configs)).values()
        assert isinstance(result, TopicRecord)
        return result.configs

    assert configs_of() == {"cleanup.policy": "compact"}
    assert configs_of(("cleanup.policy", "delete")) == {"cleanup.policy": "delete"}


def test_of_a_name_given_twice_nothing_is_made() -> None:
    results = plan(NewTopic("a", 1, 1), NewTopic("b", 1, 1), NewTopic("a", 2, 1))
    duplicate = results["a"]
    assert isinstance(duplicate, KafkaError)
    assert (duplicate.code, duplicate.message) == (ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
    assert isinstance(results["b"], TopicRecord)
    assert list(results) == ["a", "b"]


def test_the_topic_of_clusters_own_metadata_is_nobodys() -> None:
    expected = (ErrorCode.INVALID_REQUEST, "Creation of internal topic __cluster_metadata is prohibited.")
    assert error_of(NewTopic("__cluster_metadata")) == expected
    assert assignment_of(NewTopic("__consumer_offsets", 2, 1)) == ((0,), (0,))


def test_who_may_not_create_a_topic_learns_nothing_else() -> None:
    image = make_image(a=ID_A)
    expected = (ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Authorization failed.")
    assert error_of(NewTopic("a", 0, 0), image=image, denied=["a"]) == expected
    results = plan(NewTopic("a"), NewTopic("a"), image=image, denied=["a"])
    assert [result.code for result in results.values() if isinstance(result, KafkaError)] == [ErrorCode.INVALID_REQUEST]


# --- counts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, -2, -(2**31)])
def test_counts_of_partitions_that_make_no_sense(count: int) -> None:
    expected = (ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
    assert error_of(NewTopic("a", count, 1)) == expected


@pytest.mark.parametrize("factor", [0, -2])
def test_replication_factors_that_make_no_sense(factor: int) -> None:
    message = "Replication factor must be larger than 0, or -1 to use the default value."
    assert error_of(NewTopic("a", 0, factor)) == (ErrorCode.INVALID_REPLICATION_FACTOR, message)


def test_more_replicas_than_brokers() -> None:
    code, message = error_of(NewTopic("a", 1, 3), image=make_image(brokers=2))
    assert code == ErrorCode.INVALID_REPLICATION_FACTOR
    assert message is not None and "only 2 broker(s) are registered" in message
    assert len(assignment_of(NewTopic("a", 1, 3), image=make_image(brokers=2), clamp=True)[0]) == 2


def test_the_defaults_hold_where_a_request_says_minus_one() -> None:
    assert len(assignment_of(NewTopic("a"), partitions=7)) == 7
    assert len(assignment_of(NewTopic("a"), image=make_image(brokers=3), factor=2)[0]) == 2
    assert len(assignment_of(NewTopic("a"), image=make_image(brokers=2), factor=3)[0]) == 2  # at most the brokers


def test_settings_are_checked_before_counts() -> None:
    expected = (ErrorCode.INVALID_CONFIG, "Unknown topic config name: bogus")
    assert error_of(NewTopic("a", 0, 1, configs=[("bogus", "1")])) == expected


def test_the_last_of_two_values_of_a_setting_counts() -> None:
    [result] = plan(NewTopic("a", 1, 1, configs=[("x", "1"), ("x", "2")])).values()
    assert isinstance(result, TopicRecord) and result.configs == {"x": "2"}


def test_a_request_may_ask_for_ten_thousand_partitions() -> None:
    assert len(assignment_of(NewTopic("a", 10_000, 1))) == 10_000
    assert len(assignment_of(NewTopic("a", assignments=[(index, [0]) for index in range(10_000)]))) == 10_000


@pytest.mark.parametrize(
    "topics",
    [
        [NewTopic("a", 10_001, 1)],
        [NewTopic("a", 6_000, 1), NewTopic("b", 4_001, 1), NewTopic("bad name", 1, 1), NewTopic("there", 1, 1)],
        [NewTopic("a", 10_000, 1), NewTopic("b")],
        [NewTopic("a", 2**31 - 1, 1), NewTopic("b", 2**31 - 1, 1)],
        [NewTopic("a", assignments=[(index, [0]) for index in range(10_001)])],
        [NewTopic("a", 10_001, 1), NewTopic("b", -5, 1)],
    ],
)
def test_a_request_for_more_is_refused_as_a_whole(topics: list[NewTopic]) -> None:
    for result in plan(*topics, image=make_image(there=ID_A)).values():
        assert isinstance(result, KafkaError)
        assert result.code == ErrorCode.POLICY_VIOLATION
        assert result.message and result.message.startswith("Excessively large number of partitions per request")


def test_what_is_refused_anyway_does_not_count() -> None:
    results = plan(*[NewTopic("a", 10_000, 1)] * 2, NewTopic("mine", 10_000, 1), NewTopic("b", 1, 1), denied=["mine"])
    assert isinstance(results["b"], TopicRecord)


# --- where replicas go ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "code", "message"),
    [
        (
            NewTopic("m", 1, -1, [(0, [0])]),
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            NewTopic("m", 1, 1, [(0, [0])]),
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        ),
        (
            NewTopic("m", assignments=[(0, [7])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            NewTopic("m", assignments=[(0, [1, 1])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            NewTopic("m", assignments=[(0, [])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            NewTopic("m", assignments=[(1, [0])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            NewTopic("m", assignments=[(-1, [0])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            NewTopic("m", assignments=[(0, [0]), (0, [0])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            NewTopic("m", assignments=[(0, [0]), (1, [0, 1])]),
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with "
            "previous partitions, which have 1 replica(s).",
        ),
    ],
)
def test_manual_assignments_that_make_no_sense(topic: NewTopic, code: ErrorCode, message: str) -> None:
    assert error_of(topic, image=make_image(brokers=2)) == (code, message)


def test_a_manual_assignment_is_kept_as_it_is() -> None:
    topic = NewTopic("m", assignments=[(1, [2, 0]), (0, [0, 1])])
    assert assignment_of(topic, image=make_image(brokers=3)) == ((0, 1), (2, 0))


@given(
    racks=st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=7),
    partitions=st.integers(1, 30),
    factor=st.integers(1, 7),
    seed=st.integers(0, 2**32 - 1),
)
def test_replicas_are_spread_evenly(racks: list[str | None], partitions: int, factor: int, seed: int) -> None:
    brokers = [BrokerImage(10 + number, 0, rack) for number, rack in enumerate(racks)]
    factor = min(factor, len(brokers))
    assignment = place_replicas(partitions, factor, brokers, seed)
    assert len(assignment) == partitions
    leaders = Counter(replicas[0] for replicas in assignment)
    assert max(leaders.values()) - min(leaders[broker.node_id] for broker in brokers) <= 1
    rack_of = {broker.node_id: broker.rack for broker in brokers}
    for replicas in assignment:
        assert len(replicas) == len(set(replicas)) == factor
        assert len({rack_of[node_id] for node_id in replicas}) == min(factor, len(set(racks)))


def test_the_followers_of_a_leader_change_from_round_to_round() -> None:
    brokers = [BrokerImage(node_id, 0, None) for node_id in range(4)]
    assert place_replicas(12, 2, brokers, 0) == (
        *((0, 1), (1, 2), (2, 3), (3, 0)),
        *((0, 2), (1, 3), (2, 0), (3, 1)),
        *((0, 3), (1, 0), (2, 1), (3, 2)),
    )


def test_neighbours_in_the_ring_are_of_different_racks() -> None:
    brokers = [BrokerImage(node_id, 0, "ab"[node_id // 2]) for node_id in range(4)]
    assert [replicas[0] for replicas in place_replicas(4, 1, brokers, 0)] == [0, 2, 1, 3]


# --- deleting ------------------------------------------------------------------------------------------------------


def plan_to_delete(
    *references: TopicReference, image: MetadataImage, hidden: Sequence[str] = (), kept: Sequence[str] = ()
) -> tuple[list[str], list[tuple[str | None, bytes, ErrorCode, str | None]]]:
    planned: DeletionPlan = plan_deletion(
        references, image, lambda name: name not in hidden, lambda name: name not in (*hidden, *kept)
    )
    refused = [(name, topic_id, error.code, error.message) for name, topic_id, error in planned.refused]
    return [topic.name for topic in planned.topics], refused


def test_topics_are_deleted_by_name_and_by_id() -> None:
    image = make_image(a=ID_A, b=ID_B, c=b"c" * 16)
    assert plan_to_delete(TopicReference("a"), TopicReference(None, ID_B), image=image) == (["b", "a"], [])


@pytest.mark.parametrize(
    ("references", "refused"),
    [
        (
            [("nope",)],
            [("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")],
        ),
        ([(None, b"x" * 16)], [(None, ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")]),
        ([(None,)], [(None, ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")]),
        ([("a", ID_A)], [("a", ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")]),
        ([("nope", ID_A)], [("nope", ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")]),
        ([("a",), ("a",)], [("a", ErrorCode.INVALID_REQUEST, "Duplicate topic name.")]),
        ([(None, ID_A)] * 3, [(None, ErrorCode.INVALID_REQUEST, "Duplicate topic id.")]),
        ([("",)], [("", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")]),
        (
            [(None, ID_A), ("a",)],
            [("a", ErrorCode.INVALID_REQUEST, "The provided topic name maps to an ID that was already supplied.")],
        ),
    ],
)
def test_references_that_delete_nothing(references: list[Any], refused: list[Any]) -> None:
    deleted, answers = plan_to_delete(*(TopicReference(*entry) for entry in references), image=make_image(a=ID_A))
    assert deleted == []
    assert [(name, code, message) for name, _, code, message in answers] == refused


@pytest.mark.parametrize("name", sorted(INTERNAL_TOPICS))
def test_internal_topics_stay(name: str) -> None:
    image = make_image(a=ID_A, **{name: ID_B})
    for reference in (TopicReference(name), TopicReference(None, ID_B)):
        deleted, refused = plan_to_delete(reference, TopicReference("a"), image=image)
        assert deleted == ["a"]
        message = f"Cannot delete internal topic {name}: the broker itself keeps its state there."
        assert refused == [(name, reference.topic_id, ErrorCode.INVALID_TOPIC_EXCEPTION, message)]
        [(_, _, code, _)] = plan_to_delete(reference, image=image, kept=[name])[1]
        assert code == ErrorCode.TOPIC_AUTHORIZATION_FAILED


def test_who_may_not_describe_a_topic_cannot_tell_whether_it_exists() -> None:
    image = make_image(hidden=ID_A)
    [there] = plan_to_delete(TopicReference("hidden"), image=image, hidden=["hidden", "nope"])[1]
    [not_there] = plan_to_delete(TopicReference("nope"), image=image, hidden=["hidden", "nope"])[1]
    assert there[1:] == not_there[1:]
    assert there[2] == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    [(name, topic_id, code, _)] = plan_to_delete(TopicReference(None, ID_A), image=image, hidden=["hidden"])[1]
    assert (name, topic_id, code) == (None, ID_A, ErrorCode.TOPIC_AUTHORIZATION_FAILED)


def test_who_may_only_describe_a_topic_cannot_delete_it() -> None:
    image = make_image(a=ID_A)
    for reference, shown_id in ((TopicReference("a"), bytes(16)), (TopicReference(None, ID_A), ID_A)):
        [(name, topic_id, code, _)] = plan_to_delete(reference, image=image, kept=["a"])[1]
        assert (name, topic_id, code) == ("a", shown_id, ErrorCode.TOPIC_AUTHORIZATION_FAILED)


# --- carrying it out -----------------------------------------------------------------------------------------------


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    yield broker
    await broker.stop()


def anything(name: str) -> bool:
    return True


async def create(controller: TopicController, *names: str, timeout_ms: int = 30_000) -> dict[str, str]:
    results = await controller.create([NewTopic(name) for name in names], may_create=anything, timeout_ms=timeout_ms)
    return {name: r.code.name if isinstance(r, KafkaError) else "made" for name, r in results.items()}


async def delete(controller: TopicController, *names: str) -> dict[str | None, str]:
    references = [TopicReference(name) for name in names]
    done = await controller.delete(references, may_describe=anything, may_delete=anything, timeout_ms=30_000)
    return {topic.name: "gone" for topic in done.topics} | {name: error.code.name for name, _, error in done.refused}


async def test_a_topic_is_in_the_image_when_it_is_answered(broker: MetadataBroker) -> None:
    assert await create(broker.topics, "a", "b") == {"a": "made", "b": "made"}
    assert set(broker.image.topics) == {"a", "b"}
    assert (await broker.store.range("topics/")).revision == 2  # one transaction, after that of the registration
    assert await delete(broker.topics, "a", "c") == {"a": "gone", "c": "UNKNOWN_TOPIC_OR_PARTITION"}
    assert set(broker.image.topics) == {"b"}
    first = broker.image.topics["b"].topic_id
    await delete(broker.topics, "b")
    await create(broker.topics, "b")
    assert broker.image.topics["b"].topic_id != first


async def test_with_a_topic_go_all_its_keys(broker: MetadataBroker) -> None:
    await create(broker.topics, "a", "b")
    ids = {name: topic.topic_id for name, topic in broker.image.topics.items()}
    state = encode_partition(PartitionRecord((1,), (1,), 1, 3))
    await broker.write(Put(partition_key(ids["a"], 0), state), Put(partition_key(ids["b"], 0), state))
    await delete(broker.topics, "a")
    assert [item.key for item in (await broker.store.range("partitions/")).items] == [partition_key(ids["b"], 0)]


async def test_requests_at_the_same_time_make_a_topic_once(broker: MetadataBroker) -> None:
    answers = await asyncio.gather(*(create(broker.topics, "a", f"own-{number}") for number in range(8)))
    assert Counter(answer["a"] for answer in answers) == {"made": 1, "TOPIC_ALREADY_EXISTS": 7}
    collisions = await asyncio.gather(create(broker.topics, "x.y"), create(broker.topics, "x_y"))
    assert sorted(code for answer in collisions for code in answer.values()) == ["INVALID_TOPIC_EXCEPTION", "made"]


async def test_a_long_request_is_written_in_several_transactions(broker: MetadataBroker) -> None:
    rival = RivalStore(broker.store)
    controller = TopicController(broker.config, MetadataWriter(rival, broker.images), broker.images)
    names = [f"t{number}" for number in range(10)]
    assert set((await create(controller, *names)).values()) == {"made"}
    assert rival.sizes == [4, 4, 2]
    assert set((await delete(controller, *names)).values()) == {"gone"}
    assert rival.sizes[3:] == [4, 4, 4, 4, 4]  # a key and the prefix of its partitions each
    assert not broker.image.topics


async def test_what_another_broker_was_faster_with_is_planned_again(broker: MetadataBroker) -> None:
    rival = RivalStore(broker.store)
    controller = TopicController(broker.config, MetadataWriter(rival, broker.images), broker.images)
    theirs = encode_topic(TopicRecord(ID_A, {}, ((1,),)))
    rival.moves = [[], [Put(topic_key("t5"), theirs)]]
    answers = await create(controller, *(f"t{number}" for number in range(8)))
    assert answers.pop("t5") == "TOPIC_ALREADY_EXISTS"
    assert set(answers.values()) == {"made"} and len(broker.image.topics) == 8
    assert broker.image.topics["t5"].topic_id == ID_A

    configured = encode_topic(TopicRecord(ID_A, {"retention.ms": "1"}, ((1,),)))
    rival.moves = [[Put(topic_key("t5"), configured)]]
    assert await delete(controller, "t5") == {"t5": "gone"}
    rival.moves = [[Delete(topic_key("t6"))]]
    assert await delete(controller, "t6") == {"t6": "gone"}
    rival.moves = [[Put(topic_key("t7"), theirs)]]  # deleted and made again: another topic, which stays
    assert await delete(controller, "t7") == {"t7": "gone"}
    assert broker.image.topics["t7"].topic_id == ID_A


async def test_a_request_that_takes_too_long_is_told_so_and_goes_on(broker: MetadataBroker) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        async def prepare(self, *images: object) -> None:
            entered.set()
            await go_on.wait()

    broker.images.subscribe(Slow())
    with pytest.raises(KafkaError, match="not finished after 1 ms") as raised:
        await create(broker.topics, "a", timeout_ms=1)
    assert raised.value.code == ErrorCode.REQUEST_TIMED_OUT
    await entered.wait()
    go_on.set()
    assert await create(broker.topics, "a") == {"a": "TOPIC_ALREADY_EXISTS"}


@pytest.mark.parametrize("timeout_ms", [0, -1])
async def test_a_request_without_time_begins_nothing(broker: MetadataBroker, timeout_ms: int) -> None:
    with pytest.raises(KafkaError) as raised:
        await create(broker.topics, "a", timeout_ms=timeout_ms)
    assert raised.value.code == ErrorCode.REQUEST_TIMED_OUT
    assert await create(broker.topics, "a") == {"a": "made"}


async def test_a_store_that_fails_is_an_error_of_the_whole_request(broker: MetadataBroker) -> None:
    await broker.store.close()
    with pytest.raises(KafkaError, match="is closed") as raised:
        await create(broker.topics, "a")
    assert raised.value.code == ErrorCode.KAFKA_STORAGE_ERROR


async def test_one_line_tells_of_settings_that_are_not_in_force(
    broker: MetadataBroker, caplog: pytest.LogCaptureFixture
) -> None:
    topics = [NewTopic(f"t{n}", configs=[("retention.ms", "5"), ("flush.messages", "1")]) for n in range(5)]
    with caplog.at_level(logging.WARNING):
        await broker.topics.create(topics, may_create=anything, timeout_ms=30_000, validate_only=True)
        assert not caplog.records
        await broker.topics.create([*topics, NewTopic("plain")], may_create=anything, timeout_ms=30_000)
    assert [record.getMessage() for record in caplog.records] == [
        "[topics] t0, t1, t2 and 2 more: kept, but not yet in force: flush.messages"
    ]
    assert broker.image.topics["t0"].configs == {"retention.ms": "5", "flush.messages": "1"}


async def test_one_line_a_request_tells_what_has_become_of_topics(
    broker: MetadataBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="broker.topics"):
        await broker.topics.create([NewTopic(f"t{n}", 2) for n in range(5)], may_create=anything, timeout_ms=30_000)
        await create(broker.topics, "t0")
        await broker.topics.create([NewTopic("single", 1)], may_create=anything, timeout_ms=30_000)
        await broker.topics.grow([GrowingTopic("t1", 3)], may_alter=anything, timeout_ms=30_000)
        await delete(broker.topics, "t1", "t2", "nowhere")
    assert [record.getMessage() for record in caplog.records] == [
        "[topics] Created: t0 (2 partitions), t1 (2 partitions), t2 (2 partitions) and 2 more",
        "[topics] Created: single (1 partition)",
        "[topics] Grown: t1 (to 3 partitions)",
        "[topics] Deleted: t1, t2",
    ]


def test_random_ids_are_of_version_4_and_do_not_look_like_options() -> None:
    ids = [random_uuid() for _ in range(500)]
    assert len(set(ids)) == 500
    assert not any(uuid_to_text(one).startswith("-") for one in ids)
    assert {(one[6] >> 4, one[8] >> 6) for one in ids} == {(4, 2)}
