"""Requests to a coordinator: written, replayed, answered when committed; refused, failed and abandoned."""

from __future__ import annotations

import asyncio
import logging

import pytest

from broker.core.result import CoordinatorRecord, Moment, Reply, Result, Ticket
from protocol.errors import ErrorCode, KafkaError
from protocol.record_batch import read_header
from protocol.records import iterate
from storage.log_config import LogConfig
from tests.support.toy_coordinator import COMMIT_TIMEOUT_MS, ToyRuntime, Toys, turns


def stored(toys: ToyRuntime, index: int = 0) -> list[list[tuple[bytes | None, bytes | None]]]:
    """Keys and values in the log, by batch."""
    log = toys.partitions[index].log
    data = log.segments[0].read_bytes(0, log.size_bytes)
    batches = []
    while data:
        size_bytes = read_header(data).size_bytes
        batches.append([(record.key, record.value) for record in iterate(data[:size_bytes])])
        data = data[size_bytes:]
    return batches


# --- a single replica: all is committed at once ------------------------------------------------------------------


async def test_the_reply_to_what_is_committed_at_once_needs_no_future(toys: ToyRuntime) -> None:
    toys.lead()
    assert toys.call(lambda shard: shard.add(b"a")) == 1
    assert toys.call(lambda shard: shard.add(b"a")) == 2
    assert toys.call(lambda shard: shard.get(b"a")) == 2
    assert toys.runtime.waiting_count == 0


async def test_the_records_of_one_result_are_one_batch_and_are_replayed(toys: ToyRuntime) -> None:
    toys.lead()
    toys.call(lambda shard: shard.add(b"a", b"b"))
    toys.call(lambda shard: Result("gone", [CoordinatorRecord(b"a", None)]))
    assert stored(toys) == [[(b"a", b"1"), (b"b", b"1")], [(b"a", None)]]
    [shard] = toys.shards
    assert shard.replayed == [(b"a", b"1"), (b"b", b"1"), (b"a", None)]
    assert shard.counts == {b"b": 1}


async def test_records_have_the_wall_time_and_operations_are_told_both_times(toys: ToyRuntime) -> None:
    toys.lead()
    toys.clock.advance(1_234)
    moments = []

    def operation(shard: Toys, now: Moment, _: Ticket) -> Result:
        moments.append(now)
        return shard.add(b"a")

    toys.runtime.call(0, operation, lambda code: int(code))
    assert moments == [Moment(toys.clock.now_ms(), 1_234)]
    header = toys.partitions[0].log.segments[0].header_at(0)
    assert header.max_timestamp == header.base_timestamp == toys.clock.now_ms()


async def test_every_request_has_a_ticket_of_its_own(toys: ToyRuntime) -> None:
    toys.lead()
    tickets: list[Ticket] = []

    def operation(shard: Toys, now: Moment, ticket: Ticket) -> Result:
        tickets.append(ticket)
        return shard.get(b"a")

    for _ in range(3):
        toys.runtime.call(0, operation, lambda code: int(code))
    assert len(set(tickets)) == 3


async def test_partitions_have_each_their_own_state(toys: ToyRuntime) -> None:
    toys.lead(0)
    toys.lead(3)
    assert toys.call(lambda shard: shard.add(b"a"), 0) == 1
    assert toys.call(lambda shard: shard.get(b"a"), 3) == 0
    assert toys.call(lambda shard: shard.get(b"a"), 1) is ErrorCode.NOT_COORDINATOR


# --- waiting -----------------------------------------------------------------------------------------------------


async def test_a_request_that_waits_is_answered_by_another_one(toys: ToyRuntime) -> None:
    toys.lead()
    first, second = toys.wait_for(b"a", 2), toys.wait_for(b"a", 2)
    assert toys.runtime.waiting_count == 2
    toys.call(lambda shard: shard.add(b"a"))
    await turns()
    assert not first.done()
    assert toys.call(lambda shard: shard.add(b"a")) == 2
    assert await first == await second == 2
    assert toys.runtime.waiting_count == 0


