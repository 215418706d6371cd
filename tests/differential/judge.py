"""Runs scripts until something differs that nothing explains, and makes the script of that short."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .coverage import Coverage
from .peers import running_peers
from .run import Exchange, Runner
from .script import Script, render
from .settle import Unclean
from .shrink import shrink
from .side import SILENCE_S, Side

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A script, and the exchange in which the two sides differ for no reason that is known."""

    script: Script
    exchange: Exchange

    def __str__(self) -> str:
        differences = "".join(f"    {difference}\n" for difference in self.exchange.unexplained)
        return f"{render(self.script)}\nThe answers differ to\n{self.exchange.step}\n{differences}"

    def is_like(self, exchange: Exchange) -> bool:
        """Whether there is a difference of the same kind in another exchange."""
        kinds = {difference.fields for difference in self.exchange.unexplained}
        same_api = exchange.step.api == self.exchange.step.api
        return same_api and any(difference.fields in kinds for difference in exchange.unexplained)


class Judge:
    """A Kafka and an Ottla that are compared; a context manager that runs them, in directories under `parent`.

    Raises KafkaUnavailable at its beginning where there can be no Kafka.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._open = ExitStack()
        self._runner: Runner

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _begin(self) -> None:
        with ExitStack() as stack:
            sides = [Side(peer) for peer in stack.enter_context(running_peers(self._parent))]
            for side in sides:
                stack.callback(side.close)
            self._runner = Runner(*sides)
            self._open = stack.pop_all()

    def exchanges(self, script: Script, *, silence_s: float = SILENCE_S) -> Iterator[Exchange]:
        """Run a script, whatever differs, as far as the two sides can be compared.

        An answer is waited for `silence_s`.
        """
        try:
            self._runner.clean()
        except Unclean as error:
            _log.warning("%s; beginning again with new brokers", error)
            self._open.close()
            self._begin()
            self._runner.clean()
        yield from self._runner.run(script, silence_s)

    def run(self, script: Script, coverage: Coverage | None = None) -> Failure | None:
        """Run a script up to the first difference that nothing explains."""
        for exchange in self.exchanges(script):
            if coverage is not None:
                coverage.add(exchange)
            if exchange.unexplained:
                return Failure(script, exchange)
        if coverage is not None:
            coverage.scripts += 1
        return None

    def shrink(self, failure: Failure) -> Failure:
        """Return a failure of the same kind whose script is as short as can be; the same one if it does not recur."""
        shortest = failure

        def fails(script: Script) -> bool:
            nonlocal shortest
            for exchange in self.exchanges(script):
                if failure.is_like(exchange):
                    shortest = Failure(script, exchange)
                    return True
            return False

        shrink(failure.script, fails)
        return shortest
