"""What has been compared so far."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from protocol.errors import ErrorCode

from .messages import Plain
from .run import Exchange


class Coverage:
    """Counts of scripts, answers, error codes and departures."""

    def __init__(self) -> None:
        self.scripts = 0
        self.answers: Counter[tuple[str, int]] = Counter()
        """By API and version; a connection that is closed, and silence where it is due, are answers, too."""
        self.errors: defaultdict[str, set[ErrorCode]] = defaultdict(set)
        """By API, as Kafka has answered them."""
        self.absences: Counter[str] = Counter()
        """How often both sides had no answer, by what there was instead."""
        self.departures: Counter[str] = Counter()
        """In how many answers each was seen."""
        self.departing_answers = 0

    def add(self, exchange: Exchange) -> None:
        """Take an exchange into account."""
        step = exchange.step
        self.answers[step.api, step.version] += 1
        if exchange.kafka.answer is not None:
            self.errors[step.api].update(_codes(exchange.kafka.answer))
        elif exchange.kafka == exchange.ottla:
            self.absences[exchange.kafka.absence] += 1
        self.departures.update(departure.name for departure in exchange.departures)
        self.departing_answers += bool(exchange.departures)

    @property
    def total(self) -> int:
        """How many answers were compared."""
        return self.answers.total()


def _codes(value: Plain) -> Iterator[ErrorCode]:
    """All error codes of an answer."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == "error_code":
                yield ErrorCode(item)
            else:
                yield from _codes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _codes(item)