async def test_a_request_may_answer_itself_under_its_ticket(toys: ToyRuntime) -> None:
    toys.lead()

    def operation(shard: Toys, now: Moment, ticket: Ticket) -> Result:
        result = Result(records=[CoordinatorRecord(b"a", b"7")])
        result.replies.append(Reply(ticket, "late"))
        return result

    reply = toys.runtime.call(0, operation, lambda code: code.name)
    assert isinstance(reply, asyncio.Future)
    assert await reply == "late"


async def test_whoever_gives_up_waiting_is_forgotten(toys: ToyRuntime) -> None:
    toys.lead()
    gone, stays = toys.wait_for(b"a", 1), toys.wait_for(b"a", 1)
    gone.cancel()
    await turns()
    assert toys.runtime.waiting_count == 1
    toys.call(lambda shard: shard.add(b"a"))
    assert await stays == 1


async def test_a_connection_that_closes_between_release_and_reply_harms_nobody(toys: ToyRuntime) -> None:
    toys.lead()
    gone, stays = toys.wait_for(b"a", 1), toys.wait_for(b"a", 1)
    toys.call(lambda shard: shard.add(b"a"))
    gone.cancel()
    assert await stays == 1
    assert toys.runtime.waiting_count == 0


async def test_thousands_of_replies_are_released_in_turns(toys: ToyRuntime) -> None:
    toys.lead()
    waiting = [toys.wait_for(b"a", 1) for _ in range(1_000)]
    toys.call(lambda shard: shard.add(b"a"))
    done = []
    while not waiting[-1].done():
        await asyncio.sleep(0)
        done.append(sum(reply.done() for reply in waiting))
    assert all(later - earlier <= 64 for earlier, later in zip([0, *done], done, strict=False))
    assert done[-1] == 1_000


# --- replicas: the high watermark comes later ------------------------------------------------------------------------


async def test_a_reply_waits_until_its_records_are_committed(toys: ToyRuntime) -> None:
    partition = toys.lead()
    partition.held_back = True
    first, second = (toys.call(lambda shard: shard.add(b"a")) for _ in range(2))
    assert toys.shards[0].counts == {b"a": 2}
    partition.commit(1)
    assert await first == 1
    await turns()
    assert not second.done()
    partition.commit()
    assert await second == 2
    assert len(toys.delayed) == 0


async def test_what_was_read_is_shown_once_it_is_committed(toys: ToyRuntime) -> None:
    partition = toys.lead()
    partition.held_back = True
    toys.call(lambda shard: shard.add(b"a"))
    read = toys.call(lambda shard: shard.get(b"a"))
    await turns()
    assert not read.done()
    partition.commit()
    assert await read == 1
    assert toys.call(lambda shard: shard.get(b"a")) == 1


async def test_replies_to_others_wait_for_the_records_too(toys: ToyRuntime) -> None:
    partition = toys.lead()
    waiting = toys.wait_for(b"a", 1)
    partition.held_back = True
    caller = toys.call(lambda shard: shard.add(b"a"))
    await turns()
    assert not waiting.done() and not caller.done()
    partition.commit()
    assert await caller == await waiting == 1


async def test_records_that_are_not_committed_in_time_are_answered_so(toys: ToyRuntime) -> None:
    partition = toys.lead()
    partition.held_back = True
    caller = toys.call(lambda shard: shard.add(b"a"))
    await toys.advance(COMMIT_TIMEOUT_MS - 1)
    assert not caller.done()
    later = toys.call(lambda shard: shard.add(b"a"))
    await toys.advance(1)
    assert await caller is ErrorCode.COORDINATOR_NOT_AVAILABLE
    # They may be committed all the same.
    partition.commit()
    assert await later == 2
    assert toys.runtime.waiting_count == len(toys.delayed) == 0


