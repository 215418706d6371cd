"""What a handler makes of a coordinator's replies, which mostly are there at once and sometimes outstanding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def then(reply: T | asyncio.Future[T], make: Callable[[T], R]) -> R | asyncio.Future[R]:
    """Make something of a reply, at once or when it is there; who cancels that cancels the reply."""
    if not isinstance(reply, asyncio.Future):
        return make(reply)
    made: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def on_reply(reply: asyncio.Future[T]) -> None:
        if made.cancelled():
            return
        try:
            made.set_result(make(reply.result()))
        except (Exception, asyncio.CancelledError) as error:
            made.set_exception(error)

    def on_made(made: asyncio.Future[R]) -> None:
        if made.cancelled():
            reply.cancel()

    reply.add_done_callback(on_reply)
    made.add_done_callback(on_made)
    return made


def all_then(replies: Sequence[T | asyncio.Future[T]], make: Callable[[list[T]], R]) -> R | asyncio.Future[R]:
    """The same of several replies, when the last of them is there."""
    outstanding = [reply for reply in replies if isinstance(reply, asyncio.Future)]
    if not outstanding:
        return make([reply for reply in replies if not isinstance(reply, asyncio.Future)])

    def make_of_all(_: list[T]) -> R:
        return make([reply.result() if isinstance(reply, asyncio.Future) else reply for reply in replies])

    gathered: asyncio.Future[list[T]] = asyncio.gather(*outstanding)
    return then(gathered, make_of_all)
