"""Topics come, grow, go and come again: what clients on other connections see of it, and those that hold an old id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from tests.support.record_batches import decode_batches, encode_batch
from tests.support.records_over_the_wire import describe, fetch, list_offset, produce, produce_batch, values_of
from tests.support.under_test import settled
from tests.support.wire import WireClient

MINUTE_MS = 60_000
CONNECTIONS = 5
MANY_TOPICS = 2_000
FETCH_BYTES = 1 << 20

UNKNOWN_NAME = ErrorCode.unknown_topic_or_partition
UNKNOWN_ID = ErrorCode.unknown_topic_id


@pytest.fixture
def others(address: tuple[str, int]) -> Iterator[list[WireClient]]:
    """Connections that were open before anything happened."""
    clients = [WireClient(address) for _ in range(CONNECTIONS)]
    for client in clients:
        client.ask("ApiVersions", 0)
    yield clients
    for client in clients:
        client.close()


def create(wire: WireClient, *names: str, partitions: int = 1) -> list[Any]:
    topics = [{"name": name, "num_partitions": partitions, "replication_factor": 1} for name in names]
    return list(wire.ask("CreateTopics", 7, timeout_ms=MINUTE_MS, topics=topics).topics)


def create_one(wire: WireClient, name: str, partitions: int = 1) -> Any:
    """Create a topic, wait until it is in use, and return its id."""
    (created,) = create(wire, name, partitions=partitions)
    assert created.error_code == 0, created
    for index in range(partitions):
        assert settled(lambda index=index: fetch(wire, name, partition=index).error_code == 0, f"{name} is served")
    return created.topic_id


def delete(wire: WireClient, *names: str) -> list[Any]:
    topics = [{"name": name, "topic_id": None} for name in names]
    return list(wire.ask("DeleteTopics", 6, timeout_ms=MINUTE_MS, topics=topics).responses)


def delete_one(wire: WireClient, name: str) -> None:
    (deleted,) = delete(wire, name)
    assert deleted.error_code == 0, deleted
    assert settled(lambda: fetch(wire, name).error_code == UNKNOWN_NAME, f"{name} is gone")


def metadata_by_id(wire: WireClient, topic_id: Any) -> Any:
    (described,) = wire.ask("Metadata", 12, topics=[{"name": None, "topic_id": topic_id}]).topics
    return described


def produce_by_id(wire: WireClient, topic_id: Any, value: bytes) -> Any:
    data = [{"topic_id": topic_id, "partition_data": [{"index": 0, "records": encode_batch([value])}]}]
    (topic,) = wire.ask("Produce", 13, acks=-1, timeout_ms=MINUTE_MS, topic_data=data).responses
    return topic.partition_responses[0]


def wanted(topic: Any, offset: int = 0) -> dict[str, Any]:
    """A topic, given by name or by id, as a fetch asks for it."""
    naming = {"topic": topic} if isinstance(topic, str) else {"topic_id": topic}
    partition = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": FETCH_BYTES}
    return {**naming, "partitions": [partition]}


BY_NAME, BY_ID = 12, 17


def session(wire: WireClient, version: int, *topics: dict[str, Any]) -> int:
    """Begin a fetch session and return its id."""
    answer = wire.ask(
        "Fetch", version, max_wait_ms=0, min_bytes=0, max_bytes=FETCH_BYTES, session_epoch=0, topics=topics
    )
    assert (answer.error_code, answer.session_id > 0) == (0, True)
    return int(answer.session_id)


def resume(wire: WireClient, version: int, session_id: int, epoch: int, *, max_wait_ms: int = 0) -> int:
    """Send the next fetch of a session, which says nothing new, and return its correlation id."""
    return wire.send(
        "Fetch",
        version,
        max_wait_ms=max_wait_ms,
        min_bytes=1 if max_wait_ms else 0,
        max_bytes=FETCH_BYTES,
        session_id=session_id,
        session_epoch=epoch,
        topics=[],
    )


def only_partition(answer: Any) -> Any:
    assert answer.error_code == 0
    (topic,) = answer.responses
    (partition,) = topic.partitions
    return partition


# --- created -------------------------------------------------------------------------------------------------------


def test_a_new_topic_is_there_for_everybody(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str]
) -> None:
    name = topic_name()
    topic_id = create_one(wire, name, partitions=3)
    for number, other in enumerate(others):
        (described,) = describe(other, name).topics
        assert (described.error_code, described.topic_id, len(described.partitions)) == (0, topic_id, 3)
        assert metadata_by_id(other, topic_id).name == name
        assert name in {topic.name for topic in other.ask("Metadata", 12, topics=None).topics}
        assert produce_by_id(other, topic_id, b"x").base_offset == number
        assert list_offset(other, name, -1).offset == number + 1


def test_a_topic_is_used_in_the_same_breath(wire: WireClient, topic_name: Callable[[], str]) -> None:
    """Whoever does not wait for the answer is served after it: requests of a connection are carried out in order."""
    name = topic_name()
    create_id = wire.send(
        "CreateTopics",
        7,
        timeout_ms=MINUTE_MS,
        topics=[{"name": name, "num_partitions": 1, "replication_factor": 1}],
    )
    metadata_id = wire.send("Metadata", 12, topics=[{"name": name}], allow_auto_topic_creation=False)
    assert wire.receive("CreateTopics", 7, create_id).topics[0].error_code == 0
    (described,) = wire.receive("Metadata", 12, metadata_id).topics
    assert settled(
        lambda: described.error_code == 0 or describe(wire, name).topics[0].error_code == 0, "the topic is known"
    )


def test_names_that_look_alike_in_metrics_collide(wire: WireClient, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    create_one(wire, f"{name}.a_b")
    (refused, other) = create(wire, f"{name}_a.b", f"{name}-a.b")
    assert (refused.error_code, other.error_code) == (ErrorCode.invalid_topic_exception, 0)
    assert refused.error_message == f"Topic '{name}_a.b' collides with existing topic: {name}.a_b"
    delete_one(wire, f"{name}.a_b")
    create_one(wire, f"{name}_a.b")


@pytest.mark.timeout(300)
def test_thousands_of_topics_in_one_request(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str]
) -> None:
    prefix = topic_name()
    names = [f"{prefix}-{number}" for number in range(MANY_TOPICS)]
    created = create(wire, *names, names[0], "not a name")
    codes = {result.name: result.error_code for result in created}
    assert (codes.pop(names[0]), codes.pop("not a name")) == (
        ErrorCode.invalid_request,
        ErrorCode.invalid_topic_exception,
    )
    del names[0]
    assert codes == dict.fromkeys(names, 0)
    ids = {result.name: result.topic_id for result in created}
    assert len({ids[name] for name in names}) == len(names)
    other = others[0]
    assert settled(lambda: not any(topic.error_code for topic in describe(other, *names).topics), "all are known")
    for topic in describe(other, *names).topics:
        assert (topic.topic_id, len(topic.partitions)) == (ids[topic.name], 1)
    for name in names[::100]:
        assert settled(lambda name=name: fetch(other, name).error_code == 0, f"{name} is served")
        assert produce(other, name, name.encode()) == 0
    deleted = delete(wire, *names, "not a name")
    assert {result.name: result.error_code for result in deleted} == {
        **dict.fromkeys(names, 0),
        "not a name": UNKNOWN_NAME,
    }
    assert settled(
        lambda: {topic.error_code for topic in describe(other, *names).topics} == {UNKNOWN_NAME}, "all are gone"
    )


# --- grown ---------------------------------------------------------------------------------------------------------


def test_new_partitions_are_there_for_everybody(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str]
) -> None:
    name = topic_name()
    topic_id = create_one(wire, name)
    produce(wire, name, b"before")
    session_id = session(others[0], BY_ID, wanted(topic_id, 1))
    (grown,) = wire.ask(
        "CreatePartitions",
        3,
        topics=[{"name": name, "count": CONNECTIONS + 1, "assignments": None}],
        timeout_ms=MINUTE_MS,
        validate_only=False,
    ).results
    assert (grown.error_code, grown.error_message) == (0, None)
    for index in range(1, CONNECTIONS + 1):
        assert settled(lambda index=index: fetch(wire, name, partition=index).error_code == 0, f"{name} is served")
    for index, other in enumerate(others, 1):
        (described,) = describe(other, name).topics
        assert (described.topic_id, len(described.partitions)) == (topic_id, CONNECTIONS + 1)
        assert all(partition.error_code == 0 for partition in described.partitions)
        assert produce(other, name, b"after", partition=index) == 0
    # What goes on of the old partition is not disturbed.
    parked = resume(others[0], BY_ID, session_id, 1, max_wait_ms=MINUTE_MS)
    assert produce(wire, name, b"after") == 1
    partition = only_partition(others[0].receive("Fetch", BY_ID, parked))
    assert values_of(decode_batches(partition.records)) == [b"after"]


# --- deleted, and made again ---------------------------------------------------------------------------------------


def test_a_deleted_topic_is_gone_for_everybody(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str]
) -> None:
    name = topic_name()
    topic_id = create_one(wire, name)
    produce(wire, name, b"x")
    delete_one(wire, name)
    for other in others:
        assert describe(other, name).topics[0].error_code == UNKNOWN_NAME
        assert metadata_by_id(other, topic_id).error_code == UNKNOWN_ID
        assert name not in {topic.name for topic in other.ask("Metadata", 12, topics=None).topics}
        assert produce_batch(other, name, encode_batch([b"x"])).error_code == UNKNOWN_NAME
        assert produce_by_id(other, topic_id, b"x").error_code == UNKNOWN_ID
        assert fetch(other, name).error_code == UNKNOWN_NAME
        assert list_offset(other, name, -1).error_code == UNKNOWN_NAME
        (grown,) = other.ask(
            "CreatePartitions",
            3,
            topics=[{"name": name, "count": 5, "assignments": None}],
            timeout_ms=MINUTE_MS,
            validate_only=False,
        ).results
        assert grown.error_code == UNKNOWN_NAME
        (paged,) = other.ask(
            "DescribeTopicPartitions", 0, topics=[{"name": name}], response_partition_limit=5, cursor=None
        ).topics
        assert paged.error_code == UNKNOWN_NAME
    (again,) = delete(others[0], name)
    assert again.error_code == UNKNOWN_NAME
    (by_id,) = (
        others[0].ask("DeleteTopics", 6, timeout_ms=MINUTE_MS, topics=[{"name": None, "topic_id": topic_id}]).responses
    )
    assert by_id.error_code == UNKNOWN_ID


def make_again(wire: WireClient, name: str) -> Any:
    """Delete a topic, make another one of the same name and return its id."""
    delete_one(wire, name)
    return create_one(wire, name)


def test_a_topic_made_again_is_another_to_those_that_hold_the_old_id(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str]
) -> None:
    name = topic_name()
    old_id = create_one(wire, name)
    for other in others:
        assert produce_by_id(other, old_id, b"old").error_code == 0
    new_id = make_again(wire, name)
    assert new_id != old_id
    for number, other in enumerate(others):
        assert metadata_by_id(other, old_id).error_code == UNKNOWN_ID
        assert produce_by_id(other, old_id, b"lost").error_code == UNKNOWN_ID
        answer = other.ask(
            "Fetch",
            BY_ID,
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=FETCH_BYTES,
            session_epoch=-1,
            topics=[wanted(old_id), wanted(new_id)],
        )
        partitions = {each.topic_id: each.partitions[0] for each in answer.responses}
        assert partitions[old_id].error_code == UNKNOWN_ID
        assert (partitions[new_id].error_code, partitions[new_id].high_watermark) == (0, number)
        assert produce_by_id(other, new_id, b"new").base_offset == number


def test_a_session_by_id_does_not_follow_the_name(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str]
) -> None:
    name, beside = topic_name(), topic_name()
    old_id, beside_id = create_one(wire, name), create_one(wire, beside)
    produce(wire, name, b"old")
    session_id = session(others[0], BY_ID, wanted(old_id, 1), wanted(beside_id))
    make_again(wire, name)
    produce(wire, name, b"new", b"new")
    for epoch in (1, 2):
        answer = others[0].receive("Fetch", BY_ID, resume(others[0], BY_ID, session_id, epoch))
        errors = {each.topic_id: each.partitions[0].error_code for each in answer.responses}
        # What the session has found before is no longer what the name stands for, says a real Kafka.
        assert errors[old_id] in (UNKNOWN_ID, ErrorCode.inconsistent_topic_id)
    # The session itself lives on: what is beside it is still answered.
    produce(wire, beside, b"beside")
    answer = others[0].receive("Fetch", BY_ID, resume(others[0], BY_ID, session_id, 3))
    records = {each.topic_id: each.partitions[0].records for each in answer.responses}
    assert values_of(decode_batches(records[beside_id])) == [b"beside"]


def test_a_session_by_name_follows_the_name(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str]
) -> None:
    name = topic_name()
    create_one(wire, name)
    produce(wire, name, b"old")
    session_id = session(others[0], BY_NAME, wanted(name, 1))
    make_again(wire, name)
    produce(wire, name, b"zero")
    produce(wire, name, b"one")
    answer = others[0].receive("Fetch", BY_NAME, resume(others[0], BY_NAME, session_id, 1))
    assert values_of(decode_batches(only_partition(answer).records)) == [b"one"]


@pytest.mark.parametrize("version", [BY_NAME, BY_ID])
def test_who_waits_for_a_deleted_topic_is_answered(
    wire: WireClient, others: list[WireClient], topic_name: Callable[[], str], version: int
) -> None:
    name = topic_name()
    topic_id = create_one(wire, name)
    topic = wanted(name if version == BY_NAME else topic_id)
    sessions = [session(other, version, topic) for other in others]
    parked = [
        resume(other, version, session_id, 1, max_wait_ms=MINUTE_MS * 10)
        for other, session_id in zip(others, sessions, strict=True)
    ]
    # It must be parked before the topic goes, of which only a request behind it on another connection can tell.
    assert list_offset(wire, name, -1).offset == 0
    delete_one(wire, name)
    for other, correlation_id in zip(others, parked, strict=True):
        # A real Kafka has forgotten at that point which of the two the client had named.
        error_code = only_partition(other.receive("Fetch", version, correlation_id)).error_code
        assert error_code in ((UNKNOWN_NAME,) if version == BY_NAME else (UNKNOWN_ID, UNKNOWN_NAME))


def test_offsets_of_a_topic_do_not_pass_to_its_successor(wire: WireClient, topic_name: Callable[[], str]) -> None:
    name, group = topic_name(), topic_name()
    old_id = create_one(wire, name)

    def commit(topic_id: Any) -> Any:
        partition = {"partition_index": 0, "committed_offset": 7, "committed_metadata": ""}
        answer = wire.ask(
            "OffsetCommit",
            10,
            group_id=group,
            generation_id_or_member_epoch=-1,
            topics=[{"topic_id": topic_id, "partitions": [partition]}],
        )
        return answer.topics[0].partitions[0].error_code

    def committed(topic_id: Any) -> tuple[Any, int]:
        groups = [{"group_id": group, "topics": [{"topic_id": topic_id, "partition_indexes": [0]}]}]
        (answer,) = wire.ask("OffsetFetch", 10, groups=groups).groups
        assert answer.error_code == 0
        return answer.topics[0].partitions[0].error_code, answer.topics[0].partitions[0].committed_offset

    assert settled(
        lambda: wire.ask("FindCoordinator", 4, key_type=0, coordinator_keys=[group]).coordinators[0].error_code == 0,
        "there is a coordinator",
    )
    assert settled(lambda: commit(old_id) == 0, "the offset is committed")
    assert committed(old_id) == (0, 7)
    new_id = make_again(wire, name)
    assert committed(old_id) == (UNKNOWN_ID, -1)
    assert commit(old_id) == UNKNOWN_ID
    assert settled(lambda: committed(new_id) == (0, -1), "the successor has no offset")