async def test_who_gave_up_before_the_commit_timeout_is_not_asked(toys: ToyRuntime) -> None:
    partition = toys.lead()
    partition.held_back = True
    toys.call(lambda shard: shard.add(b"a")).cancel()
    await turns()
    await toys.advance(COMMIT_TIMEOUT_MS)
    assert toys.runtime.waiting_count == len(toys.delayed) == 0


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused_with", "answered_with"),
    [
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.REQUEST_TIMED_OUT, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.RECORD_LIST_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.INVALID_RECORD, ErrorCode.INVALID_RECORD),
    ],
)
async def test_a_refused_append_changes_nothing_and_tells_the_caller(
    toys: ToyRuntime, refused_with: ErrorCode, answered_with: ErrorCode
) -> None:
    partition = toys.lead()
    partition.refusal = KafkaError(refused_with)
    waiting = toys.wait_for(b"a", 1)

    def operation(shard: Toys) -> Result:
        result = shard.add(b"a")
        result.timers["t"] = 10
        return result

    assert toys.call(operation) is answered_with
    assert toys.shards[0].replayed == []
    await toys.advance(10)
    assert toys.shards[0].fired == []
    assert not waiting.done()
    partition.refusal = None
    assert toys.call(lambda shard: shard.add(b"a")) == 1


async def test_what_a_refusal_makes_wrong_is_set_right(toys: ToyRuntime) -> None:
    partition = toys.lead()
    waiting = toys.wait_for(b"a", 1)
    partition.refusal = KafkaError(ErrorCode.NOT_ENOUGH_REPLICAS)

    def operation(shard: Toys) -> Result:
        result = Result("written", [CoordinatorRecord(b"a", b"1")])
        result.on_refused = shard.answer_all
        return result

    assert toys.call(operation) is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert await waiting is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert toys.runtime.waiting_count == 0


async def test_a_batch_that_is_too_large_is_refused(toys: ToyRuntime, caplog: pytest.LogCaptureFixture) -> None:
    toys.lead()
    too_large = CoordinatorRecord(b"a", b"0" * LogConfig().max_message_bytes)
    assert toys.call(lambda shard: Result("written", [too_large])) is ErrorCode.UNKNOWN_SERVER_ERROR
    assert "[toys-0] Records of the coordinator were refused: MESSAGE_TOO_LARGE" in caplog.text
    assert stored(toys) == []


async def test_a_kafka_error_of_the_operation_is_its_answer(toys: ToyRuntime) -> None:
    toys.lead()

    def operation(shard: Toys) -> Result:
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND)

    assert toys.call(operation) is ErrorCode.GROUP_ID_NOT_FOUND


async def test_our_own_errors_are_logged_and_leave_the_coordinator_serving(
    toys: ToyRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    toys.lead()

    def operation(shard: Toys) -> Result:
        raise ZeroDivisionError

    assert toys.call(operation) is ErrorCode.UNKNOWN_SERVER_ERROR
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
    assert toys.call(lambda shard: shard.add(b"a")) == 1


# --- all partitions ----------------------------------------------------------------------------------------------


async def test_all_partitions_can_be_asked(toys: ToyRuntime) -> None:
    for index in (0, 1, 2):
        toys.lead(index)
    toys.call(lambda shard: shard.add(b"a"), 1)
    toys.partitions[1].held_back = True
    toys.call(lambda shard: shard.add(b"a"), 1)
    asked = asyncio.ensure_future(toys.runtime.call_each(lambda shard, now, ticket: shard.get(b"a"), int))
    await turns()
    assert not asked.done()
    toys.partitions[1].commit()
    assert await asked == [0, 2, 0]


async def test_work_that_nobody_waits_for_is_done_on_all_partitions(
    toys: ToyRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    for index in (0, 1):
        toys.lead(index)
    toys.partitions[0].refusal = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    await toys.runtime.run_on_each(lambda shard, now: shard.add(b"a"))
    assert [shard.counts for shard in toys.shards] == [{}, {b"a": 1}]
    assert "[toys-0] Records of the coordinator were refused" in caplog.text
