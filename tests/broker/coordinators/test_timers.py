"""A state machine's timers: one for each key, on the broker's wheel, in turns where many are due."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from broker.core.result import CoordinatorRecord, Moment, Result
from protocol.errors import ErrorCode, KafkaError
from tests.support.toy_coordinator import ToyRuntime, turns


async def test_a_timer_fires_once_when_it_is_due(toys: ToyRuntime) -> None:
    toys.lead()
    toys.arm({"t": 100})
    await toys.advance(99)
    assert toys.shards[0].fired == []
    await toys.advance(1)
    assert toys.shards[0].fired == [("t", Moment(toys.clock.now_ms(), 100))]
    await toys.advance(1_000)
    assert len(toys.shards[0].fired) == 1
    assert len(toys.delayed) == 0


async def test_a_timer_that_is_set_anew_fires_at_the_new_time_only(toys: ToyRuntime) -> None:
    toys.lead()
    toys.arm({"later": 100, "sooner": 100})
    toys.arm({"later": 300, "sooner": 50})
    await toys.advance(50)
    assert [key for key, _ in toys.shards[0].fired] == ["sooner"]
    await toys.advance(249)
    assert len(toys.shards[0].fired) == 1
    await toys.advance(1)
    assert [key for key, _ in toys.shards[0].fired] == ["sooner", "later"]
    assert len(toys.delayed) == 0


async def test_a_timer_can_be_cancelled(toys: ToyRuntime) -> None:
    toys.lead()
    toys.arm({"t": 100})
    toys.arm({"t": None, "unknown": None})
    await toys.advance(100)
    assert toys.shards[0].fired == []
    assert len(toys.delayed) == 0


async def test_timers_of_two_partitions_with_one_key_are_two(toys: ToyRuntime) -> None:
    toys.lead(0)
    toys.lead(1)
    toys.arm({"t": 10}, 0)
    toys.arm({"t": 10}, 1)
    toys.arm({"t": None}, 0)
    await toys.advance(10)
    assert [len(shard.fired) for shard in toys.shards] == [0, 1]


async def test_a_timer_may_arm_itself_again(toys: ToyRuntime) -> None:
    toys.lead()

    def again(key: Any) -> Result:
        result = Result()
        result.timers[key] = 10
        return result

    toys.shards[0].on_fire = again
    toys.arm({"t": 10})
    for _ in range(3):
        await toys.advance(10)
    assert [now.monotonic_ms for _, now in toys.shards[0].fired] == [10, 20, 30]


async def test_a_timer_writes_records_and_answers_who_waits(toys: ToyRuntime) -> None:
    partition = toys.lead()
    toys.shards[0].on_fire = lambda key: toys.shards[0].add(b"a")
    partition.held_back = True
    waiting = toys.wait_for(b"a", 1)
    toys.arm({"t": 10})
    await toys.advance(10)
    assert not waiting.done()
    partition.commit()
    assert await waiting == 1


async def test_timers_that_are_due_together_take_turns(toys: ToyRuntime) -> None:
    toys.lead()
    toys.arm(dict.fromkeys(range(500), 10))
    toys.clock.advance(10)
    toys.delayed.complete_due()
    fired = []
    while len(toys.shards[0].fired) < 500:
        await asyncio.sleep(0)
        fired.append(len(toys.shards[0].fired))
    assert len(fired) > 5
    assert [key for key, _ in toys.shards[0].fired] == list(range(500))


async def test_one_that_waits_for_its_turn_can_still_be_cancelled_and_set_anew(toys: ToyRuntime) -> None:
    toys.lead()
    toys.arm({"cancelled": 10, "anew": 10})
    toys.clock.advance(10)
    toys.delayed.complete_due()
    toys.arm({"cancelled": None, "anew": 5})
    await turns()
    assert toys.shards[0].fired == []
    await toys.advance(5)
    assert [key for key, _ in toys.shards[0].fired] == ["anew"]


async def test_a_timer_whose_records_are_refused_is_tried_again(toys: ToyRuntime) -> None:
    partition = toys.lead()
    shard = toys.shards[0]
    shard.on_fire = lambda key: shard.add(b"a")
    toys.arm({"t": 10})
    partition.refusal = KafkaError(ErrorCode.NOT_ENOUGH_REPLICAS)
    await toys.advance(10)
    partition.refusal = None
    await toys.advance(499)
    assert shard.counts == {}
    await toys.advance(1)
    assert shard.counts == {b"a": 1}
    assert len(toys.delayed) == 0


async def test_what_a_refused_timer_makes_wrong_is_set_right_instead(toys: ToyRuntime) -> None:
    partition = toys.lead()
    shard = toys.shards[0]
    waiting = toys.wait_for(b"a", 1)

    def on_fire(key: Any) -> Result:
        result = Result(records=[CoordinatorRecord(b"a", b"1")])
        result.on_refused = shard.answer_all
        return result

    shard.on_fire = on_fire
    toys.arm({"t": 10})
    partition.refusal = KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
    await toys.advance(10)
    assert await waiting is ErrorCode.NOT_COORDINATOR
    assert len(toys.delayed) == 0


async def test_our_own_error_in_a_timer_is_logged_and_the_timer_tried_again(
    toys: ToyRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    toys.lead()
    shard = toys.shards[0]

    def on_fire(key: Any) -> Result:
        if len(shard.fired) == 1:
            raise ZeroDivisionError
        return Result()

    shard.on_fire = on_fire
    toys.arm({"t": 10, "other": 10})
    await toys.advance(10)
    assert [key for key, _ in shard.fired] == ["t", "other"]
    assert "[toys-0] The coordinator failed" in caplog.text
    await toys.advance(500)
    assert [key for key, _ in shard.fired] == ["t", "other", "t"]
