"""What a coordinator's state machine makes of a request or a timer: records to write, replies, timers.

A coordinator is pure: it is handed a request and the moment, and returns a `Result`. What Kafka persists of its state
changes only when a record is replayed, by `replay(key, value)`, the same function that builds the state from the log
after a restart. What Kafka keeps in memory only (who waits for a rebalance, sessions) lives beside it and is lost with
the coordinator, as in Kafka. Between a state machine's answer and the replay of its records nothing else happens to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple, NewType, Protocol

from protocol.errors import ErrorCode

Ticket = NewType("Ticket", int)
"""Stands for a request that waits for its reply; whoever called the state machine gives it out."""


class Moment(NamedTuple):
    """Now: wall time for what is written, monotonic time for deadlines; both in ms."""

    wall_ms: int
    monotonic_ms: int


class CoordinatorRecord(NamedTuple):
    """A record for the coordinator's log, its key and value in Kafka's format; a value of None is a tombstone."""

    key: bytes
    value: bytes | None


class Reply(NamedTuple):
    """The reply to a request that had to wait."""

    ticket: Ticket
    response: Any


class Result:
    """What is to be done, in this order: append `records`, replay them, arm timers, release replies once committed.

    The records of one result become one RecordBatch: they are in the log together or not at all. If they cannot be
    appended neither timers nor replies of this result hold, and what `on_refused` returns is done instead. Without it
    the caller gets the error, which is all that a change needs that has not happened anywhere but in its records. A
    timer that was the cause fires again a little later.
    """

    __slots__ = ("notes", "on_refused", "records", "replies", "reply", "timers")

    def __init__(self, reply: Any = None, records: list[CoordinatorRecord] | None = None) -> None:
        self.reply = reply
        """The response to the request at hand; None if a timer was the cause, or if it waits under its ticket."""
        self.records: list[CoordinatorRecord] = [] if records is None else records
        self.replies: list[Reply] = []
        """Responses to requests that waited; the one at hand may be among them."""
        self.timers: dict[Hashable, int | None] = {}
        """By timer key, in how many ms to call `on_timer` with that key; None cancels. A key has one timer at most."""
        self.notes: list[str] = []
        """Lines for the broker's log, of what its operator may ask about later."""
        self.on_refused: Callable[[ErrorCode], Result] | None = None
        """Sets right what was changed in the belief that the records would be appended; it is given the code that
        clients are to see, and called before anything else happens. Its result has no records. It answers the request
        at hand, by `reply` or among `replies`, unless that is to go on waiting."""


class Coordinator(Protocol):
    """The state machine of one partition of a coordinator's topic."""

    def replay(self, key: bytes, value: bytes | None) -> bool:
        """Take over a record of the log; False if it cannot be read. Raises nothing, whatever the bytes are."""

    def on_loaded(self, now: Moment) -> Iterator[Result]:
        """Begin to serve the state that was replayed: step by step, so that others have their turn in between."""

    def on_timer(self, key: Any, now: Moment) -> Result:
        """A timer that a Result has armed is due."""
