"""What a state machine notes stands in the broker's log, one line for each, once its records are written."""

from __future__ import annotations

import logging

import pytest

from broker.core.result import CoordinatorRecord, Result
from protocol.errors import ErrorCode, KafkaError
from tests.support.toy_coordinator import ToyRuntime, Toys


def noting(text: str) -> Result:
    result = Result("noted", [CoordinatorRecord(b"a", b"1")])
    result.notes.append(text)
    return result


async def test_notes_of_requests_and_timers_are_logged(toys: ToyRuntime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    toys.prepare_shard = lambda shard: setattr(shard, "on_fire", lambda key: noting("[group g] by a timer"))
    toys.lead()
    assert toys.call(lambda shard: noting("[group ö] by a request")) == "noted"
    toys.arm({"t": 1})
    await toys.advance(1)
    assert caplog.messages == ["[group ö] by a request", "[group g] by a timer"]


async def test_a_note_is_one_line_whatever_its_client_calls_itself(
    toys: ToyRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    toys.lead()
    toys.call(lambda shard: noting("[group g\n2026-01-01 ERROR forged] joins"))
    assert caplog.messages == [r"'[group g\n2026-01-01 ERROR forged] joins'"]


async def test_what_was_refused_is_not_told(toys: ToyRuntime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    partition = toys.lead()
    partition.refusal = KafkaError(ErrorCode.NOT_ENOUGH_REPLICAS)

    def operation(shard: Toys) -> Result:
        result = noting("it is written")

        def on_refused(code: ErrorCode) -> Result:
            instead = Result(code)
            instead.notes.append("it is not written")
            return instead

        result.on_refused = on_refused
        return result

    assert toys.call(operation) is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert "it is not written" in caplog.messages
    assert "it is written" not in caplog.messages
