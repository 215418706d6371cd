"""Fetch: what is answered at once, what waits and for how long, and what a session leaves out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.handlers.fetch import handle
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
    ReplicaState,
)
from protocol.schema import ZERO_UUID
from storage.file_span import FileSpan
from tests.support.hosted_topics import NODE_ID, OTHER_NODE_ID, HostedTopics, batch, over_the_wire

VERSIONS = range(4, 19)
BATCH_BYTES = len(batch(b"a"))


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[HostedTopics]:
    made = HostedTopics(tmp_path)
    await made.create("t", 3)
    await made.create("u", 2)
    yield made
    made.close()


def request(
    *partitions: tuple[str | bytes, int, int],
    max_wait_ms: int = 500,
    min_bytes: int = 1,
    max_bytes: int = 1 << 20,
    partition_max_bytes: int = 1 << 20,
    session: tuple[int, int] = (0, -1),
    forget: tuple[tuple[str, int], ...] = (),
    current_leader_epoch: int = -1,
    last_fetched_epoch: int = -1,
    replica_id: int = -1,
    isolation_level: int = 0,
) -> FetchRequest:
    """A request for (topic name or id, index, offset)s; `session`: id and epoch."""
    return FetchRequest(
        replica_id=replica_id,
        replica_state=ReplicaState(replica_id=replica_id),
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        isolation_level=isolation_level,
        session_id=session[0],
        session_epoch=session[1],
        topics=[
            FetchTopic(
                topic=topic if isinstance(topic, str) else "",
                topic_id=ZERO_UUID if isinstance(topic, str) else topic,
                partitions=[
                    FetchPartition(
                        partition=index,
                        current_leader_epoch=current_leader_epoch,
                        fetch_offset=offset,
                        last_fetched_epoch=last_fetched_epoch,
                        partition_max_bytes=partition_max_bytes,
                    )
                ],
            )
            for topic, index, offset in partitions
        ],
        forgotten_topics_data=[ForgottenTopic(topic=topic, partitions=[index]) for topic, index in forget],
    )


def fetch(broker: HostedTopics, sent: FetchRequest, version: int = 12) -> FetchResponse:
    """Fetch what must be answered at once."""
    response = handle(broker.context(version), sent)
    assert isinstance(response, FetchResponse)
    decoded: FetchResponse = over_the_wire(response, version)
    return decoded


def park(broker: HostedTopics, sent: FetchRequest, version: int = 12) -> asyncio.Future[FetchResponse]:
    """Fetch what must wait."""
    response = handle(broker.context(version), sent)
    assert isinstance(response, asyncio.Future)
    return response


async def answered(parked: asyncio.Future[FetchResponse], version: int = 12) -> FetchResponse:
    decoded: FetchResponse = over_the_wire(await asyncio.wait_for(parked, 10), version)
    return decoded


async def settle() -> None:
    """Let the loop run whatever is ready, and what that makes ready."""
    for _ in range(3):
        await asyncio.sleep(0)


def partitions(response: FetchResponse) -> list[tuple[str, PartitionData]]:
    return [(topic.topic, answer) for topic in response.responses for answer in topic.partitions]


def sizes(response: FetchResponse) -> list[tuple[str, int, int]]:
    """(topic, index, bytes of records) of every partition."""
    return [(topic, answer.partition_index, len(answer.records or b"")) for topic, answer in partitions(response)]


def codes(response: FetchResponse) -> list[tuple[str, int, int]]:
    return [(topic, answer.partition_index, answer.error_code) for topic, answer in partitions(response)]


def only(response: FetchResponse) -> PartitionData:
    ((_, answer),) = partitions(response)
    return answer


def name_or_id(broker: HostedTopics, topic: str, version: int) -> str | bytes:
    return broker.images.current.topics[topic].topic_id if version >= 13 else topic


# --- one request ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_records_come_as_they_lie_in_the_log_in_every_version(broker: HostedTopics, version: int) -> None:
    broker.append("t", b"a", b"b")
    broker.append("t", b"c")
    topic = name_or_id(broker, "t", version)
    response = fetch(broker, request((topic, 0, 1)), version)
    answer = only(response)
    assert (response.error_code, response.session_id) == (0, 0)
    assert response.responses[0].topic_id == (topic if version >= 13 else ZERO_UUID)
    assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (0, 3, 3)
    assert answer.log_start_offset == (0 if version >= 5 else -1)
    assert answer.aborted_transactions is None
    assert answer.preferred_read_replica == -1
    # An offset inside a batch gets the whole batch.
    assert len(answer.records or b"") == len(batch(b"a", b"b")) + BATCH_BYTES


async def test_records_are_never_held_in_memory(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    response = handle(broker.context(12), request(("t", 0, 0)))
    assert isinstance(response, FetchResponse)
    span = only(response).records
    assert isinstance(span, FileSpan)
    span.release()


async def test_read_committed_has_a_list_of_aborted_transactions(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    assert only(fetch(broker, request(("t", 0, 0), isolation_level=1))).aborted_transactions == []


async def test_limits_leave_whole_batches_and_at_least_the_first(broker: HostedTopics) -> None:
    for index in range(3):
        for _ in range(4):
            broker.append("t", b"a", index=index)
    everything = [("t", index, 0) for index in range(3)]

    def read(**limits: Any) -> list[int]:
        return [size // BATCH_BYTES for _, _, size in sizes(fetch(broker, request(*everything, **limits)))]

    assert read() == [4, 4, 4]
    assert read(partition_max_bytes=2 * BATCH_BYTES + 1) == [2, 2, 2]
    assert read(max_bytes=6 * BATCH_BYTES) == [4, 2, 0]
    for small in (1, 0, -1):
        assert read(max_bytes=small) == [1, 0, 0]
        assert read(partition_max_bytes=small) == [1, 0, 0]
    empty_first = request(("u", 0, 0), *everything, max_bytes=1)
    assert [size // BATCH_BYTES for _, _, size in sizes(fetch(broker, empty_first))] == [0, 1, 0, 0]


async def test_the_broker_caps_what_clients_ask_for(tmp_path: Path) -> None:
    broker = HostedTopics(tmp_path, {"fetch.max.bytes": "1024"})
    await broker.create("t")
    for _ in range(30):
        broker.append("t", b"x" * 100)
    for min_bytes in (1, 1 << 20):
        assert 800 < len(only(fetch(broker, request(("t", 0, 0), min_bytes=min_bytes))).records or b"") <= 1024


async def test_a_batch_that_does_not_fit_counts_as_bytes_that_are_there(broker: HostedTopics) -> None:
    for index in range(2):
        for _ in range(3):
            broker.append("t", b"a", index=index)
    limit = 2 * BATCH_BYTES + 1
    sent = request(("t", 0, 0), ("t", 1, 0), partition_max_bytes=limit, min_bytes=2 * limit)
    assert sizes(fetch(broker, sent)) == [("t", 0, 2 * BATCH_BYTES), ("t", 1, 2 * BATCH_BYTES)]
    sent = request(("t", 0, 0), ("t", 1, 0), max_bytes=limit, min_bytes=limit)
    assert sizes(fetch(broker, sent)) == [("t", 0, 2 * BATCH_BYTES), ("t", 1, 0)]


async def test_what_lies_before_the_last_segment_is_not_waited_for(broker: HostedTopics) -> None:
    await broker.create("rolled", configs={"segment.bytes": str(1 << 20)})
    for _ in range(3):
        broker.append("rolled", b"x" * 600_000)
    one = len(batch(b"x" * 600_000))
    assert sizes(fetch(broker, request(("rolled", 0, 0), min_bytes=1 << 20))) == [("rolled", 0, one)]
    parked = park(broker, request(("rolled", 0, 2), min_bytes=1 << 20))
    broker.append("rolled", b"x" * 600_000)
    assert sizes(await answered(parked)) == [("rolled", 0, one)]


@pytest.mark.parametrize("offset", [-1, 2])
async def test_an_offset_out_of_range_ends_the_wait(broker: HostedTopics, offset: int) -> None:
    broker.append("t", b"a")
    response = fetch(broker, request(("u", 0, 0), ("t", 0, offset)))
    assert codes(response) == [("u", 0, 0), ("t", 0, ErrorCode.OFFSET_OUT_OF_RANGE)]
    refused = partitions(response)[1][1]
    assert (refused.high_watermark, refused.last_stable_offset, refused.log_start_offset) == (-1, -1, -1)
    assert refused.aborted_transactions is None
    assert refused.records == b""


async def test_deleted_records_are_out_of_range(broker: HostedTopics) -> None:
    for _ in range(3):
        broker.append("t", b"a")
    broker.partition("t").log.delete_records(2)
    assert only(fetch(broker, request(("t", 0, 1)))).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert only(fetch(broker, request(("t", 0, 2)))).log_start_offset == 2


@pytest.mark.parametrize("version", [12, 13])
async def test_who_waits_for_more_is_told_that_what_there_was_is_deleted(broker: HostedTopics, version: int) -> None:
    name = name_or_id(broker, "t", version)
    at_the_end = park(broker, request((name, 0, 0)), version)
    behind = park(broker, request((name, 0, 0), (name, 1, 0), min_bytes=1 << 20), version)
    broker.append("t", b"a")
    assert sizes(await answered(at_the_end, version))[0][2] == BATCH_BYTES
    at_the_end = park(broker, request((name, 0, 1)), version)
    broker.partition("t").delete_records(1)
    refused, other = (answer for _, answer in partitions(await answered(behind, version)))
    assert (refused.error_code, other.error_code) == (ErrorCode.OFFSET_OUT_OF_RANGE, 0)
    await settle()
    assert not at_the_end.done()
    broker.append("t", b"a")
    assert only(await answered(at_the_end, version)).log_start_offset == 1


@pytest.mark.parametrize(
    ("known", "code"), [(-1, 0), (0, ErrorCode.FENCED_LEADER_EPOCH), (3, 0), (4, ErrorCode.UNKNOWN_LEADER_EPOCH)]
)
@pytest.mark.parametrize("offset", [0, 1])
async def test_leader_epochs_are_checked_at_the_end_of_the_log_too(
    broker: HostedTopics, known: int, code: int, offset: int
) -> None:
    broker.partition("t").lead(3, 0)
    broker.append("t", b"a")
    sent = request(("t", 0, offset), current_leader_epoch=known, max_wait_ms=0)
    answer = only(fetch(broker, sent))
    assert answer.error_code == code


async def test_a_diverging_epoch_is_told_without_records(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    broker.append("t", b"b")
    broker.partition("t").lead(2, 0)
    broker.append("t", b"c")
    answer = only(fetch(broker, request(("t", 0, 3), last_fetched_epoch=1)))
    assert (answer.error_code, answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset) == (0, 0, 2)
    assert answer.records == b""
    answer = only(fetch(broker, request(("t", 0, 2), last_fetched_epoch=0)))
    assert (answer.diverging_epoch.epoch, len(answer.records or b"")) == (-1, BATCH_BYTES)
    answer = only(fetch(broker, request(("t", 0, 2), last_fetched_epoch=9)))
    assert answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_session_gone_on_with_in_a_version_without_diverging_epochs(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    broker.partition("t").lead(2, 0)
    broker.append("t", b"b")
    begun = fetch(broker, request(("t", 0, 0), session=(0, 0), last_fetched_epoch=0))
    assert begun.session_id > 0
    sent = request(("t", 0, 2), session=(begun.session_id, 1), last_fetched_epoch=1, max_wait_ms=0)
    assert fetch(broker, sent, 11).error_code == 0


async def test_of_a_partition_that_comes_twice_the_last_wish_counts(broker: HostedTopics) -> None:
    for _ in range(3):
        broker.append("t", b"a")
    response = fetch(broker, request(("t", 0, 0), ("u", 0, 0), ("t", 0, 2)))
    assert sizes(response) == [("t", 0, BATCH_BYTES), ("u", 0, 0)]


async def test_the_isolation_of_followers_is_for_followers(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    for version in (12, 17):
        topic = name_or_id(broker, "t", version)
        for epoch, code in (
            (-1, ErrorCode.NOT_LEADER_OR_FOLLOWER),
            (0, ErrorCode.UNKNOWN_LEADER_EPOCH),
            (7, ErrorCode.UNKNOWN_LEADER_EPOCH),
        ):
            sent = request((topic, 0, 0), replica_id=5, current_leader_epoch=epoch)
            assert only(fetch(broker, sent, version)).error_code == code
        assert only(fetch(broker, request((topic, 0, 0), replica_id=-2), version)).error_code == 0
    broker.authorizer.denied.add((AclOperation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME))
    assert only(fetch(broker, request(("t", 0, 0), replica_id=5))).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED
    assert only(fetch(broker, request(("t", 0, 0)))).error_code == 0


async def test_nothing_asked_is_answered_at_once(broker: HostedTopics) -> None:
    assert fetch(broker, request()).responses == []
    assert codes(fetch(broker, request(("t", 0, 0), max_wait_ms=0))) == [("t", 0, 0)]
    assert codes(fetch(broker, request(("t", 0, 0), min_bytes=0))) == [("t", 0, 0)]


async def test_unknown_and_forbidden_topics_do_not_end_the_wait_of_others(broker: HostedTopics) -> None:
    broker.authorizer.denied.add((AclOperation.READ, ResourceType.TOPIC, "u"))
    denied, unknown = ErrorCode.TOPIC_AUTHORIZATION_FAILED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    bad = (("u", 0, 0), ("u", 9, 0), ("nope", 0, 0), ("t", 9, 0))
    expected = [("u", 0, denied), ("u", 9, denied), ("nope", 0, unknown), ("t", 9, unknown)]
    response = fetch(broker, request(*bad))
    assert codes(response) == expected
    assert all(answer.aborted_transactions == [] for _, answer in partitions(response))
    parked = park(broker, request(*bad, ("t", 0, 0)))
    broker.append("u", b"a")
    await settle()
    assert not parked.done()
    broker.append("t", b"a")
    assert codes(await answered(parked)) == [*expected, ("t", 0, 0)]


async def test_an_unknown_topic_id(broker: HostedTopics) -> None:
    response = fetch(broker, request((b"?" * 16, 0, 0)), 17)
    assert only(response).error_code == ErrorCode.UNKNOWN_TOPIC_ID
    assert response.responses[0].topic_id == b"?" * 16
    known = name_or_id(broker, "t", 17)
    assert only(fetch(broker, request((known, 9, 0)), 17)).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    broker.authorizer.denied.add((AclOperation.READ, ResourceType.TOPIC, "t"))
    for index in (0, 9):
        assert only(fetch(broker, request((known, index, 0)), 17)).error_code == ErrorCode.TOPIC_AUTHORIZATION_FAILED


async def test_the_new_leader_is_told_from_version_16_on(broker: HostedTopics) -> None:
    moved = await broker.create("moved", 2, leaders=[OTHER_NODE_ID, OTHER_NODE_ID])
    for version, topic, leader in ((12, "moved", -1), (16, moved.topic_id, OTHER_NODE_ID)):
        response = fetch(broker, request((topic, 0, 0), (topic, 1, 0)), version)
        assert [answer.error_code for _, answer in partitions(response)] == [ErrorCode.NOT_LEADER_OR_FOLLOWER] * 2
        assert [answer.current_leader.leader_id for _, answer in partitions(response)] == [leader] * 2
    assert [(node.node_id, node.host, node.port, node.rack) for node in response.node_endpoints] == [
        (OTHER_NODE_ID, "localhost", 9093, "r2")
    ]
    broker.partition("t").lead(3, 0)
    known = name_or_id(broker, "t", 16)
    response = fetch(broker, request((known, 0, 0), current_leader_epoch=2), 16)
    assert only(response).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert [node.node_id for node in response.node_endpoints] == [NODE_ID]


async def test_a_follower_is_told_the_leader_but_not_where_it_is(broker: HostedTopics) -> None:
    moved = await broker.create("moved", 1, leaders=[OTHER_NODE_ID])
    response = fetch(broker, request((moved.topic_id, 0, 0), replica_id=OTHER_NODE_ID), 16)
    assert only(response).current_leader.leader_id == OTHER_NODE_ID
    assert response.node_endpoints == []


async def test_a_failed_disk_is_a_retriable_error_to_clients_of_any_age(broker: HostedTopics) -> None:
    broker.partitions.take_offline([("t", 0)])
    for version, code in (
        (5, ErrorCode.NOT_LEADER_OR_FOLLOWER),
        (6, ErrorCode.KAFKA_STORAGE_ERROR),
        (12, ErrorCode.KAFKA_STORAGE_ERROR),
    ):
        assert only(fetch(broker, request(("t", 0, 0)), version)).error_code == code


# --- waiting ----------------------------------------------------------------------------------------------------


async def test_an_append_answers_who_waits_for_it(broker: HostedTopics) -> None:
    parked = park(broker, request(("t", 0, 0), ("t", 1, 0), ("u", 0, 0)))
    broker.append("u", b"a", index=1)
    await settle()
    assert not parked.done()
    broker.append("t", b"a", index=1)
    assert sizes(await answered(parked)) == [("t", 0, 0), ("t", 1, BATCH_BYTES), ("u", 0, 0)]
    assert len(broker.delayed) == 0


async def test_one_answer_for_all_that_one_turn_of_the_loop_appends(broker: HostedTopics) -> None:
    parked = park(broker, request(("t", 0, 0), ("t", 1, 0)))
    broker.append("t", b"a", index=1)
    broker.append("t", b"a", index=0)
    assert sizes(await answered(parked)) == [("t", 0, BATCH_BYTES), ("t", 1, BATCH_BYTES)]


async def test_min_bytes_are_counted_over_all_partitions(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    parked = park(broker, request(("t", 0, 0), ("t", 1, 0), ("u", 0, 0), min_bytes=3 * BATCH_BYTES))
    broker.append("t", b"a", index=1)
    await settle()
    assert not parked.done()
    broker.append("u", b"a")
    assert sizes(await answered(parked)) == [("t", 0, BATCH_BYTES), ("t", 1, BATCH_BYTES), ("u", 0, BATCH_BYTES)]


async def test_when_the_time_is_up_what_there_is_is_answered(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    parked = park(broker, request(("t", 0, 0), ("t", 1, 0), min_bytes=1 << 20, max_wait_ms=300))
    broker.clock.advance(299)
    broker.delayed.complete_due()
    assert not parked.done()
    broker.clock.advance(1)
    broker.delayed.complete_due()
    assert sizes(await answered(parked)) == [("t", 0, BATCH_BYTES), ("t", 1, 0)]


async def test_shutdown_answers_what_is_parked(broker: HostedTopics) -> None:
    parked = [park(broker, request(("t", index, 0))) for index in range(3)]
    broker.delayed.complete_all()
    for index, one in enumerate(parked):
        assert sizes(await answered(one)) == [("t", index, 0)]


async def test_a_cancelled_request_is_forgotten(broker: HostedTopics) -> None:
    parked = park(broker, request(("t", 0, 0)))
    parked.cancel()
    await settle()
    assert len(broker.delayed) == 0
    broker.append("t", b"a")
    broker.delayed.complete_all()
    await settle()
    # Cancelled when it was woken already: nothing is read for nobody.
    parked = park(broker, request(("t", 0, 1)))
    broker.append("t", b"a")
    parked.cancel()
    await settle()
    assert len(broker.delayed) == 0


async def test_deleting_the_topic_answers_who_waits_for_it(broker: HostedTopics) -> None:
    topic = broker.images.current.topics["t"]
    by_name = park(broker, request(("u", 0, 0), ("t", 0, 0)))
    by_id = park(broker, request((topic.topic_id, 0, 0)), 17)
    await broker.delete(topic)
    assert codes(await answered(by_name)) == [("u", 0, 0), ("t", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert only(await answered(by_id, 17)).error_code == ErrorCode.UNKNOWN_TOPIC_ID


async def test_a_new_epoch_and_a_failed_disk_answer_who_waits(broker: HostedTopics) -> None:
    fenced = park(broker, request(("t", 0, 0), current_leader_epoch=0))
    broker.partition("t").lead(1, 0)
    assert only(await answered(fenced)).error_code == ErrorCode.FENCED_LEADER_EPOCH
    offline = park(broker, request(("t", 1, 0)))
    broker.partitions.take_offline([("t", 1)])
    assert only(await answered(offline)).error_code == ErrorCode.KAFKA_STORAGE_ERROR


async def test_an_error_of_ours_reaches_the_connection(broker: HostedTopics, monkeypatch: pytest.MonkeyPatch) -> None:
    parked = park(broker, request(("t", 0, 0)))

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    broker.append("t", b"a")
    monkeypatch.setattr(type(broker.partition("t")), "read", broken)
    with pytest.raises(ZeroDivisionError):
        await parked


# --- sessions ---------------------------------------------------------------------------------------------------


async def test_a_session_tells_news_only(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    first = fetch(broker, request(("t", 0, 0), ("t", 1, 0), session=(0, 0)))
    session_id = first.session_id
    assert session_id > 0
    assert sizes(first) == [("t", 0, BATCH_BYTES), ("t", 1, 0)]
    # The same again: the client has not said that it wants to go on.
    assert sizes(fetch(broker, request(session=(session_id, 1)))) == [("t", 0, BATCH_BYTES)]
    parked = park(broker, request(("t", 0, 1), session=(session_id, 2)))
    broker.delayed.complete_all()
    answer = await answered(parked)
    assert (answer.session_id, answer.responses) == (session_id, [])
    parked = park(broker, request(session=(session_id, 3)))
    broker.append("t", b"a", index=1)
    assert sizes(await answered(parked)) == [("t", 1, BATCH_BYTES)]


async def test_a_session_tells_news_only_to_who_says_what_it_fetched_last(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    epoch = broker.partition("t").leader_epoch
    sent = request(("t", 0, 1), session=(0, 0), max_wait_ms=0, last_fetched_epoch=epoch)
    session_id = fetch(broker, sent).session_id
    assert fetch(broker, request(session=(session_id, 1), max_wait_ms=0)).responses == []


async def test_a_session_tells_a_new_log_start(broker: HostedTopics) -> None:
    broker.append("t", b"a")
    session_id = fetch(broker, request(("t", 0, 1), session=(0, 0), max_wait_ms=0)).session_id
    assert fetch(broker, request(session=(session_id, 1), max_wait_ms=0)).responses == []
    broker.partition("t").log.delete_records(1)
    answer = only(fetch(broker, request(session=(session_id, 2), max_wait_ms=0)))
    assert (answer.log_start_offset, answer.records) == (1, b"")
    assert fetch(broker, request(session=(session_id, 3), max_wait_ms=0)).responses == []


async def test_a_session_repeats_errors_and_tells_when_they_are_over(broker: HostedTopics) -> None:
    session_id = fetch(broker, request(("later", 0, 0), session=(0, 0))).session_id
    for epoch in (1, 2):
        response = fetch(broker, request(session=(session_id, epoch)))
        assert codes(response) == [("later", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    await broker.create("later")
    response = fetch(broker, request(session=(session_id, 3), max_wait_ms=0))
    assert codes(response) == [("later", 0, 0)]
    assert fetch(broker, request(session=(session_id, 4), max_wait_ms=0)).responses == []


async def test_each_partition_gets_its_turn(broker: HostedTopics) -> None:
    for index in range(3):
        for _ in range(3):
            broker.append("t", b"a", index=index)
    session = fetch(broker, request(*[("t", index, 0) for index in range(3)], session=(0, 0), max_bytes=1)).session_id
    served = []
    for epoch in range(1, 7):
        response = fetch(broker, request(session=(session, epoch), max_bytes=1))
        served += [index for _, index, size in sizes(response) if size]
    assert served == [0, 1, 2, 0, 1, 2]


async def test_partitions_are_forgotten(broker: HostedTopics) -> None:
    broker.append("t", b"a", index=0)
    broker.append("t", b"a", index=1)
    session_id = fetch(broker, request(("t", 0, 0), ("t", 1, 0), session=(0, 0))).session_id
    response = fetch(broker, request(session=(session_id, 1), forget=(("t", 0),)))
    assert sizes(response) == [("t", 1, BATCH_BYTES)]
    response = fetch(broker, request(session=(session_id, 2), forget=(("t", 1),)))
    assert (response.session_id, response.responses) == (0, [])


async def test_a_session_by_id_does_not_follow_the_name(broker: HostedTopics) -> None:
    topic = broker.images.current.topics["t"]
    session_id = fetch(broker, request((topic.topic_id, 0, 0), session=(0, 0), max_wait_ms=0), 17).session_id
    await broker.delete(topic)
    await broker.create("t")
    broker.append("t", b"a")
    response = fetch(broker, request(session=(session_id, 1)), 17)
    assert only(response).error_code == ErrorCode.UNKNOWN_TOPIC_ID
    assert response.responses[0].topic_id == topic.topic_id


async def test_a_session_by_name_follows_the_name(broker: HostedTopics) -> None:
    session_id = fetch(broker, request(("t", 0, 0), session=(0, 0), max_wait_ms=0)).session_id
    await broker.delete(broker.images.current.topics["t"])
    await broker.create("t")
    broker.append("t", b"a")
    assert sizes(fetch(broker, request(session=(session_id, 1)))) == [("t", 0, BATCH_BYTES)]


@pytest.mark.parametrize(
    ("version", "session", "code"),
    [
        (12, (12345, 1), ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (12, (0, 7), ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (12, (None, 2), ErrorCode.INVALID_FETCH_SESSION_EPOCH),
        (17, (None, 1), ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR),
    ],
)
async def test_errors_of_sessions_are_answered_as_a_whole(
    broker: HostedTopics, version: int, session: tuple[int | None, int], code: ErrorCode
) -> None:
    session_id, epoch = session
    if session_id is None:
        session_id = fetch(broker, request(("t", 0, 0), session=(0, 0), max_wait_ms=0)).session_id
    response = fetch(broker, request(session=(session_id, epoch)), version)
    assert (response.error_code, response.session_id, response.responses) == (code, 0, [])


async def test_a_parked_request_that_was_overtaken_is_refused(broker: HostedTopics) -> None:
    session_id = fetch(broker, request(("t", 0, 0), session=(0, 0), max_wait_ms=0)).session_id
    overtaken = park(broker, request(session=(session_id, 1)))
    later = park(broker, request(session=(session_id, 2)))
    broker.append("t", b"a")
    refused = await answered(overtaken)
    assert (refused.error_code, refused.session_id) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, session_id)
    assert refused.responses == []
    assert sizes(await answered(later)) == [("t", 0, BATCH_BYTES)]


async def test_without_a_free_slot_requests_stay_full(tmp_path: Path) -> None:
    broker = HostedTopics(tmp_path, {"max.incremental.fetch.session.cache.slots": "0"})
    await broker.create("t")
    response = fetch(broker, request(("t", 0, 0), session=(0, 0), max_wait_ms=0))
    assert (response.session_id, codes(response)) == (0, [("t", 0, 0)])
