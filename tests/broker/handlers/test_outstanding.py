"""What is made of replies that are there, outstanding, given up, or failures."""

from __future__ import annotations

import asyncio

import pytest

from broker.handlers.outstanding import all_then, then


def new_future() -> asyncio.Future[int]:
    return asyncio.get_running_loop().create_future()


async def test_what_is_there_is_used_at_once() -> None:
    assert then(20, lambda value: value + 1) == 21
    assert all_then([1, 2, 3], sum) == 6
    assert all_then([], lambda values: len(values)) == 0


async def test_what_is_outstanding_is_used_when_it_is_there() -> None:
    reply = new_future()
    made = then(reply, lambda value: value + 1)
    assert isinstance(made, asyncio.Future)
    reply.set_result(20)
    assert await made == 21


async def test_all_replies_keep_their_order_whichever_comes_last() -> None:
    first, second = new_future(), new_future()
    made = all_then([first, 2, second], tuple)
    assert isinstance(made, asyncio.Future)
    second.set_result(3)
    await asyncio.sleep(0)
    assert not made.done()
    first.set_result(1)
    assert await made == (1, 2, 3)


async def test_who_gives_up_gives_up_all_replies() -> None:
    replies = [new_future(), new_future()]
    made = all_then(replies, sum)
    assert isinstance(made, asyncio.Future)
    made.cancel()
    await asyncio.sleep(0)
    assert [reply.cancelled() for reply in replies] == [True, True]


async def test_a_reply_that_comes_although_nobody_waits_any_more() -> None:
    reply = new_future()
    made = then(reply, lambda value: value + 1)
    assert isinstance(made, asyncio.Future)
    made.cancel()
    reply.set_result(20)
    await asyncio.sleep(0)
    assert made.cancelled()


async def test_failures_are_passed_on() -> None:
    failing, fine = new_future(), new_future()
    made = then(failing, lambda value: value), then(fine, lambda value: value // 0)
    failing.set_exception(OSError("disk"))
    fine.set_result(1)
    for future, kind in zip(made, (OSError, ZeroDivisionError), strict=True):
        assert isinstance(future, asyncio.Future)
        with pytest.raises(kind):
            await future


async def test_a_reply_that_was_cancelled_elsewhere() -> None:
    reply = new_future()
    made = then(reply, lambda value: value)
    assert isinstance(made, asyncio.Future)
    reply.cancel()
    with pytest.raises(asyncio.CancelledError):
        await made
