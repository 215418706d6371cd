"""Runs a script on both sides and compares."""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Final, NamedTuple

from .compare import Difference, compare
from .departures import Departure, explain
from .normal import normalize
from .script import FINISH, Script, Step
from .settle import Settler
from .side import CLOSED, SILENT, Outcome, Side, now_ms

GRACE_S: Final = 0.4
"""How long something is waited for that may not come."""

LAST_GRACE_S: Final = 0.1
"""The same at the end of a script."""

WAITING: Final = ("JoinGroup", "SyncGroup")
"""APIs whose answers wait for what others do."""


class Exchange(NamedTuple):
    """A request and what both sides have answered, in normal form."""

    step: Step
    kafka: Outcome
    ottla: Outcome
    differences: list[Difference]
    departures: list[Departure]
    """What explains the differences that are intended."""

    @property
    def unexplained(self) -> list[Difference]:
        """The differences that nothing explains."""
        return [difference for difference in self.differences if explain(self, difference) is None]


class Runner:
    """Both sides, to be cleaned before each script."""

    def __init__(self, kafka: Side, ottla: Side) -> None:
        self._sides = (kafka, ottla)
        self._settler = Settler(kafka, ottla)

    def clean(self) -> None:
        """Take back what the last script has made. Raises Unclean."""
        self._settler.clean()

    def run(self, script: Script, silence_s: float) -> Iterator[Exchange]:
        """Send one request after the other and yield each with its answers, which are waited for that long.

        It ends early where the two sides cannot be compared any further: after a departure that says so.
        """
        moment = now_ms()
        for side in self._sides:
            side.now_ms = moment
            side.silence_s = silence_s
            side.look_up_topics()
        for exchange in self._exchanges(script):
            yield exchange
            if any(departure.ends(exchange) for departure in exchange.departures):
                return

    def _exchanges(self, script: Script) -> Iterator[Exchange]:
        for step in script:
            if step.api != FINISH:
                for side in self._sides:
                    side.send(step)
            if step.is_started:
                # An answer to anything means that what was sent before it has been read, too.
                for side in self._sides:
                    side.ask("ApiVersions", 0)
            else:
                yield from self._collect(step.connection, GRACE_S)
            for name in self._sides[0].connections:
                yield from self._collect(name, 0.0)
        for name in self._sides[0].connections:
            yield from self._collect(name, LAST_GRACE_S)

    def _collect(self, connection: str, grace_s: float) -> Iterator[Exchange]:
        """Yield what has been answered on a connection, waiting for what must be answered.

        Members of groups wait for each other, perhaps in vain: their answers are waited for once one side has sent one.
        """
        while (step := self._sides[0].outstanding(connection)) is not None:
            may_wait = step.api in WAITING or step.is_started
            if may_wait and not self._is_answered(connection, grace_s):
                return
            exchange = self._receive(connection)
            if exchange is not None:
                yield exchange

    def _is_answered(self, connection: str, grace_s: float) -> bool:
        sockets = [side.socket(connection) for side in self._sides]
        return bool(select.select(sockets, [], [], grace_s)[0])

    def _receive(self, connection: str) -> Exchange | None:
        received = [side.receive(connection) for side in self._sides]
        if received[0] is None or received[1] is None:
            return None
        step = received[0][0]
        if any(found is not None and found[1] in (CLOSED, SILENT) for found in received):
            for side in self._sides:
                side.drop(connection)
        self._settler.settle(step)
        kafka, ottla = (
            normalize(side, step.api, found[1]) for side, found in zip(self._sides, received, strict=True) if found
        )
        differences = compare(step.api, kafka, ottla)
        exchange = Exchange(step, kafka, ottla, differences, [])
        for difference in differences:
            departure = explain(exchange, difference)
            if departure is not None and departure not in exchange.departures:
                exchange.departures.append(departure)
        return exchange
